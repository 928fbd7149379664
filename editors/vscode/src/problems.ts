/** Messages that name what to do, with buttons that do it. */

import * as vscode from "vscode";

/** A button of a message. */
export interface Button {
  readonly title: string;
  readonly command: string;
  readonly arguments?: readonly unknown[];
}

const SHOW = {
  error: vscode.window.showErrorMessage,
  warning: vscode.window.showWarningMessage,
  information: vscode.window.showInformationMessage,
};

/** Show a message, and do what is chosen. */
export async function showProblem(
  message: string,
  buttons: readonly Button[],
  kind: keyof typeof SHOW = "error",
): Promise<void> {
  const title = await SHOW[kind](message, ...buttons.map((button) => button.title));
  const chosen = buttons.find((button) => button.title === title);
  if (chosen) {
    await vscode.commands.executeCommand(chosen.command, ...(chosen.arguments ?? []));
  }
}
