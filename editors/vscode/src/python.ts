/** The interpreter selected in the Python extension. */

import * as vscode from "vscode";

/** The part of the Python extension's API used here (`@vscode/python-extension`). */
interface PythonApi {
  readonly environments?: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: {
      readonly path: string;
    }): Promise<{ readonly executable: { readonly uri?: vscode.Uri | undefined } } | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

const EXTENSION = "ms-python.python";
const TIMEOUT_MS = 10_000;

/**
 * Path of the interpreter; empty if the extension is not installed or does not answer in time.
 *
 * Empty as well while the workspace is not trusted: its environment may contain programs of its author.
 */
export async function findInterpreter(): Promise<string> {
  const extension = vscode.extensions.getExtension<PythonApi>(EXTENSION);
  if (!extension || !vscode.workspace.isTrusted) {
    return "";
  }
  const timeout = new Promise<string>((resolve) => setTimeout(resolve, TIMEOUT_MS, ""));
  return Promise.race([activeInterpreter(extension), timeout]).catch(() => "");
}

/** Call a listener when another interpreter is selected. */
export function onInterpreterChange(listener: () => void): vscode.Disposable {
  const environments = vscode.extensions.getExtension<PythonApi>(EXTENSION)?.exports?.environments;
  return environments?.onDidChangeActiveEnvironmentPath(listener) ?? new vscode.Disposable(() => undefined);
}

async function activeInterpreter(extension: vscode.Extension<PythonApi>): Promise<string> {
  const { environments } = await extension.activate();
  const resource = vscode.workspace.workspaceFolders?.[0]?.uri;
  const environment =
    environments && (await environments.resolveEnvironment(environments.getActiveEnvironmentPath(resource)));
  return environment?.executable.uri?.fsPath ?? "";
}
