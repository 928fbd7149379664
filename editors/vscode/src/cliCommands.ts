/** Commands that run the program `nano-lsp`: models, installation, doctor, statistics. */

import * as vscode from "vscode";
import { choosePython, InstallError, install, pythonsOnPath } from "./install.ts";
import { describe, findSource } from "./installSource.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MarkdownView } from "./markdownView.ts";
import { type Model, readModels, readPercent } from "./models.ts";
import { showNotification } from "./notifications.ts";
import { findInterpreter } from "./python.ts";
import { type ProcessResult, run } from "./run.ts";
import { statisticsTable } from "./webviewHtml.ts";

// Wide enough that no line is wrapped, and not for a terminal, whatever FORCE_COLOR says.
const CLI_ENV = { ...process.env, COLUMNS: "400", NO_COLOR: "1", FORCE_COLOR: undefined, TTY_COMPATIBLE: "0" };
const FROM_FILE = "From a file…";

/** Run a task with a progress notification that can be cancelled. */
async function withProgress<T>(
  title: string,
  task: (report: (message: string, percent?: number) => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    const abort = new AbortController();
    token.onCancellationRequested(() => abort.abort());
    let shown = 0;
    return task((message, percent) => {
      progress.report({ message, ...(percent === undefined ? {} : { increment: percent - shown }) });
      shown = percent ?? shown;
    }, abort.signal);
  });
}

async function listModels(command: string): Promise<Model[]> {
  const { output } = await run(command, ["model", "list", "--json"], { env: CLI_ENV });
  return readModels(output);
}

async function chooseFile(title: string): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({ title, filters: { "Model files": ["gguf"] } });
  return chosen?.[0]?.fsPath;
}

/** Download a model, or import it from a file; without a name the user chooses. True if it is installed then. */
export async function pullModel(
  lifecycle: Lifecycle,
  log: vscode.LogOutputChannel,
  name?: string,
  file?: string,
): Promise<boolean> {
  const server = lifecycle.requireServer();
  const wanted = server && (name ? { name, file } : await chooseModelToPull(server.command));
  if (!server || !wanted) {
    return false;
  }
  const from = wanted.file ? ["--from", wanted.file] : [];
  const result = await withProgress(
    `Pulling ${wanted.name}`,
    async (report, signal): Promise<ProcessResult | undefined> => {
      const onLine = (line: string) => {
        log.info(line);
        report(line, readPercent(line));
      };
      const result = await run(server.command, ["model", "pull", wanted.name, ...from], {
        onLine,
        signal,
        env: CLI_ENV,
      });
      return signal.aborted ? undefined : result; // a cancelled download is resumed the next time
    },
  );
  if (result && result.code !== 0) {
    const retry = { title: "Try Again", command: "neuroNano.pullModel", arguments: [wanted.name, wanted.file] };
    const other = { title: FROM_FILE, command: "neuroNano.pullModelFromFile", arguments: [wanted.name] };
    void showNotification(result.output.trim().split("\n").slice(-2).join(" "), [retry, other]);
  }
  if (result?.code !== 0) {
    return false;
  }
  if (lifecycle.client?.isRunning() && lifecycle.status.state === "error") {
    await lifecycle.execute("nano.reload");
  }
  return true;
}

/** Import a model from a file, for a machine without a network. */
export async function pullModelFromFile(
  lifecycle: Lifecycle,
  log: vscode.LogOutputChannel,
  name = "nano",
): Promise<boolean> {
  const file = await chooseFile(`Model file of ${name}`);
  return file ? pullModel(lifecycle, log, name, file) : false;
}

async function chooseModelToPull(command: string): Promise<{ name: string; file?: string | undefined } | undefined> {
  const missing = (await listModels(command)).filter((model) => !model.installed);
  const items = missing.map(({ name, size, description }) => ({
    label: name,
    description: size,
    detail: description,
  }));
  const file = { label: FROM_FILE, description: "nano, for a machine without a network", detail: "" };
  const chosen = await vscode.window.showQuickPick([...items, file], { title: "Pull a model" });
  if (chosen !== file) {
    return chosen && { name: chosen.label };
  }
  const path = await chooseFile("Model file of nano");
  return path ? { name: "nano", file: path } : undefined;
}

/** Let the user choose the model; one that is not installed is pulled first. */
export async function selectModel(lifecycle: Lifecycle, log: vscode.LogOutputChannel): Promise<void> {
  const server = lifecycle.requireServer();
  if (!server) {
    return;
  }
  const models = await listModels(server.command);
  const items = models.map(({ name, size, installed, description }) => ({
    label: name,
    description: installed ? size : `${size}, will be pulled first`,
    detail: description,
  }));
  const other = { label: "A GGUF file…", description: "", detail: "" };
  const chosen = await vscode.window.showQuickPick([...items, other], { title: "Select the model" });
  const isInstalled = models.some(({ name, installed }) => installed && name === chosen?.label);
  const model = chosen === other ? await chooseFile("Model file") : chosen?.label;
  if (model && (chosen === other || isInstalled || (await pullModel(lifecycle, log, model)))) {
    await updateSetting("nano.model", model);
  }
}

