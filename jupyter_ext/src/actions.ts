/** The actions Explain, Docstring and Fix, for the active cell or a file's selection. */

import { type CodeCell, isCodeCellModel } from "@jupyterlab/cells";
import { Text } from "@jupyterlab/coreutils";
import type { IEditorTracker } from "@jupyterlab/fileeditor";
import type { INotebookTracker } from "@jupyterlab/notebook";
import type { ActionRequest, Api } from "./api.ts";
import { languageOfNotebook } from "./documents.ts";
import type { Panel } from "./panel.ts";
import { Proposal } from "./proposal.ts";

export type Kind = ActionRequest["kind"];
const TITLES: Record<Kind, string> = { explain: "Explanation", docstring: "Docstring", fix: "Fix" };

interface Action {
  request: ActionRequest;
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

  /** Whether an action applies to the active cell: Fix needs an error, Docstring needs Python. */
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
    const selected = kind === "explain" ? selectedText(cell.editor) : "";
    const language = languageOfNotebook(currentWidget);
    const error = kind === "docstring" ? null : errorOf(cell);
    const request: ActionRequest = { kind, code: selected || before, language, offset: offsetFor(kind, cell), error };
    await this.run({ request, propose: (code) => new Proposal(source, before, code, () => cell.model.isDisposed) });
  }

  async explainFile(): Promise<void> {
    const editor = this.editors?.currentWidget?.content.editor;
    if (editor) {
      const code = selectedText(editor) || editor.model.sharedModel.getSource();
      const language = editor.model.mimeType.replace(/^text\/(x-)?/, "").replace("ipython", "python");
      const request: ActionRequest = { kind: "explain", code, language, offset: null, error: null };
      await this.run({ request, propose: () => null });
    }
  }

  private async run({ request, propose }: Action): Promise<void> {
    const controller = new AbortController();
    this.reveal();
    let cancelled = false;
    this.panel.start(TITLES[request.kind], () => {
      cancelled = true;
      controller.abort();
    });
    let text = "";
    let proposal: Proposal | null = null;
    let failed = "";
    try {
      for await (const event of this.api.runAction(request, controller.signal)) {
        text = event.text ?? text;
        if (event.part) {
          this.panel.setNote(`${event.part[0]} of ${event.part[1]}`);
        }
        if (event.error) {
          failed = `${event.error.message} ${event.error.remedy}`.trim();
        }
        if (cancelled) {
          continue;
        }
        this.panel.showMarkdown(text);
        proposal = event.code === undefined ? proposal : propose(event.code);
        if (event.code !== undefined && proposal) {
          await this.panel.showDiff(proposal, request.language);
        }
      }
    } catch (error) {
      failed = error instanceof Error ? error.message : String(error);
    }
    if (cancelled) {
      return; // another action has started, or the user has cancelled this one
    }
    this.panel.finish(failed || (proposal ? "Nothing has been changed yet." : ""), failed ? null : proposal);
  }
}

function selectedText(editor: CodeCell["editor"]): string {
  if (!editor) {
    return "";
  }
  const { start, end } = editor.getSelection();
  return editor.model.sharedModel.getSource().slice(editor.getOffsetAt(start), editor.getOffsetAt(end));
}

/** The cursor's offset, to document the function around it; null to document all functions without a docstring. */
function offsetFor(kind: Kind, cell: CodeCell): number | null {
  const { editor } = cell;
  if (kind !== "docstring" || !editor?.hasFocus()) {
    return null;
  }
  const offset = editor.getOffsetAt(editor.getCursorPosition());
  return Text.jsIndexToCharIndex(offset, editor.model.sharedModel.getSource());
}

/** The error in a cell's output; null if there is none. */
function errorOf(cell: CodeCell): ActionRequest["error"] {
  for (const output of cell.model.outputs.toJSON()) {
    if (output.output_type === "error") {
      const { ename, evalue, traceback } = output as { ename?: string; evalue?: string; traceback?: string[] };
      return [ename ?? "", evalue ?? "", traceback ?? []];
    }
  }
  return null;
}
