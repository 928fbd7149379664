/** A webview beside the editor that renders Markdown while it is still being streamed. */

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import { buildWebviewHtml } from "./webviewHtml.ts";

/** A single webview, reused for each text. */
export class MarkdownView implements vscode.Disposable {
  private panel: vscode.WebviewPanel | undefined;
  private isReady = false;
  private html = "";
  private markdown = "";
  private isRendering = false;
  private onClosed: (() => void) | undefined;

  /**
   * Show a text, replacing the previous one.
   *
   * @param onClosed called when the user closes the view, or another text replaces this one
   */
  show(title: string, markdown: string, onClosed?: () => void): void {
    this.onClosed?.();
    this.onClosed = onClosed;
    this.panel ??= this.createPanel();
    this.panel.title = title;
    this.panel.reveal(undefined, true);
    this.update(markdown);
  }

  /** Replace the text by a longer version of it. */
  update(markdown: string): void {
    this.markdown = markdown;
    if (!this.isRendering) {
      void this.render();
    }
  }

  dispose(): void {
    this.panel?.dispose();
  }

  /** Render until the newest text is shown; versions that arrive while rendering are skipped, not queued. */
  private async render(): Promise<void> {
    this.isRendering = true;
    for (let rendered: string | undefined; rendered !== this.markdown; ) {
      rendered = this.markdown;
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
    const location = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const options = { enableScripts: true, localResourceRoots: [], retainContextWhenHidden: true };
    const panel = vscode.window.createWebviewPanel("neuroNano.markdown", "NEURO-NANO", location, options);
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
    panel.webview.html = buildWebviewHtml(randomBytes(16).toString("base64"));
    return panel;
  }
}

/** HTML by VS Code's Markdown extension; plain text if that is disabled. */
async function toHtml(markdown: string): Promise<string> {
  try {
    return await vscode.commands.executeCommand<string>("markdown.api.render", markdown);
  } catch {
    return `<pre>${markdown.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</pre>`;
  }
}
