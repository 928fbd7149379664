/** The interpreter that the Python extension has chosen for the workspace. */

import * as vscode from "vscode";

/** Of the Python extension's API, what is used here (`@vscode/python-extension`). */
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
const ANSWERS_WITHIN_MS = 10_000;

/**
 * Path of the interpreter; empty where there is no such extension, or it does not answer.
 *
 * Empty as well while the workspace is not trusted: its environment holds programs of its author.
 */
export async function findInterpreter(): Promise<string> {
  const extension = vscode.extensions.getExtension<PythonApi>(EXTENSION);
  if (!extension || !vscode.workspace.isTrusted) {
    return "";
  }
  const late = new Promise<string>((resolve) => setTimeout(resolve, ANSWERS_WITHIN_MS, ""));
  return Promise.race([ask(extension), late]).catch(() => "");
}

/** Tells when another interpreter is chosen. */
export function onInterpreterChange(listener: () => void): vscode.Disposable {
  const environments = vscode.extensions.getExtension<PythonApi>(EXTENSION)?.exports?.environments;
  return environments?.onDidChangeActiveEnvironmentPath(listener) ?? new vscode.Disposable(() => undefined);
}

async function ask(extension: vscode.Extension<PythonApi>): Promise<string> {
  const { environments } = await extension.activate();
  const resource = vscode.workspace.workspaceFolders?.[0]?.uri;
  const environment =
    environments && (await environments.resolveEnvironment(environments.getActiveEnvironmentPath(resource)));
  return environment?.executable.uri?.fsPath ?? "";
}
