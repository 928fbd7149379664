/** The panel beside the notebook: explanations, and proposed code as a diff. */

import type { EditorView } from "@codemirror/view";
import type { IEditorLanguageRegistry } from "@jupyterlab/codemirror";
import { type IRenderMime, type IRenderMimeRegistry, MimeModel } from "@jupyterlab/rendermime";
import { Widget } from "@lumino/widgets";
import { createDiff } from "./diff.ts";
import { icon } from "./icon.ts";
import type { Outcome, Proposal } from "./proposal.ts";
import { OfflineSanitizer } from "./sanitizer.ts";

const OUTCOME_NOTES: Record<Outcome, string> = {
  applied: "Applied. Use Undo in the cell to revert it.",
  changed: "The cell has changed since. Run the action again.",
  gone: "The cell has been deleted.",
};

export class Panel extends Widget {
  private readonly heading = document.createElement("h3");
  private readonly note = document.createElement("p");
  private readonly buttons = document.createElement("div");
  private readonly body = document.createElement("div");
  private readonly changes = document.createElement("div");
  private readonly rendermime: IRenderMimeRegistry;
  private proposal: Proposal | null = null;
  private diff: EditorView | null = null;
  private renderer: IRenderMime.IRenderer | null = null;
  private pendingMarkdown: string | null = null;
  private rendering = false;
  private onCancel: () => void = () => {};

  constructor(
    rendermime: IRenderMimeRegistry,
    private readonly languages: IEditorLanguageRegistry | null,
  ) {
    super();
    this.rendermime = rendermime.clone({ sanitizer: new OfflineSanitizer(rendermime.sanitizer) });
    this.changes.className = "jp-NeuroNano-diff";
    this.id = "neuro-nano-panel";
    this.title.icon = icon;
    this.title.caption = "NEURO-NANO";
    this.title.closable = true;
    this.addClass("jp-NeuroNano-panel");
    this.note.setAttribute("role", "status");
    this.node.append(this.heading, this.note, this.buttons, this.body, this.changes);
    this.heading.textContent = "NEURO-NANO";
    this.note.textContent = "Explain, Docstring and Fix are in a cell's toolbar and context menu.";
  }

  /** An action has started: show its title and a Cancel button. */
  start(title: string, onCancel: () => void): void {
    this.onCancel();
    this.onCancel = onCancel;
    this.heading.textContent = title;
    this.note.textContent = "Working…";
    this.showMarkdown("");
    this.clear();
    this.showButton("Cancel", onCancel);
  }

  /** Show the action's progress. */
  setNote(note: string): void {
    this.note.textContent = note;
  }

  /** Show Markdown written by the model; it must not load or run anything. */
  showMarkdown(markdown: string): void {
    this.pendingMarkdown = markdown;
    if (!this.rendering) {
      void this.render();
    }
  }

  /** Show a proposal's changes as a diff. */
  async showDiff(proposal: Proposal, language: string): Promise<void> {
    this.clear();
    this.proposal = proposal;
    const diff = await createDiff(proposal.before, proposal.code, language, this.languages);
    if (this.proposal !== proposal) {
      diff.destroy(); // another action has started
      return;
    }
    this.diff = diff;
    this.changes.append(diff.dom);
  }

  /** The action has finished; a proposal gets an Apply button. */
  finish(note: string, proposal: Proposal | null = null): void {
    this.onCancel = () => {};
    this.note.textContent = note;
    this.buttons.replaceChildren();
    if (proposal) {
      this.showButton("Apply", () => {
        this.note.textContent = OUTCOME_NOTES[proposal.apply()];
        this.buttons.replaceChildren();
      });
    }
  }

  protected override onCloseRequest(): void {
    this.onCancel();
    this.onCancel = () => {};
    this.parent = null;
  }

  private clear(): void {
    this.proposal = null;
    this.diff?.destroy();
    this.diff = null;
  }

  private showButton(title: string, action: () => void): void {
    const button = document.createElement("button");
    button.className = "jp-mod-styled jp-mod-accept";
    button.textContent = title;
    button.addEventListener("click", action);
    this.buttons.replaceChildren(button);
  }

  private async render(): Promise<void> {
    this.rendering = true;
    while (this.pendingMarkdown !== null) {
      const text = this.pendingMarkdown;
      this.pendingMarkdown = null;
      if (!this.renderer) {
        this.renderer = this.rendermime.createRenderer("text/markdown");
        Widget.attach(this.renderer, this.body);
      }
      const data = { "text/markdown": text };
      await this.renderer.renderModel(new MimeModel({ data, trusted: false })).catch(() => {});
    }
    this.rendering = false;
  }
}
