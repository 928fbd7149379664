/** Commands that the server carries out: Explain and Write Docstring at the cursor, others for a workspace folder. */

import { randomUUID } from "node:crypto";
import * as vscode from "vscode";
import { EXPLAIN_PROGRESS, type ExplainRequest } from "./client.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MarkdownView } from "./markdownView.ts";

/** Stream an explanation into the view beside the editor; closing the view cancels the request. */
export async function explain(lifecycle: Lifecycle, view: MarkdownView, request: ExplainRequest): Promise<void> {
  const { client } = lifecycle;
  if (!client?.isRunning()) {
    showNotRunning(lifecycle);
    return;
  }
  const cancellation = new vscode.CancellationTokenSource();
  const { token } = cancellation;
  view.show("Explanation", "*Reading the code …*", () => cancellation.cancel());
  const partialResultToken = randomUUID();
  const stream = client.onProgress(EXPLAIN_PROGRESS, partialResultToken, ({ text }) => {
    if (!token.isCancellationRequested) {
      view.update(text);
    }
  });
  try {
    const text = await lifecycle.execute("nano.explain", [{ ...request, partialResultToken }], token);
    if (!token.isCancellationRequested) {
      view.update(typeof text === "string" ? text : "*No explanation: the model is not ready.*");
    }
  } catch (error) {
    if (!token.isCancellationRequested) {
      view.update(`*No explanation: ${error instanceof Error ? error.message : String(error)}*`);
    }
  } finally {
    stream.dispose();
  }
}

/** Explain the selection of the active editor, or the function or class around its cursor. */
export async function explainSelection(lifecycle: Lifecycle, view: MarkdownView): Promise<void> {
  const request = requestForSelection(lifecycle);
  if (request) {
    await explain(lifecycle, view, request);
  }
}

/** Write or update the docstring of the function or class around the cursor. */
export async function writeDocstring(lifecycle: Lifecycle): Promise<void> {
  const request = requestForSelection(lifecycle);
  if (!request) {
    return;
  }
  const options = { location: vscode.ProgressLocation.Notification, title: "Writing a docstring", cancellable: true };
  await vscode.window.withProgress(options, async (_progress, token) => {
    try {
      await lifecycle.execute("nano.docstring", [request], token);
    } catch (error) {
      if (!token.isCancellationRequested) {
        void vscode.window.showErrorMessage(`The docstring could not be written: ${String(error)}`);
      }
    }
  });
}

/** Execute a command of the server for the active editor's workspace folder; without one, for the first folder. */
export async function executeForFolder(lifecycle: Lifecycle, command: string): Promise<void> {
  const { client } = lifecycle;
  if (!client?.isRunning()) {
    showNotRunning(lifecycle);
    return;
  }
  const active = vscode.window.activeTextEditor?.document.uri;
  const folder = (active && vscode.workspace.getWorkspaceFolder(active)) ?? vscode.workspace.workspaceFolders?.[0];
  await lifecycle.execute(command, folder ? [{ uri: client.code2ProtocolConverter.asUri(folder.uri) }] : []);
}

function requestForSelection(lifecycle: Lifecycle): ExplainRequest | undefined {
  const editor = vscode.window.activeTextEditor;
  const converter = lifecycle.client?.code2ProtocolConverter;
  if (!editor) {
    void vscode.window.showInformationMessage("Open a file and put the cursor into a function or class.");
    return undefined;
  }
  if (!converter || !lifecycle.client?.isRunning()) {
    showNotRunning(lifecycle);
    return undefined;
  }
  return { uri: converter.asUri(editor.document.uri), range: converter.asRange(editor.selection) };
}

function showNotRunning(lifecycle: Lifecycle): void {
  if (lifecycle.requireServer()) {
    void vscode.window.showInformationMessage(`NEURO-NANO: ${lifecycle.status.message} Try again when it is ready.`);
  }
}
