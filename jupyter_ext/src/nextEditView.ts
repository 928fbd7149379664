/** The next edit in a CodeMirror editor: what goes is struck out, what comes is a widget, as is the hint; its keys. */

import { type Extension, Prec, type Range, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  EditorView,
  keymap,
  ViewPlugin,
  type ViewUpdate,
  WidgetType,
} from "@codemirror/view";
import type { PlacedEdit } from "./nextEditText.ts";

/** Hosts of an editor with ghost text or a completion menu, whose keys go first. */
const TAKEN = ".jp-mod-inline-completer-active, .jp-mod-completer-active";
const SHOWN = "jp-NeuroNano-nextEdit";
const removed = Decoration.mark({ class: "jp-NeuroNano-removed" });
const decorate = StateEffect.define<DecorationSet>();

/** The decorations; those of an older text never stay. */
const decorations = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(shown, transaction) {
    const effect = transaction.effects.find((each) => each.is(decorate));
    return effect?.value ?? (transaction.docChanged ? Decoration.none : shown);
  },
  provide: (field) => [
    EditorView.decorations.from(field),
    EditorView.contentAttributes.compute([field, "selection"], (state) => {
      const isShown = state.field(field).size > 0 && state.selection.main.empty;
      return isShown ? { class: SHOWN } : ({} as Record<string, string>);
    }),
  ],
});

class TextWidget extends WidgetType {
  private readonly text: string;
  private readonly name: string;

  constructor(text: string, name: string) {
    super();
    this.text = text;
    this.name = name;
  }

  override eq(other: TextWidget): boolean {
    return other.text === this.text && other.name === this.name;
  }

  toDOM(): HTMLElement {
    const element = document.createElement("span");
    element.className = `jp-NeuroNano-${this.name}`;
    element.textContent = this.text;
    return element;
  }
}

/** What goes and what comes. */
export function drawEdit({ from, to, added }: PlacedEdit): Range<Decoration>[] {
  const widget = Decoration.widget({ widget: new TextWidget(added, "added"), side: 1 });
  return [...(from < to ? [removed.range(from, to)] : []), ...(added ? [widget.range(to)] : [])];
}

/** A hint at the end of the cursor's line. */
export function drawHint(view: EditorView, text: string): Range<Decoration>[] {
  const { state } = view;
  const widget = Decoration.widget({ widget: new TextWidget(text, "hint"), side: 2 });
  return [widget.range(state.doc.lineAt(state.selection.main.head).to)];
}

/** Show these decorations alone; not while the editor is being updated. */
export function setDecorations(view: EditorView, ranges: Range<Decoration>[]): void {
  view.dispatch({ effects: decorate.of(Decoration.set(ranges, true)) });
}

/** What an editor reports. */
export interface NextEditListener {
  /** It has been created. */
  opened(view: EditorView): void;
  updated(update: ViewUpdate): void;
  closed(view: EditorView): void;
  /** Tab was pressed: true if it was for the next edit. */
  accept(view: EditorView): boolean;
  /** Escape was pressed: true if it was for the next edit. */
  dismiss(view: EditorView): boolean;
}

/**
 * The extension of each editor. Its keys are JupyterLab's shortcuts as well, by the class of the editor's content: Notebook
 * 7 sees keys before CodeMirror does, JupyterLab after it.
 */
export function nextEditExtension(listener: NextEditListener): Extension {
  const isFree = (view: EditorView) => view.state.selection.main.empty && !view.dom.closest(TAKEN);
  return [
    decorations,
    ViewPlugin.define((view) => {
      listener.opened(view);
      return { update: (update) => listener.updated(update), destroy: () => listener.closed(view) };
    }),
    Prec.highest(
      keymap.of([
        { key: "Tab", run: (view) => isFree(view) && listener.accept(view) },
        { key: "Escape", run: (view) => isFree(view) && listener.dismiss(view) },
      ]),
    ),
  ];
}
