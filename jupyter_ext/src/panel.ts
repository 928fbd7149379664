/** The panel beside the notebook: what is said of a cell, and what it could become. */

import type { EditorView } from "@codemirror/view";
import type { IEditorLanguageRegistry } from "@jupyterlab/codemirror";
import { type IRenderMime, type IRenderMimeRegistry, MimeModel } from "@jupyterlab/rendermime";
import { Widget } from "@lumino/widgets";
import { createDiff } from "./diff.ts";
import { icon } from "./icon.ts";
import type { Outcome, Proposal } from "./proposal.ts";
import { OfflineSanitizer } from "./sanitizer.ts";

const SAID: Record<Outcome, string> = {
  applied: "Applied. Undo in the cell takes it back.",
  changed: "The cell has changed since. Ask again.",
  gone: "The cell is not there any more.",
};

export class Panel extends Widget {
  private readonly heading = document.createElement("h3");
  private readonly note = document.createElement("p");
  private readonly buttons = document.createElement("div");
  private readonly body = document.createElement("div");
  private readonly changes = document.createElement("div");
  private readonly rendermime: IRenderMimeRegistry;
  private compared: Proposal | null = null;
  private diff: EditorView | null = null;
  private renderer: IRenderMime.IRenderer | null = null;
  private next: string | null = null;
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
    this.note.textContent = "Explain, Docstring and Fix are in a cell's toolbar and in its context menu.";
  }

  /** Work begins; cancelling it is offered. */
  begin(title: string, onCancel: () => void): void {
    this.onCancel();
    this.onCancel = onCancel;
    this.heading.textContent = title;
    this.note.textContent = "Working…";
    this.show_("");
    this.clear();
    this.offer("Cancel", onCancel);
  }

  /** Say how far it is. */
  tell(note: string): void {
    this.note.textContent = note;
  }

  /** Show Markdown that a model has written: nothing in it may load or run anything. */
  show_(markdown: string): void {
    this.next = markdown;
    if (!this.rendering) {
      void this.render();
    }
  }

  /** Show what a proposal changes. */
  async compare(proposal: Proposal, language: string): Promise<void> {
    this.clear();
    this.compared = proposal;
    const diff = await createDiff(proposal.before, proposal.code, language, this.languages);
    if (this.compared !== proposal) {
      diff.destroy(); // other work has begun
      return;
    }
    this.diff = diff;
    this.changes.append(diff.dom);
  }

  /** Work has ended, with code to apply or without. */
  end(note: string, proposal: Proposal | null = null): void {
    this.onCancel = () => {};
    this.note.textContent = note;
    this.buttons.replaceChildren();
    if (proposal) {
      this.offer("Apply", () => {
        this.note.textContent = SAID[proposal.apply()];
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
    this.compared = null;
    this.diff?.destroy();
    this.diff = null;
  }

  private offer(title: string, action: () => void): void {
    const button = document.createElement("button");
    button.className = "jp-mod-styled jp-mod-accept";
    button.textContent = title;
    button.addEventListener("click", action);
    this.buttons.replaceChildren(button);
  }

  private async render(): Promise<void> {
    this.rendering = true;
    while (this.next !== null) {
      const text = this.next;
      this.next = null;
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
