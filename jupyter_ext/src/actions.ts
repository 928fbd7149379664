/** Explain, Docstring and Fix: for the active cell, or what is selected in a file. */

import { type CodeCell, isCodeCellModel } from "@jupyterlab/cells";
import { Text } from "@jupyterlab/coreutils";
import type { IEditorTracker } from "@jupyterlab/fileeditor";
import type { INotebookTracker } from "@jupyterlab/notebook";
import type { Api, Work } from "./api.ts";
import { languageOfNotebook } from "./documents.ts";
import type { Panel } from "./panel.ts";
import { Proposal } from "./proposal.ts";

export type Kind = Work["kind"];
const TITLES: Record<Kind, string> = { explain: "Explanation", docstring: "Docstring", fix: "Fix" };

interface Subject {
  work: Work;
  propose: (code: string) => Proposal | null;
}

export class Actions {
  constructor(
    private readonly api: Api,
    private readonly panel: Panel,
    private readonly notebooks: INotebookTracker,
    private readonly editors: IEditorTracker | null,
    private readonly reveal: () => void,
  ) {}

  /** Whether there is something to do it with: an error to fix, Python to document. */
  isVisible(kind: Kind): boolean {
    const cell = this.notebooks.activeCell;
    if (!cell || cell.isDisposed || !isCodeCellModel(cell.model)) {
      return false;
    }
    const python = this.notebooks.currentWidget && languageOfNotebook(this.notebooks.currentWidget) === "python";
    return kind === "explain" || (Boolean(python) && (kind === "docstring" || errorOf(cell as CodeCell) !== null));
  }

  async runOnCell(kind: Kind): Promise<void> {
    const { activeCell, currentWidget } = this.notebooks;
    if (!activeCell || !currentWidget || !isCodeCellModel(activeCell.model)) {
      return;
    }
    const cell = activeCell as CodeCell;
    const source = cell.model.sharedModel;
    const before = source.getSource();
    const selected = kind === "explain" ? selectedIn(cell.editor) : "";
    const language = languageOfNotebook(currentWidget);
    const error = kind === "docstring" ? null : errorOf(cell);
    const work: Work = { kind, code: selected || before, language, offset: offsetFor(kind, cell), error };
    await this.run({ work, propose: (code) => new Proposal(source, before, code, () => cell.model.isDisposed) });
  }

  async explainFile(): Promise<void> {
    const editor = this.editors?.currentWidget?.content.editor;
    if (editor) {
      const code = selectedIn(editor) || editor.model.sharedModel.getSource();
      const language = editor.model.mimeType.replace(/^text\/(x-)?/, "").replace("ipython", "python");
      const work: Work = { kind: "explain", code, language, offset: null, error: null };
      await this.run({ work, propose: () => null });
    }
  }

  private async run({ work, propose }: Subject): Promise<void> {
    const controller = new AbortController();
    this.reveal();
    let called = false;
    this.panel.begin(TITLES[work.kind], () => {
      called = true;
      controller.abort();
    });
    let text = "";
    let proposal: Proposal | null = null;
    let failed = "";
    try {
      for await (const told of this.api.work(work, controller.signal)) {
        text = told.text ?? text;
        if (told.part) {
          this.panel.tell(`${told.part[0]} of ${told.part[1]}`);
        }
        if (told.error) {
          failed = `${told.error.message} ${told.error.remedy}`.trim();
        }
        if (called) {
          continue;
        }
        this.panel.show_(text);
        proposal = told.code === undefined ? proposal : propose(told.code);
        if (told.code !== undefined && proposal) {
          await this.panel.compare(proposal, work.language);
        }
      }
    } catch (error) {
      failed = error instanceof Error ? error.message : String(error);
    }
    if (called) {
      return; // other work has begun, or the user has called it off
    }
    this.panel.end(failed || (proposal ? "Nothing has been changed yet." : ""), failed ? null : proposal);
  }
}

function selectedIn(editor: CodeCell["editor"]): string {
  if (!editor) {
    return "";
  }
  const { start, end } = editor.getSelection();
  return editor.model.sharedModel.getSource().slice(editor.getOffsetAt(start), editor.getOffsetAt(end));
}

/** Where the cursor is, if it is within the cell; then its function is documented, else all that lack a docstring. */
function offsetFor(kind: Kind, cell: CodeCell): number | null {
  const { editor } = cell;
  if (kind !== "docstring" || !editor?.hasFocus()) {
    return null;
  }
  const at = editor.getOffsetAt(editor.getCursorPosition());
  return Text.jsIndexToCharIndex(at, editor.model.sharedModel.getSource());
}

/** The error that a cell's output shows; null for none. */
function errorOf(cell: CodeCell): Work["error"] {
  for (const output of cell.model.outputs.toJSON()) {
    if (output.output_type === "error") {
      const { ename, evalue, traceback } = output as { ename?: string; evalue?: string; traceback?: string[] };
      return [ename ?? "", evalue ?? "", traceback ?? []];
    }
  }
  return null;
}
