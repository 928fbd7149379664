/** Notifications with buttons that run a command. */

import * as vscode from "vscode";

/** A button of a notification, and the command it runs. */
export interface Button {
  readonly title: string;
  readonly command: string;
  readonly arguments?: readonly unknown[];
}

const SHOW_BY_SEVERITY = {
  error: vscode.window.showErrorMessage,
  warning: vscode.window.showWarningMessage,
  information: vscode.window.showInformationMessage,
};

/** Show a notification, and run the command of the button that the user clicks. */
export async function showNotification(
  message: string,
  buttons: readonly Button[],
  severity: keyof typeof SHOW_BY_SEVERITY = "error",
): Promise<void> {
  const title = await SHOW_BY_SEVERITY[severity](message, ...buttons.map((button) => button.title));
  const chosen = buttons.find((button) => button.title === title);
  if (chosen) {
    await vscode.commands.executeCommand(chosen.command, ...(chosen.arguments ?? []));
  }
}
