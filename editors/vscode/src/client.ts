/** The language client: what the server is told, and what of it is shown in this editor's own way. */

import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  type ErrorHandler,
  LanguageClient,
  type LanguageClientOptions,
  ProgressType,
  ShowMessageNotification,
  type ShowMessageParams,
  State,
} from "vscode-languageclient/node";
import type { Server } from "./findServer.ts";
import { SELECTOR } from "./languages.ts";
import { collectSettings } from "./settings.ts";
import type { Status } from "./status.ts";

const MAX_CRASHES = 4;
const CRASHES_WITHIN_MS = 180_000;

/** Is told what the server does. */
export interface Watcher {
  onStatus(status: Status): void;
  onMessage(message: ShowMessageParams): void;
  onStarted(): void;
  /** The server ended too often; it is not started again. */
  onGivenUp(): void;
  explain(request: ExplainRequest): Promise<unknown>;
}

/** Argument of the server's command `nano.explain`. */
export interface ExplainRequest {
  readonly uri: string;
  readonly range: unknown;
  readonly diagnostic?: string;
}

/** What the server sends while it explains. */
export const EXPLAINING = new ProgressType<{ text: string }>();

/** A client that is not started yet. */
export function createClient(
  server: Server,
  log: vscode.LogOutputChannel,
  settingKeys: readonly string[],
  watcher: Watcher,
): LanguageClient {
  const initial = { ...readSettings(settingKeys), trusted: vscode.workspace.isTrusted };
  const options: LanguageClientOptions = {
    documentSelector: SELECTOR,
    outputChannel: log,
    initializationOptions: initial,
    synchronize: { configurationSection: "nano" },
    errorHandler: createErrorHandler(watcher),
    initializationFailedHandler: () => false,
    middleware: {
      workspace: {
        configuration: () => [
          { ...readSettings(settingKeys, Object.keys(initial)), trusted: vscode.workspace.isTrusted },
        ],
      },
      executeCommand: async (command, args, next) =>
        command === "nano.explain" ? watcher.explain(args[0] as ExplainRequest) : next(command, args),
    },
  };
  const client = new LanguageClient("nano", "NEURO-NANO", { command: server.command, args: ["server"] }, options);
  client.onNotification("nano/status", (status: Status) => watcher.onStatus(status));
  client.onNotification(ShowMessageNotification.type, (message) => watcher.onMessage(message));
  client.onDidChangeState(({ newState }) => newState === State.Running && watcher.onStarted());
  return client;
}

function readSettings(keys: readonly string[], told: readonly string[] = []): Record<string, unknown> {
  const configuration = vscode.workspace.getConfiguration();
  const look = (key: string) => {
    const { globalValue, workspaceValue, workspaceFolderValue } = configuration.inspect(key) ?? {};
    return {
      isSet: [globalValue, workspaceValue, workspaceFolderValue].some((value) => value !== undefined),
      value: configuration.get(key),
    };
  };
  return collectSettings(keys, look, told);
}

/** Starts a server that has ended again, unless it ends again and again. */
function createErrorHandler(watcher: Watcher): ErrorHandler {
  let crashes: number[] = [];
  return {
    error: () => ({ action: ErrorAction.Continue, handled: true }),
    closed: () => {
      const now = Date.now();
      crashes = [...crashes.filter((then) => now - then < CRASHES_WITHIN_MS), now];
      if (crashes.length <= MAX_CRASHES) {
        watcher.onStatus({
          state: "loading",
          message: "The server has ended; it starts again.",
          remedy: "",
          share: 0,
        });
        return { action: CloseAction.Restart, handled: true };
      }
      watcher.onGivenUp();
      return { action: CloseAction.DoNotRestart, handled: true };
    },
  };
}
