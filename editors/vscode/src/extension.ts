/** Entry point of the VS Code extension: registers its commands, status bar item and listeners. */

import * as vscode from "vscode";
import * as cli from "./cliCommands.ts";
import { executeForFolder, explain, explainSelection, writeDocstring } from "./explainCommands.ts";
import { SERVER_PATH } from "./findServer.ts";
import { LANGUAGES } from "./languages.ts";
import { Lifecycle } from "./lifecycle.ts";
import { MarkdownView } from "./markdownView.ts";
import { NextEdits } from "./nextEdit.ts";
import { onInterpreterChange } from "./python.ts";
import { describe, type EditorState, menu } from "./status.ts";
import { watchWalkthrough } from "./walkthrough.ts";

let running: Lifecycle | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("NEURO-NANO", { log: true });
  const view = new MarkdownView();
  const item = vscode.window.createStatusBarItem("nano", vscode.StatusBarAlignment.Right, 100);
  const lifecycle = new Lifecycle(context, log, (request) => explain(lifecycle, view, request));
  running = lifecycle;
  const nextEdits = new NextEdits(lifecycle);
  context.subscriptions.push(log, view, item, lifecycle, nextEdits, watchWalkthrough());

  const { id } = context.extension;
  const commands: Record<string, (...args: never[]) => unknown> = {
    explain: () => explainSelection(lifecycle, view),
    docstring: () => writeDocstring(lifecycle),
    trainOnWorkspace: () => executeForFolder(lifecycle, "nano.forgeRun"),
    stopTraining: () => executeForFolder(lifecycle, "nano.forgeStop"),
    pause: () => lifecycle.setPaused(true),
    resume: () => lifecycle.setPaused(false),
    toggleLanguage: (language?: string) => cli.toggleLanguage(language ?? editorState(lifecycle).language),
    selectModel: () => cli.selectModel(lifecycle, log),
    pullModel: (name?: string, file?: string) => cli.pullModel(lifecycle, log, name, file),
    pullModelFromFile: (name?: string) => cli.pullModelFromFile(lifecycle, log, name),
    install: () => cli.installServer(lifecycle, log),
    acceptNextEdit: () => nextEdits.accept(),
    dismissNextEdit: () => nextEdits.dismiss(),
    restart: () => lifecycle.restart(),
    showLog: () => log.show(),
    showStatistics: () => cli.showStatistics(lifecycle, view),
    doctor: () => cli.showDoctor(lifecycle, view),
    settings: (key?: string) => vscode.commands.executeCommand("workbench.action.openSettings", key ?? `@ext:${id}`),
    walkthrough: () => vscode.commands.executeCommand("workbench.action.openWalkthrough", `${id}#start`),
    menu: () => showMenu(lifecycle),
  };
  for (const [name, run] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(`neuroNano.${name}`, run));
  }

  item.name = "NEURO-NANO";
  item.command = "neuroNano.menu";
  const showStatus = () => {
    const { text, tooltip, label, isError } = describe(lifecycle.status, editorState(lifecycle));
    item.text = text;
    item.tooltip = tooltip;
    item.accessibilityInformation = { label, role: "button" };
    item.backgroundColor = isError ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
    item.show();
  };
  context.subscriptions.push(
    lifecycle.onDidChange(showStatus),
    vscode.window.onDidChangeActiveTextEditor((editor) => {
      showStatus();
      lifecycle.reportCursor(editor);
    }),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor }) => lifecycle.reportCursor(textEditor)),
    vscode.workspace.onDidGrantWorkspaceTrust(() => lifecycle.restart()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      showStatus();
      if (event.affectsConfiguration(SERVER_PATH)) {
        void lifecycle.restart();
      }
    }),
  );
  showStatus();
  void lifecycle.restart().then(() => {
    context.subscriptions.push(onInterpreterChange(() => lifecycle.refresh()));
  });
}

export function deactivate(): Promise<void> | undefined {
  return running?.stop();
}

function editorState(lifecycle: Lifecycle): EditorState {
  const configuration = vscode.workspace.getConfiguration();
  const document = vscode.window.activeTextEditor?.document;
  const language = document?.languageId ?? "";
  const languages = configuration.get<Record<string, boolean>>("nano.languages", {});
  return {
    model: configuration.get("nano.model", "nano"),
    paused: lifecycle.paused,
    document: (document && lifecycle.client?.code2ProtocolConverter.asUri(document.uri)) ?? "",
    language: LANGUAGES.includes(language) ? language : "",
    languageOff: languages[language] === false,
  };
}

async function showMenu(lifecycle: Lifecycle): Promise<void> {
  const entries = menu(lifecycle.status, editorState(lifecycle)).map((entry) => ({
    ...entry,
    kind: entry.command ? vscode.QuickPickItemKind.Default : vscode.QuickPickItemKind.Separator,
  }));
  const { message, remedy } = lifecycle.status;
  const chosen = await vscode.window.showQuickPick(entries, { title: `NEURO-NANO: ${message}`, placeHolder: remedy });
  if (chosen?.command) {
    await vscode.commands.executeCommand(chosen.command, ...(chosen.arguments ?? []));
  }
}
