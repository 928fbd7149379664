/** Ticks those steps of the walkthrough that had been reached before it was opened. */

import * as vscode from "vscode";

const KEY = "neuroNano.lookAtSteps";
const EVERY_MS = 1000;
const LOOKS = 7; // VS Code may take five seconds to read a walkthrough that it shows

/**
 * Begin to watch for the walkthrough's page.
 *
 * VS Code never ticks a step for an expression that holds when it reads the walkthrough, and reads it some time after the page
 * has opened. So each expression of a step stands there twice: once by itself, for what is reached later, and once with a key
 * that is set for a moment only, a few times after the page has come to the front.
 */
export function watchWalkthrough(): vscode.Disposable {
  let timer: NodeJS.Timeout | undefined;
  const stop = () => clearInterval(timer);
  const look = () => {
    void vscode.commands.executeCommand("setContext", KEY, true);
    void vscode.commands.executeCommand("setContext", KEY, false);
  };
  const tabs = vscode.window.tabGroups.onDidChangeTabs(({ opened, changed }) => {
    // VS Code's own pages are tabs that it says nothing of.
    if ([...opened, ...changed].some((tab) => tab.isActive && tab.input === undefined)) {
      stop();
      let looks = 0;
      timer = setInterval(() => {
        look();
        looks += 1;
        if (looks === LOOKS) {
          stop();
        }
      }, EVERY_MS);
    }
  });
  return vscode.Disposable.from(tabs, { dispose: stop });
}
