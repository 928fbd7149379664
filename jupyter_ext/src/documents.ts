/** Reads the contents and the cursor of notebooks, consoles and file editors, and goes to their cells. */

import type { ICellModel } from "@jupyterlab/cells";
import type { CodeEditor } from "@jupyterlab/codeeditor";
import type { CompletionHandler } from "@jupyterlab/completer";
import { type CodeConsole, ConsolePanel } from "@jupyterlab/console";
import { PathExt, Text } from "@jupyterlab/coreutils";
import { FileEditor } from "@jupyterlab/fileeditor";
import { type Notebook, NotebookPanel } from "@jupyterlab/notebook";
import type { Widget } from "@lumino/widgets";
import type { Cell, CursorContext } from "./api.ts";

interface Executable {
  executionCount: number | null;
}

/** The document of a widget and the cursor in it; null if it gets no suggestions. */
export function cursorContext(widget: Widget, request: CompletionHandler.IRequest): CursorContext | null {
  if (widget instanceof NotebookPanel) {
    return notebookContext(widget, request);
  }
  if (widget instanceof ConsolePanel) {
    return consoleContext(widget, request);
  }
  const file = fileOf(widget);
  if (file) {
    const cells = [{ code: request.text, execution_count: null, language: "", id: "" }];
    return { path: file.context.path, language: "", cells, index: 0, offset: request.offset };
  }
  return null;
}

/** The document of a widget and the cursor of its editor, the active cell's in a notebook; null as above. */
export function restingContext(widget: Widget | null): CursorContext | null {
  const editor = widget && activeEditor(widget);
  if (!widget || !editor) {
    return null;
  }
  const text = editor.model.sharedModel.getSource();
  const offset = Text.jsIndexToCharIndex(editor.getOffsetAt(editor.getCursorPosition()), text);
  return cursorContext(widget, { text, offset });
}

/** The editor of a widget, that of the active cell in a notebook; null if it has none. */
export function activeEditor(widget: Widget): CodeEditor.IEditor | null {
  if (widget instanceof NotebookPanel) {
    return widget.content.activeCell?.editor ?? null;
  }
  if (widget instanceof ConsolePanel) {
    return widget.console.promptCell?.editor ?? null;
  }
  return fileOf(widget)?.editor ?? null;
}

function fileOf(widget: Widget): FileEditor | null {
  const content = "content" in widget ? widget.content : null;
  return content instanceof FileEditor ? content : null;
}

/** A cell of a notebook, or the text of a file. */
export interface Part {
  readonly model: CodeEditor.IModel;
  /** Position of the cell in its notebook, from 1; 0 for a file. */
  readonly position: number;
  /** Null for a cell that has not been in view yet. */
  readonly editor: CodeEditor.IEditor | null;
  readonly isReadOnly: boolean;
  /** Make the cell the active one, in edit mode and in view, with its editor. */
  readonly activate: () => Promise<void>;
}

/** The cell of a notebook with an identifier, which is empty for the text of a file; null if there is none. */
export function findPart(widget: Widget, id: string): Part | null {
  if (widget instanceof NotebookPanel) {
    const { content } = widget;
    const index = content.widgets.findIndex(({ model }) => model.id === id && model.type === "code");
    const cell = content.widgets[index];
    const activate = () => activateCell(content, index);
    return cell
      ? { model: cell.model, position: index + 1, editor: cell.editor, isReadOnly: cell.readOnly, activate }
      : null;
  }
  const file = id ? null : fileOf(widget);
  if (!file) {
    return null;
  }
  const { editor, model } = file;
  return { model, position: 0, editor, isReadOnly: editor.getOption("readOnly") === true, activate: async () => {} };
}

async function activateCell(notebook: Notebook, index: number): Promise<void> {
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  notebook.scrollToItem(index, "smart").catch(() => {}); // ends later, also where there is nothing to scroll
  const cell = notebook.activeCell;
  if (cell) {
    cell.inputHidden = false;
    await cell.ready;
    notebook.mode = "edit";
  }
}

/** Calls back when the code of a notebook or a file is changed by anybody, or cells are added, moved or removed. */
export function watchCode(widget: Widget, onChange: () => void): () => void {
  const onSource = (_: unknown, change: { sourceChange?: unknown }) => change.sourceChange && onChange();
  const onCells = (_: unknown, change: { cellsChange?: unknown }) => change.cellsChange && onChange();
  const notebook = widget instanceof NotebookPanel ? widget.content.model : null;
  const models = notebook ? [...notebook.cells] : [fileOf(widget)?.model];
  const texts = models.flatMap((model) => (model ? [model.sharedModel] : []));
  for (const text of texts) {
    text.changed.connect(onSource);
  }
  notebook?.sharedModel.changed.connect(onCells);
  return () => {
    for (const text of texts) {
      text.changed.disconnect(onSource);
    }
    notebook?.sharedModel.changed.disconnect(onCells);
  };
}

function notebookContext(panel: NotebookPanel, request: CompletionHandler.IRequest): CursorContext | null {
  const active = panel.content.activeCell?.model;
  if (active?.type !== "code") {
    return null;
  }
  const models = [...(panel.content.model?.cells ?? [])].filter((model) => model.type === "code");
  const cells = models.map((model) => ({ ...toCell(model), id: model.id }));
  const index = models.indexOf(active);
  const changed = cells[index];
  if (!changed) {
    return null;
  }
  cells[index] = { ...changed, code: request.text };
  return { path: panel.context.path, language: languageOfNotebook(panel), cells, index, offset: request.offset };
}

function consoleContext(panel: ConsolePanel, request: CompletionHandler.IRequest): CursorContext {
  const executed = [...panel.console.cells].map((cell) => cell.model).filter((model) => model.type === "code");
  const cells = [...executed.map(toCell), { code: request.text, execution_count: null, language: "", id: "" }];
  const language = languageOfConsole(panel.console);
  return { path: pathOfConsole(panel), language, cells, index: executed.length, offset: request.offset };
}

/** A console's path, with a folder added to distinguish it from the notebook it was opened for. */
export function pathOfConsole(panel: ConsolePanel): string {
  const { path } = panel.sessionContext;
  return PathExt.join(PathExt.dirname(path), panel.id, PathExt.basename(path));
}

function toCell(model: ICellModel): Cell {
  const count = (model as ICellModel & Executable).executionCount;
  const vscode = model.getMetadata("vscode") as { languageId?: string } | undefined; // what VS Code writes
  const code = model.sharedModel.getSource();
  return { code, execution_count: count ?? null, language: vscode?.languageId ?? "", id: "" };
}

/** The language of a notebook's kernel; Python where nothing is said. */
export function languageOfNotebook(panel: NotebookPanel): string {
  const info = panel.content.model?.getMetadata("language_info") as { name?: string } | undefined;
  return plainLanguage(info?.name ?? panel.content.model?.defaultKernelLanguage);
}

function languageOfConsole(console: CodeConsole): string {
  const mime = console.promptCell?.model.mimeType ?? "";
  return plainLanguage(mime.replace(/^text\/x-/, ""));
}

function plainLanguage(name: string | undefined): string {
  const plain = (name || "python").toLowerCase();
  return plain.startsWith("ipython") ? "python" : plain;
}
