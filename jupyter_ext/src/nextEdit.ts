/** Shows the next edit of a notebook or file: Tab goes there, Tab there makes the edit, Escape dismisses it. */

import type { Range } from "@codemirror/state";
import type { Decoration, EditorView, ViewUpdate } from "@codemirror/view";
import type { CodeEditor } from "@jupyterlab/codeeditor";
import type { CodeMirrorEditor } from "@jupyterlab/codemirror";
import type { Widget } from "@lumino/widgets";
import type { Api, NextEdit } from "./api.ts";
import { activeEditor, findPart, type Part, restingContext, watchCode } from "./documents.ts";
import { NextEditRequest } from "./nextEditRequest.ts";
import { hint, type PlacedEdit, placeEdit } from "./nextEditText.ts";
import { drawEdit, drawHint, type NextEditListener, setDecorations } from "./nextEditView.ts";

interface Shown {
  readonly widget: Widget;
  readonly edit: NextEdit;
}

interface Found {
  readonly part: Part;
  readonly at: PlacedEdit;
}

/** At most one edit is shown, and none whose notebook or file has been changed since it was asked for. */
export class NextEdits implements NextEditListener {
  private readonly request = new NextEditRequest<Shown>(
    (signal) => this.ask(signal),
    (shown) => this.show(shown),
  );
  private isOn = false;
  private known = new WeakSet<Widget>(); // whose texts the server has received
  private shown: Shown | null = null;
  private stopWatching: () => void = () => {};
  private readonly drawn = new Set<EditorView>();

  constructor(
    private readonly api: Api,
    private readonly currentWidget: () => Widget | null,
  ) {}

  /** Follow the setting. */
  switch(isOn: boolean): void {
    this.isOn = isOn;
    this.known = new WeakSet();
    this.clear();
  }

  opened(_: EditorView): void {
    this.drawSoon();
  }

  updated(update: ViewUpdate): void {
    if (update.docChanged && this.isOn) {
      this.clear();
      this.changed(update);
    } else if (update.selectionSet || update.focusChanged) {
      this.drawSoon();
    }
  }

  closed(view: EditorView): void {
    this.drawn.delete(view);
  }

  accept(view = this.activeView()): boolean {
    const found = this.find();
    if (!found || !view || view !== this.activeView()) {
      return false;
    }
    const { part, at } = found;
    const { head } = view.state.selection.main;
    if (viewOf(part.editor) !== view || head < at.start || head > at.end) {
      void this.go(part, at);
      return true;
    }
    beginUndoStep(part);
    view.dispatch({
      changes: { from: at.from, to: at.to, insert: at.added },
      selection: { anchor: at.from + at.added.length },
      scrollIntoView: true,
      userEvent: "input.complete",
    });
    beginUndoStep(part);
    return true;
  }

  dismiss(view = this.activeView()): boolean {
    if (!this.shown || view !== this.activeView()) {
      return false;
    }
    void this.api.rejectNextEdit(this.shown.edit).catch(() => {}); // it is hidden all the same
    this.clear();
    return true;
  }

  /** The user has changed a text: send the one before if it is not known, and ask for the next edit. */
  private changed({ view, startState }: ViewUpdate): void {
    const widget = this.currentWidget();
    if (!widget || !view.hasFocus || viewOf(activeEditor(widget)) !== view) {
      return;
    }
    const context = this.known.has(widget) ? null : restingContext(widget);
    const cell = context?.cells[context.index];
    if (context && cell && findPart(widget, cell.id)) {
      this.known.add(widget);
      cell.code = startState.doc.toString();
      void this.api.nextEdit({ ...context, offset: 0 }, new AbortController().signal).catch(() => {}); // the next one says it
    }
    this.request.changed();
  }

  private async ask(signal: AbortSignal): Promise<Shown | null> {
    const widget = this.currentWidget();
    const context = restingContext(widget);
    if (!widget || !context || !findPart(widget, context.cells[context.index]?.id ?? "")) {
      return null; // a console
    }
    this.stopWatching = watchCode(widget, () => this.clear());
    const edit = await this.api.nextEdit(context, signal);
    return edit && { widget, edit };
  }

  private show(shown: Shown): void {
    this.shown = shown;
    if (!this.find()) {
      this.shown = null;
    }
    this.draw();
  }

  private clear(): void {
    this.request.end();
    this.stopWatching();
    this.stopWatching = () => {};
    this.shown = null;
    this.drawSoon();
  }

  /** The cell or file of the edit, and its place there; null if none is shown that can still be made. */
  private find(): Found | null {
    const part = this.shown && findPart(this.shown.widget, this.shown.edit.cell);
    const at = this.shown && part && !part.isReadOnly ? placeEdit(this.shown.edit, sourceOf(part)) : null;
    return part && at && { part, at };
  }

  private activeView(): EditorView | null {
    return this.shown && viewOf(activeEditor(this.shown.widget));
  }

  private async go({ activate }: Part, at: PlacedEdit): Promise<void> {
    await activate();
    const editor = this.find()?.part.editor; // of a cell, it may have been created now
    viewOf(editor)?.dispatch({ selection: { anchor: at.from }, scrollIntoView: true });
    editor?.focus();
  }

  private drawSoon(): void {
    if (this.shown || this.drawn.size > 0) {
      queueMicrotask(() => this.draw()); // no editor can be drawn in while it is being updated
    }
  }

  /** Draw the edit, and a hint at the cursor while that is elsewhere. */
  private draw(): void {
    const ranges = new Map<EditorView, Range<Decoration>[]>([...this.drawn].map((view) => [view, []]));
    const found = this.find();
    const active = this.activeView();
    if (found) {
      const { part, at } = found;
      const target = viewOf(part.editor);
      const head = active?.state.selection.main.head ?? 0;
      if (target) {
        ranges.set(target, drawEdit(at));
      }
      if (active && (active !== target || head < at.start || head > at.end)) {
        const text = hint(active === target ? 0 : part.position, sourceOf(part), at.from);
        ranges.set(active, [...(ranges.get(active) ?? []), ...drawHint(active, text)]);
      }
    }
    for (const [view, drawings] of ranges) {
      setDecorations(view, drawings);
      if (drawings.length > 0) {
        this.drawn.add(view);
      } else {
        this.drawn.delete(view);
      }
    }
  }
}

function viewOf(editor: CodeEditor.IEditor | null | undefined): EditorView | null {
  return (editor as CodeMirrorEditor | null | undefined)?.editor ?? null;
}

function sourceOf(part: Part): string {
  return part.model.sharedModel.getSource();
}

/** What is changed from now on is undone by itself: changes in quick succession are undone together otherwise. */
function beginUndoStep(part: Part): void {
  const text = part.model.sharedModel as { undoManager?: { stopCapturing(): void } | null };
  text.undoManager?.stopCapturing();
}
