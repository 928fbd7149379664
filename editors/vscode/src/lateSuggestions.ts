/**
 * Suggestions that VS Code has stopped waiting for, shown once they are there.
 *
 * By its defaults since 1.125 (`editor.quickSuggestions` with `offWhenInlineCompletions`) VS Code waits 750 ms for a
 * suggestion after a letter, then opens its list and cancels the request. Where the list has nothing to offer, nothing
 * would be shown until the next key.
 */

import * as vscode from "vscode";
import type { InlineCompletionMiddleware } from "vscode-languageclient/node";

type Items = vscode.InlineCompletionItem[] | vscode.InlineCompletionList | null | undefined;

interface Late {
  readonly document: vscode.TextDocument;
  readonly version: number;
  readonly position: vscode.Position;
  readonly items: Items;
}

let newest: vscode.CancellationTokenSource | undefined;
let late: Late | undefined;

export const lateSuggestions: InlineCompletionMiddleware = {
  provideInlineCompletionItems: async (document, position, context, token, next) => {
    newest?.cancel();
    const shown = late;
    late = undefined;
    if (shown && isCurrent(shown) && shown.document === document && shown.position.isEqual(position)) {
      return shown.items;
    }
    const own = new vscode.CancellationTokenSource();
    newest = own;
    const asked = { document, version: document.version, position };
    const waits = !context.selectedCompletionInfo && mayGiveUp(document);
    token.onCancellationRequested(() => {
      if (!waits || !isCurrent(asked)) {
        own.cancel();
      }
    });
    const items = await next(document, position, context, own.token);
    if (token.isCancellationRequested && newest === own && !own.token.isCancellationRequested && isCurrent(asked)) {
      late = { ...asked, items };
      await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
    }
    return items;
  },
};

/** Whether VS Code may give a request up although nothing was typed. */
function mayGiveUp(document: vscode.TextDocument): boolean {
  const quick = vscode.workspace.getConfiguration("editor", document).get<Record<string, unknown>>("quickSuggestions");
  return Object.values(quick ?? {}).includes("offWhenInlineCompletions");
}

/** Whether a document and the cursor in it are still as they were. */
function isCurrent(at: Omit<Late, "items">): boolean {
  const editor = vscode.window.activeTextEditor;
  return (
    vscode.window.state.focused &&
    editor?.document === at.document &&
    at.document.version === at.version &&
    editor.selection.isEmpty &&
    editor.selection.active.isEqual(at.position)
  );
}