/** Enable or disable suggestions in a language. */
export async function toggleLanguage(language: string): Promise<void> {
  const languages = vscode.workspace.getConfiguration().get<Record<string, boolean>>("nano.languages", {});
  await updateSetting("nano.languages", { ...languages, [language]: languages[language] === false });
}

/** Update a setting where it is already set: in the workspace, otherwise for the user. */
async function updateSetting(key: string, value: unknown): Promise<void> {
  const configuration = vscode.workspace.getConfiguration();
  const { workspaceValue } = configuration.inspect(key) ?? {};
  const { Global, Workspace } = vscode.ConfigurationTarget;
  await configuration.update(key, value, workspaceValue === undefined ? Global : Workspace);
}

/** Install the server into the extension's own environment; what comes from a network the user agrees to first. */
export async function installServer(lifecycle: Lifecycle, log: vscode.LogOutputChannel): Promise<void> {
  const configured = vscode.workspace.getConfiguration().get("nano.server.wheels", "");
  const folder = configured || (await chooseFolder(lifecycle.ownServerFolder));
  if (!folder) {
    return;
  }
  try {
    const source = await findSource(folder);
    const interpreter = await findInterpreter();
    const pythons = [...(interpreter ? [interpreter] : []), ...pythonsOnPath(process.platform)];
    const detail = await describe(source, await choosePython(pythons));
    log.info(detail);
    if (
      detail &&
      !(await vscode.window.showInformationMessage("Install nano-lsp?", { modal: true, detail }, "Install"))
    ) {
      return;
    }
    await lifecycle.stop(); // on Windows a running program cannot be replaced
    await withProgress(`Installing nano-lsp from ${folder}`, async (report, signal) => {
      const environment = lifecycle.privateEnvironment;
      const onLine = (line: string) => {
        log.info(line);
        report(line.trim().slice(0, 80));
      };
      await install({ pythons, environment, source, platform: process.platform }, { onLine, signal });
    });
  } catch (error) {
    if (!(error instanceof InstallError)) {
      throw error;
    }
    if (error.remedy) {
      const retry = { title: "Try Again", command: "neuroNano.install" };
      void showNotification(error.message, [retry, { title: "Show Log", command: "neuroNano.showLog" }]);
    }
  }
  await lifecycle.restart();
}

/** Ask for the folder to install the server from; undefined if the user cancels. */
async function chooseFolder(own: string): Promise<string | undefined> {
  const included = {
    label: "From this extension",
    description: "nano-lsp comes with the extension, its dependencies from the package index that pip uses",
  };
  const wheels = {
    label: "From a bundle or a folder of wheels…",
    description: "installs everything from that folder; needs no network",
  };
  const source = {
    label: "From a checkout of the project…",
    description: "builds nano-lsp; its dependencies come from the package index that pip uses",
  };
  const canUseOwn = await findSource(own).then(
    () => true,
    () => false,
  );
  const choices = [...(canUseOwn ? [included] : []), wheels, source];
  const chosen = await vscode.window.showQuickPick(choices, { title: "Install nano-lsp" });
  if (!chosen || chosen === included) {
    return chosen && own;
  }
  const options = { title: chosen.label, canSelectFiles: false, canSelectFolders: true };
  return (await vscode.window.showOpenDialog(options))?.[0]?.fsPath;
}

/** Show the report of `nano-lsp doctor`: CPU, memory, settings and model. */
export async function showDoctor(lifecycle: Lifecycle, view: MarkdownView): Promise<void> {
  const server = lifecycle.requireServer();
  if (server) {
    const { output } = await withProgress("NEURO-NANO doctor", (_report, signal) =>
      run(server.command, ["doctor"], { signal, env: CLI_ENV }),
    );
    view.show("Doctor", `# Doctor\n\n${server.command} (${server.origin})\n\n\`\`\`text\n${output}\n\`\`\`\n`);
  }
}

/** Show the counters since the server's start, and the statistics kept on this machine. */
export async function showStatistics(lifecycle: Lifecycle, view: MarkdownView): Promise<void> {
  const server = lifecycle.requireServer();
  if (server && lifecycle.client?.isRunning()) {
    const counters = await lifecycle.client.sendRequest<Record<string, unknown>>("nano/stats", {});
    const { output } = await run(server.command, ["stats"], { env: CLI_ENV });
    const stored = `# On this machine\n\n\`\`\`text\n${output}\n\`\`\`\n`;
    view.show("Statistics", `# Since the start\n\n${statisticsTable(counters)}\n\n${stored}`);
  }
}
