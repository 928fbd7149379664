/** Finds, starts, monitors and stops the server. */

import { homedir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { ExecuteCommandRequest, type LanguageClient, MessageType } from "vscode-languageclient/node";
import { createClient, type ExplainRequest } from "./client.ts";
import { findServer, InvalidServerPathError, SERVER_PATH, type Server, sharedEnvironment } from "./findServer.ts";
import { SERVER_FOLDER } from "./installSource.ts";
import { SELECTOR } from "./languages.ts";
import { readPullCommand } from "./models.ts";
import { type Button, showNotification } from "./notifications.ts";
import { findInterpreter } from "./python.ts";
import { run } from "./run.ts";
import { INITIAL_STATUS, type Status } from "./status.ts";

const STOP_TIMEOUT_MS = 10_000;
const SHOW_LOG: Button = { title: "Show Log", command: "neuroNano.showLog" };
const INSTALL: Button = { title: "Install…", command: "neuroNano.install" };
const GETTING_STARTED: Button = { title: "Getting Started", command: "neuroNano.walkthrough" };
const SET_PATH: Button = { title: "Settings", command: "neuroNano.settings", arguments: [SERVER_PATH] };
const RESTART: Button = { title: "Restart", command: "neuroNano.restart" };

type Explain = (request: ExplainRequest) => Promise<unknown>;

/** Manages the server; at most one runs at a time. */
export class Lifecycle implements vscode.Disposable {
  status: Status = INITIAL_STATUS;
  server: Server | undefined;
  client: LanguageClient | undefined;
  paused = false;
  private readonly context: vscode.ExtensionContext;
  private readonly log: vscode.LogOutputChannel;
  private readonly explain: Explain;
  private queue: Promise<void> = Promise.resolve();
  private starting: Promise<void> = Promise.resolve();
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;

  /**
   * @param context the extension's context
   * @param log the log channel, also for the server's messages
   * @param explain runs the command `nano.explain`, also when it is chosen from a code action or code lens
   */
  constructor(context: vscode.ExtensionContext, log: vscode.LogOutputChannel, explain: Explain) {
    this.context = context;
    this.log = log;
    this.explain = explain;
  }

  /** Folder of the virtual environment that the extension installs into. */
  get privateEnvironment(): string {
    return join(this.context.globalStorageUri.fsPath, "server");
  }

  /** Folder of the extension with the lock files, and in a release with a wheel of the server. */
  get ownServerFolder(): string {
    return join(this.context.extensionPath, SERVER_FOLDER);
  }

  /** Stop the server, search for it, and start it: the only way to start one. Calls are queued. */
  restart(): Promise<void> {
    this.queue = this.queue
      .then(() => this.stopNow())
      .then(() => this.startNow())
      .catch((error: unknown) => this.fail(String(error), "See the log.", [SHOW_LOG, RESTART]));
    return this.queue;
  }

  /** Restart if a search now finds another server. */
  async refresh(): Promise<void> {
    const found = await this.find().catch(() => undefined);
    if (found?.command !== this.server?.command) {
      await this.restart();
    }
  }

  /** Stop the server without restarting it. */
  stop(): Promise<void> {
    this.queue = this.queue.then(() => this.stopNow());
    return this.queue;
  }

  /** Pause or resume suggestions. */
  async setPaused(paused: boolean): Promise<void> {
    this.paused = paused;
    this.changed.fire();
    if (this.client?.isRunning()) {
      await this.execute(paused ? "nano.pause" : "nano.resume");
    }
  }

  /** Execute a command of the server. */
  async execute(command: string, args: readonly unknown[] = [], token?: vscode.CancellationToken): Promise<unknown> {
    return this.client?.sendRequest(ExecuteCommandRequest.type, { command, arguments: [...args] }, token);
  }

  /** Tell the server where the cursor is: if it rests there, the model reads the code around it before the first key. */
  reportCursor(editor: vscode.TextEditor | undefined): void {
    const client = this.client;
    if (editor && client?.isRunning() && vscode.languages.match(SELECTOR, editor.document)) {
      const uri = client.code2ProtocolConverter.asUri(editor.document.uri);
      const position = client.code2ProtocolConverter.asPosition(editor.selection.active);
      void client.sendNotification("nano/didMoveCursor", { uri, position });
    }
  }

  /** The server's program; if it is missing, notifies the user and returns undefined. */
  requireServer(): Server | undefined {
    if (!this.server) {
      void this.showMissing();
    }
    return this.server;
  }

  dispose(): void {
    this.changed.dispose();
  }

  private async find(): Promise<Server | undefined> {
    const setting = vscode.workspace.getConfiguration().get(SERVER_PATH, "");
    const interpreter = setting ? "" : await findInterpreter();
    const locations = {
      setting,
      interpreter,
      path: process.env["PATH"] ?? "",
      privateEnvironment: this.privateEnvironment,
      extension: this.ownServerFolder,
      sharedEnvironment: sharedEnvironment(homedir(), process.env, process.platform),
    };
    return findServer(locations, process.platform);
  }

  private async startNow(): Promise<void> {
    this.show(INITIAL_STATUS);
    try {
      this.server = await this.find();
    } catch (error) {
      if (error instanceof InvalidServerPathError) {
        this.fail(error.message, "Correct it, or clear it to search elsewhere.", [SET_PATH]);
        return;
      }
      throw error;
    }
    if (!this.server) {
      void this.showMissing();
      return;
    }
    const { command, origin } = this.server;
    const { code, output } = await run(command, ["--version"]);
    this.log.info(`${command} (${origin}): ${output}`);
    if (code !== 0 || !/^nano-lsp \S+$/m.test(output)) {
      const reason = output.trim().split("\n").pop() ?? "";
      this.fail(`${command} does not run: ${reason}`, "Reinstall the server.", [INSTALL, SET_PATH, SHOW_LOG]);
      return;
    }
    const properties = this.context.extension.packageJSON.contributes.configuration.properties as object;
    this.client = createClient(this.server, this.log, Object.keys(properties), {
      onStatus: (status) => this.show(status),
      onMessage: ({ type, message }) => this.showMessage(type, message),
      onStarted: () => {
        if (this.paused) {
          void this.setPaused(true);
        }
        this.reportCursor(vscode.window.activeTextEditor);
      },
      onTooManyCrashes: () =>
        this.fail("The server crashes repeatedly and is not restarted any more.", "See the log, or run the doctor.", [
          SHOW_LOG,
          { title: "Doctor", command: "neuroNano.doctor" },
          RESTART,
        ]),
      explain: this.explain,
    });
    // Not awaited: a start that fails and is retried may never settle. The listener receives its status.
    this.starting = this.client.start().catch((error: unknown) => this.log.error(String(error)));
  }

  private async stopNow(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client) {
      const timeout = new Promise((resolve) => setTimeout(resolve, STOP_TIMEOUT_MS));
      await Promise.race([this.starting, timeout]);
      await client.dispose().catch((error: unknown) => this.log.warn(String(error)));
    }
  }

  private show(status: Status): void {
    this.status = status;
    const hasModel = status.state === "ready" || status.state === "busy" || status.state === "paused";
    for (const [key, value] of Object.entries({ hasServer: Boolean(status.model), hasModel })) {
      void vscode.commands.executeCommand("setContext", `neuroNano.${key}`, value);
    }
    this.changed.fire();
  }

  private showMessage(type: MessageType, message: string): void {
    const pull = readPullCommand(message);
    const buttons = pull ? [{ title: `Pull ${pull}`, command: "neuroNano.pullModel", arguments: [pull] }] : [];
    const severity = type === MessageType.Error ? "error" : type === MessageType.Warning ? "warning" : "information";
    void showNotification(message, severity === "error" ? [...buttons, SHOW_LOG] : buttons, severity);
  }

  private async showMissing(): Promise<void> {
    const message = "The language server nano-lsp was not found.";
    const remedy = `Install it, or set ${SERVER_PATH} to its full path.`;
    this.show({ state: "missing", message, remedy, share: 0 });
    await showNotification(`${message} ${remedy}`, [INSTALL, SET_PATH, GETTING_STARTED], "warning");
  }

  private fail(message: string, remedy: string, buttons: readonly Button[]): void {
    this.log.error(message);
    this.show({ state: "error", message, remedy, share: 0 });
    void showNotification(`${message} ${remedy}`, buttons);
  }
}
