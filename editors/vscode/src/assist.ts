/** Explanations and docstrings, asked of the server for what is selected. */

import { randomUUID } from "node:crypto";
import * as vscode from "vscode";
import { EXPLAINING, type ExplainRequest } from "./client.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MarkdownView } from "./markdownView.ts";

/** Explain code in the view beside the editor, word by word; closing the view calls it off. */
export async function explain(lifecycle: Lifecycle, view: MarkdownView, request: ExplainRequest): Promise<void> {
  const { client } = lifecycle;
  if (!client?.isRunning()) {
    tellNotRunning(lifecycle);
    return;
  }
  const calledOff = new vscode.CancellationTokenSource();
  const { token } = calledOff;
  view.show("Explanation", "*Reading the code …*", () => calledOff.cancel());
  const partialResultToken = randomUUID();
  const stream = client.onProgress(EXPLAINING, partialResultToken, ({ text }) => {
    if (!token.isCancellationRequested) {
      view.update(text);
    }
  });
  try {
    const text = await lifecycle.execute("nano.explain", [{ ...request, partialResultToken }], token);
    if (!token.isCancellationRequested) {
      view.update(typeof text === "string" ? text : "*There is no explanation: the model is not ready.*");
    }
  } catch (error) {
    if (!token.isCancellationRequested) {
      view.update(`*There is no explanation: ${error instanceof Error ? error.message : String(error)}*`);
    }
  } finally {
    stream.dispose();
  }
}

/** Explain the selection of the active editor, or the function or class around its cursor. */
export async function explainSelection(lifecycle: Lifecycle, view: MarkdownView): Promise<void> {
  const about = selected(lifecycle);
  if (about) {
    await explain(lifecycle, view, about);
  }
}

/** Write or update the docstring of what is around the cursor. */
export async function writeDocstring(lifecycle: Lifecycle): Promise<void> {
  const about = selected(lifecycle);
  if (!about) {
    return;
  }
  const place = { location: vscode.ProgressLocation.Notification, title: "Writing a docstring", cancellable: true };
  await vscode.window.withProgress(place, async (_progress, token) => {
    try {
      await lifecycle.execute("nano.docstring", [about], token);
    } catch (error) {
      if (!token.isCancellationRequested) {
        void vscode.window.showErrorMessage(`There is no docstring: ${String(error)}`);
      }
    }
  });
}

function selected(lifecycle: Lifecycle): ExplainRequest | undefined {
  const editor = vscode.window.activeTextEditor;
  const converter = lifecycle.client?.code2ProtocolConverter;
  if (!editor) {
    void vscode.window.showInformationMessage("Open a file and put the cursor into a function or class.");
    return undefined;
  }
  if (!converter || !lifecycle.client?.isRunning()) {
    tellNotRunning(lifecycle);
    return undefined;
  }
  return { uri: converter.asUri(editor.document.uri), range: converter.asRange(editor.selection) };
}

function tellNotRunning(lifecycle: Lifecycle): void {
  if (lifecycle.requireServer()) {
    void vscode.window.showInformationMessage(`NEURO-NANO: ${lifecycle.status.message} Try again when it is ready.`);
  }
}
