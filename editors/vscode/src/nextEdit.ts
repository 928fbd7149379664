/** The next edit: shows where a change has to be made next and the text there. Tab jumps, Tab accepts, Escape dismisses. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { type Difference, digest, findDifference, hint } from "./difference.ts";
import { SELECTOR } from "./languages.ts";
import type { Lifecycle } from "./lifecycle.ts";

const SETTING = "nano.nextEdit";
const VISIBLE = "neuroNano.nextEditVisible";
/** Behind the key, so that the change reaches the server first; it waits longer itself. */
const DELAY_MS = 200;
const MAX_DIAGNOSTICS = 100;

/** An edit as the server sends it. */
interface InlineEdit {
  readonly text: string;
  readonly range: { readonly start: vscode.Position; readonly end: vscode.Position };
  /** The version is null for a file that was not open. */
  readonly textDocument: { readonly uri: string; readonly version: number | null };
  /** The digest of a file that was not open. */
  readonly sha256?: string;
  readonly command: { readonly command: string; readonly arguments?: unknown[] };
}

/** An edit that is shown. */
interface Shown extends Difference {
  readonly uri: vscode.Uri;
  readonly version: number;
  /** The digest of the whole text: a file that was closed and opened again begins with the same version. */
  readonly sha256: string;
  readonly range: vscode.Range;
  readonly text: string;
  readonly names: readonly unknown[];
}

/** Shows the next edit of the active editor; at most one. */
export class NextEdits implements vscode.Disposable {
  private readonly lifecycle: Lifecycle;
  private readonly removed = vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor("diffEditor.removedTextBackground"),
    textDecoration: "line-through",
  });
  private readonly added = vscode.window.createTextEditorDecorationType({});
  private readonly hint = vscode.window.createTextEditorDecorationType({});
  private readonly disposables: vscode.Disposable[];
  private shown: Shown | undefined;
  private timer: NodeJS.Timeout | undefined;
  private cancellation: vscode.CancellationTokenSource | undefined;
  /** The document that had no next edit; it is asked for once more when errors appear. */
  private unanswered: vscode.TextDocument | undefined;

  constructor(lifecycle: Lifecycle) {
    this.lifecycle = lifecycle;
    this.disposables = [
      this.removed,
      this.added,
      this.hint,
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0 && document.uri.scheme !== "output") {
          this.clear();
          this.schedule(document);
        }
      }),
      vscode.languages.onDidChangeDiagnostics(() => {
        const { unanswered } = this;
        const { client } = this.lifecycle;
        if (unanswered && client && findDiagnostics(client).length > 0) {
          this.unanswered = undefined;
          this.schedule(unanswered);
        }
      }),
      vscode.window.onDidChangeActiveTextEditor(() => this.draw()),
      vscode.window.onDidChangeTextEditorSelection(() => this.draw()),
    ];
  }

  /** Move the cursor to the edit; if it is there already, make the edit. */
  async accept(): Promise<void> {
    const { shown } = this;
    const document = shown && (await vscode.workspace.openTextDocument(shown.uri));
    if (!shown || document?.version !== shown.version || digest(document.getText()) !== shown.sha256) {
      this.clear();
      return;
    }
    const active = vscode.window.activeTextEditor;
    const isThere = active?.document === document && shown.range.contains(active.selection.active);
    const editor = isThere ? active : await vscode.window.showTextDocument(document);
    if (!isThere) {
      editor.selection = new vscode.Selection(shown.start, shown.start);
      editor.revealRange(shown.range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      this.draw();
      return;
    }
    this.clear();
    if (await editor.edit((builder) => builder.replace(shown.removed, shown.added))) {
      const end = document.positionAt(document.offsetAt(shown.start) + shown.added.length);
      editor.selection = new vscode.Selection(end, end);
    }
  }

  /** Hide the edit; it is not offered again. */
  async dismiss(): Promise<void> {
    const names = this.shown?.names;
    this.clear();
    if (names && this.lifecycle.client?.isRunning()) {
      await this.lifecycle.execute("nano.nextEditRejected", names);
    }
  }

  dispose(): void {
    this.clear();
    vscode.Disposable.from(...this.disposables).dispose();
  }

  private schedule(document: vscode.TextDocument): void {
    const isActive = vscode.window.activeTextEditor?.document === document;
    if (isActive && vscode.workspace.getConfiguration().get(SETTING) && vscode.languages.match(SELECTOR, document)) {
      this.timer = setTimeout(() => void this.request(document), DELAY_MS);
    }
  }

  private async request(document: vscode.TextDocument): Promise<void> {
    const { client } = this.lifecycle;
    const position = vscode.window.activeTextEditor?.selection.active;
    if (!client?.isRunning() || !position) {
      return;
    }
    const cancellation = new vscode.CancellationTokenSource();
    this.cancellation = cancellation;
    const convert = client.code2ProtocolConverter;
    const params = {
      textDocument: { uri: convert.asUri(document.uri), version: document.version },
      position: convert.asPosition(position),
      closedFiles: true,
      diagnostics: findDiagnostics(client),
    };
    const answer = await client
      .sendRequest<{ edits: InlineEdit[] }>("textDocument/copilotInlineEdit", params, cancellation.token)
      .catch(() => undefined); // cancelled, or the server has stopped
    const edit = answer?.edits[0];
    if (edit && !cancellation.token.isCancellationRequested) {
      await this.show(edit);
    } else if (answer && params.diagnostics.length === 0 && this.cancellation === cancellation) {
      this.unanswered = document;
    }
  }

  private async show(edit: InlineEdit): Promise<void> {
    const uri = vscode.Uri.parse(edit.textDocument.uri);
    const document = await vscode.workspace.openTextDocument(uri).then(undefined, () => undefined); // it may be gone
    if (!document) {
      return;
    }
    const sha256 = digest(document.getText());
    const { version } = document;
    if (edit.textDocument.version === null ? sha256 !== edit.sha256 : version !== edit.textDocument.version) {
      return;
    }
    const { start, end } = edit.range;
    const range = new vscode.Range(start.line, start.character, end.line, end.character);
    const difference = findDifference(document, range, edit.text);
    this.shown = { ...difference, uri, version, sha256, range, text: edit.text, names: edit.command.arguments ?? [] };
    await vscode.commands.executeCommand("setContext", VISIBLE, true);
    this.draw();
  }

  private clear(): void {
    clearTimeout(this.timer);
    this.cancellation?.cancel();
    this.cancellation = undefined;
    this.unanswered = undefined;
    if (this.shown) {
      this.shown = undefined;
      void vscode.commands.executeCommand("setContext", VISIBLE, false);
      this.draw();
    }
  }

  /** Draw what goes and what comes, and a hint at the cursor while it is elsewhere. */
  private draw(): void {
    const { shown } = this;
    for (const editor of vscode.window.visibleTextEditors) {
      const isHere = shown && editor.document.uri.toString() === shown.uri.toString();
      editor.setDecorations(this.removed, isHere ? [shown.removed] : []);
      editor.setDecorations(this.added, isHere ? [showAdded(shown)] : []);
      const cursor = editor.selection.active;
      const isAway = shown && editor === vscode.window.activeTextEditor && !(isHere && shown.range.contains(cursor));
      editor.setDecorations(this.hint, isAway ? [showHint(editor, shown, isHere ?? false)] : []);
    }
  }
}

