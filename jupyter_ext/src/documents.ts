/** Reads the contents and the cursor of notebooks, consoles and file editors. */

import type { ICellModel } from "@jupyterlab/cells";
import type { CodeEditor } from "@jupyterlab/codeeditor";
import type { CompletionHandler } from "@jupyterlab/completer";
import { type CodeConsole, ConsolePanel } from "@jupyterlab/console";
import { PathExt, Text } from "@jupyterlab/coreutils";
import { FileEditor } from "@jupyterlab/fileeditor";
import { NotebookPanel } from "@jupyterlab/notebook";
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
  const content = "content" in widget ? widget.content : null;
  if (content instanceof FileEditor) {
    const cells = [{ code: request.text, execution_count: null, language: "" }];
    return { path: content.context.path, language: "", cells, index: 0, offset: request.offset };
  }
  return null;
}

/** The document of a widget and the cursor of its editor, the active cell's in a notebook; null as above. */
export function restingContext(widget: Widget | null): CursorContext | null {
  const editor = widget && editorOf(widget);
  if (!widget || !editor) {
    return null;
  }
  const text = editor.model.sharedModel.getSource();
  const offset = Text.jsIndexToCharIndex(editor.getOffsetAt(editor.getCursorPosition()), text);
  return cursorContext(widget, { text, offset });
}

function editorOf(widget: Widget): CodeEditor.IEditor | null {
  if (widget instanceof NotebookPanel) {
    return widget.content.activeCell?.editor ?? null;
  }
  if (widget instanceof ConsolePanel) {
    return widget.console.promptCell?.editor ?? null;
  }
  const content = "content" in widget ? widget.content : null;
  return content instanceof FileEditor ? content.editor : null;
}

function notebookContext(panel: NotebookPanel, request: CompletionHandler.IRequest): CursorContext | null {
  const active = panel.content.activeCell?.model;
  if (active?.type !== "code") {
    return null;
  }
  const models = [...(panel.content.model?.cells ?? [])].filter((model) => model.type === "code");
  const cells = models.map(toCell);
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
  const cells = [...executed.map(toCell), { code: request.text, execution_count: null, language: "" }];
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
  return { code: model.sharedModel.getSource(), execution_count: count ?? null, language: vscode?.languageId ?? "" };
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
