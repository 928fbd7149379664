/** The server's life: found, checked, started, watched, stopped. */

import { homedir } from "node:os";
import { join } from "node:path";
import * as vscode from "vscode";
import { ExecuteCommandRequest, type LanguageClient, MessageType } from "vscode-languageclient/node";
import { createClient, type ExplainRequest } from "./client.ts";
import { findServer, SERVER_PATH, type Server, sharedEnvironment, WrongPathError } from "./findServer.ts";
import { readPull } from "./models.ts";
import { type Button, showProblem } from "./problems.ts";
import { findInterpreter } from "./python.ts";
import { run } from "./run.ts";
import { NOTHING_KNOWN, type Status } from "./status.ts";

const STOPS_WITHIN_MS = 10_000;
const SHOW_LOG: Button = { title: "Show Log", command: "neuroNano.showLog" };
const INSTALL: Button = { title: "Install…", command: "neuroNano.install" };
const FIRST_STEPS: Button = { title: "First Steps", command: "neuroNano.walkthrough" };
const SET_PATH: Button = { title: "Settings", command: "neuroNano.settings", arguments: [SERVER_PATH] };
const RESTART: Button = { title: "Restart", command: "neuroNano.restart" };

type Explain = (request: ExplainRequest) => Promise<unknown>;

/** One server at a time. */
export class Lifecycle implements vscode.Disposable {
  status: Status = NOTHING_KNOWN;
  server: Server | undefined;
  client: LanguageClient | undefined;
  paused = false;
  private readonly context: vscode.ExtensionContext;
  private readonly log: vscode.LogOutputChannel;
  private readonly explain: Explain;
  private turn: Promise<void> = Promise.resolve();
  private starting: Promise<void> = Promise.resolve();
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changed.event;

  /**
   * @param context of the extension
   * @param log that the server's messages go to
   * @param explain answers the server's command `nano.explain`, wherever it is chosen
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

  /** Stop the server, look for one, and start it: the only way one is started. Calls wait for each other. */
  restart(): Promise<void> {
    this.turn = this.turn
      .then(() => this.stopNow())
      .then(() => this.startNow())
      .catch((error: unknown) => this.fail(String(error), "See the log.", [SHOW_LOG, RESTART]));
    return this.turn;
  }

  /** Restart where another server would be found now. */
  async refresh(): Promise<void> {
    const found = await this.find().catch(() => undefined);
    if (found?.command !== this.server?.command) {
      await this.restart();
    }
  }

  /** Stop the server for good. */
  stop(): Promise<void> {
    this.turn = this.turn.then(() => this.stopNow());
    return this.turn;
  }

  /** Pause suggestions, or go on. */
  async setPaused(paused: boolean): Promise<void> {
    this.paused = paused;
    this.changed.fire();
    if (this.client?.isRunning()) {
      await this.execute(paused ? "nano.pause" : "nano.resume");
    }
  }

  /** Run a command of the server. */
  async execute(command: string, args: readonly unknown[] = [], token?: vscode.CancellationToken): Promise<unknown> {
    return this.client?.sendRequest(ExecuteCommandRequest.type, { command, arguments: [...args] }, token);
  }

  /** The server's program; without one the user is told, and there is none. */
  requireServer(): Server | undefined {
    if (!this.server) {
      void this.tellMissing();
    }
    return this.server;
  }

  dispose(): void {
    this.changed.dispose();
  }

  private async find(): Promise<Server | undefined> {
    const setting = vscode.workspace.getConfiguration().get(SERVER_PATH, "");
    const interpreter = setting ? "" : await findInterpreter();
    const places = {
      setting,
      interpreter,
      path: process.env["PATH"] ?? "",
      privateEnvironment: this.privateEnvironment,
      sharedEnvironment: sharedEnvironment(homedir(), process.env, process.platform),
    };
    return findServer(places, process.platform);
  }

  private async startNow(): Promise<void> {
    this.show(NOTHING_KNOWN);
    try {
      this.server = await this.find();
    } catch (error) {
      if (error instanceof WrongPathError) {
        this.fail(error.message, "Correct it, or empty it to look elsewhere.", [SET_PATH]);
        return;
      }
      throw error;
    }
    if (!this.server) {
      void this.tellMissing();
      return;
    }
    const { command, origin } = this.server;
    const { code, output } = await run(command, ["--version"]);
    this.log.info(`${command} (${origin}): ${output}`);
    if (code !== 0 || !/^nano-lsp \S+$/m.test(output)) {
      const reason = output.trim().split("\n").pop() ?? "";
      this.fail(`${command} does not run: ${reason}`, "Install the server anew.", [INSTALL, SET_PATH, SHOW_LOG]);
      return;
    }
    const properties = this.context.extension.packageJSON.contributes.configuration.properties as object;
    this.client = createClient(this.server, this.log, Object.keys(properties), {
      onStatus: (status) => this.show(status),
      onMessage: ({ type, message }) => this.tell(type, message),
      onStarted: () => this.paused && void this.setPaused(true),
      onGivenUp: () =>
        this.fail("The server ends again and again; it is not started any more.", "See the log, or ask the doctor.", [
          SHOW_LOG,
          { title: "Doctor", command: "neuroNano.doctor" },
          RESTART,
        ]),
      explain: this.explain,
    });
    // Not waited for: a start that fails and is tried again may never settle. The watcher is told how it goes.
    this.starting = this.client.start().catch((error: unknown) => this.log.error(String(error)));
  }

  private async stopNow(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client) {
      const late = new Promise((resolve) => setTimeout(resolve, STOPS_WITHIN_MS));
      await Promise.race([this.starting, late]);
      await client.dispose().catch((error: unknown) => this.log.warn(String(error)));
    }
  }

  private show(status: Status): void {
    this.status = status;
    const hasModel = status.state === "ready" || status.state === "busy" || status.state === "paused";
    for (const [key, holds] of Object.entries({ hasServer: Boolean(status.model), hasModel })) {
      void vscode.commands.executeCommand("setContext", `neuroNano.${key}`, holds);
    }
    this.changed.fire();
  }

  private tell(type: MessageType, message: string): void {
    const pull = readPull(message);
    const buttons = pull ? [{ title: `Pull ${pull}`, command: "neuroNano.pullModel", arguments: [pull] }] : [];
    const kind = type === MessageType.Error ? "error" : type === MessageType.Warning ? "warning" : "information";
    void showProblem(message, kind === "error" ? [...buttons, SHOW_LOG] : buttons, kind);
  }

  private async tellMissing(): Promise<void> {
    const message = "The language server nano-lsp was not found.";
    const remedy = `Install it, or name it in ${SERVER_PATH}.`;
    this.show({ state: "missing", message, remedy, share: 0 });
    await showProblem(`${message} ${remedy}`, [INSTALL, SET_PATH, FIRST_STEPS], "warning");
  }

  private fail(message: string, remedy: string, buttons: readonly Button[]): void {
    this.log.error(message);
    this.show({ state: "error", message, remedy, share: 0 });
    void showProblem(`${message} ${remedy}`, buttons);
  }
}