/** Where open documents have errors and warnings. */
function findDiagnostics(client: LanguageClient): { uri: string; range: object }[] {
  const found = [];
  for (const { uri } of vscode.workspace.textDocuments) {
    for (const { range, severity } of vscode.languages.getDiagnostics(uri)) {
      if (severity <= vscode.DiagnosticSeverity.Warning) {
        found.push({
          uri: client.code2ProtocolConverter.asUri(uri),
          range: client.code2ProtocolConverter.asRange(range),
        });
      }
    }
  }
  return found.slice(0, MAX_DIAGNOSTICS);
}

function showAdded(shown: Shown): vscode.DecorationOptions {
  const at = shown.removed.end;
  const contentText = shown.added.replaceAll("\n", " ⏎ ");
  const hoverMessage = new vscode.MarkdownString().appendCodeblock(shown.text);
  return {
    range: new vscode.Range(at, at),
    hoverMessage,
    renderOptions: {
      after: {
        contentText,
        backgroundColor: new vscode.ThemeColor("diffEditor.insertedTextBackground"),
        color: new vscode.ThemeColor("editorGhostText.foreground"),
      },
    },
  };
}

function showHint(editor: vscode.TextEditor, shown: Shown, isHere: boolean): vscode.DecorationOptions {
  const { range } = editor.document.lineAt(editor.selection.active.line);
  const contentText = hint(shown.range.start.line, isHere ? "" : shown.uri.path);
  const color = new vscode.ThemeColor("editorGhostText.foreground");
  return {
    range: new vscode.Range(range.end, range.end),
    renderOptions: { after: { contentText, color, margin: "0 0 0 2em" } },
  };
}
