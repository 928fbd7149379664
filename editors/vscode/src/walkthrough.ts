/** Completes the steps of the walkthrough that had been reached before it was opened. */

import * as vscode from "vscode";

const CONTEXT_KEY = "neuroNano.refreshSteps";
const INTERVAL_MS = 1000;
const REFRESHES = 7; // VS Code may take five seconds to read a walkthrough that it shows

/**
 * Watch for the walkthrough's editor tab.
 *
 * VS Code completes a step only when its context expression changes to true, not if it is true already when the walkthrough is
 * read, which happens some time after the tab has opened. So package.json has each expression twice: by itself, for steps reached
 * later, and combined with a context key that is set for a moment only, a few times after the tab has become active.
 */
export function watchWalkthrough(): vscode.Disposable {
  let timer: NodeJS.Timeout | undefined;
  const stop = () => clearInterval(timer);
  const refresh = () => {
    void vscode.commands.executeCommand("setContext", CONTEXT_KEY, true);
    void vscode.commands.executeCommand("setContext", CONTEXT_KEY, false);
  };
  const tabs = vscode.window.tabGroups.onDidChangeTabs(({ opened, changed }) => {
    // Tabs of VS Code's own pages have no input.
    if ([...opened, ...changed].some((tab) => tab.isActive && tab.input === undefined)) {
      stop();
      let refreshes = 0;
      timer = setInterval(() => {
        refresh();
        refreshes += 1;
        if (refreshes === REFRESHES) {
          stop();
        }
      }, INTERVAL_MS);
    }
  });
  return vscode.Disposable.from(tabs, { dispose: stop });
}
