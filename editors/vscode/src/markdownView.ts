/** Markdown beside the editor, which may still be growing. */

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { buildPage } from "./page.ts";

/** One view, used again for each text. */
export class MarkdownView implements vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;
  private isReady = false;
  private html = "";
  private wanted = "";
  private isRendering = false;
  private onClosed: (() => void) | undefined;

  /**
   * Show a text in place of the one before.
   *
   * @param onClosed called when the user closes the view, or another text takes its place
   */
  show(title: string, markdown: string, onClosed?: () => void): void {
    this.onClosed?.();
    this.onClosed = onClosed;
    this.panel ??= this.createPanel();
    this.panel.title = title;
    this.panel.reveal(undefined, true);
    this.update(markdown);
  }

  /** More of the text that is shown, from its beginning. */
  update(markdown: string): void {
    this.wanted = markdown;
    if (!this.isRendering) {
      void this.render();
    }
  }

  dispose(): void {
    this.panel?.dispose();
  }

  /** Renders what is wanted until nothing newer has come: a text that streams in faster is not queued up. */
  private async render(): Promise<void> {
    this.isRendering = true;
    for (let rendered: string | undefined; rendered !== this.wanted; ) {
      rendered = this.wanted;
      this.html = await toHtml(rendered);
      this.send();
    }
    this.isRendering = false;
  }

  private send(): void {
    if (this.isReady) {
      void this.panel?.webview.postMessage({ html: this.html });
    }
  }

  private createPanel(): vscode.WebviewPanel {
    const place = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const options = { enableScripts: true, localResourceRoots: [], retainContextWhenHidden: true };
    const panel = vscode.window.createWebviewPanel("neuroNano.markdown", "NEURO-NANO", place, options);
    panel.webview.onDidReceiveMessage(() => {
      this.isReady = true;
      this.send();
    });
    panel.onDidDispose(() => {
      this.panel = undefined;
      this.isReady = false;
      this.onClosed?.();
      this.onClosed = undefined;
    });
    panel.webview.html = buildPage(randomBytes(16).toString("base64"));
    return panel;
  }
}

/** As VS Code's own Markdown preview has it; where that is switched off, as it is. */
async function toHtml(markdown: string): Promise<string> {
  try {
    return await vscode.commands.executeCommand<string>("markdown.api.render", markdown);
  } catch {
    return `<pre>${markdown.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</pre>`;
  }
}
