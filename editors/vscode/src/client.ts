/** The language client: its configuration, and the server's messages that this extension shows itself. */

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

/** Receives the server's events. */
export interface ServerListener {
  onStatus(status: Status): void;
  onMessage(message: ShowMessageParams): void;
  onStarted(): void;
  /** The server crashed too often and is not restarted. */
  onTooManyCrashes(): void;
  explain(request: ExplainRequest): Promise<unknown>;
}

/** Argument of the server's command `nano.explain`. */
export interface ExplainRequest {
  readonly uri: string;
  readonly range: unknown;
  readonly diagnostic?: string;
}

/** Partial results of `nano.explain`: the text so far. */
export const EXPLAIN_PROGRESS = new ProgressType<{ text: string }>();

/** Create a client; it is not started yet. */
export function createClient(
  server: Server,
  log: vscode.LogOutputChannel,
  settingKeys: readonly string[],
  listener: ServerListener,
): LanguageClient {
  const initial = { ...readSettings(settingKeys), trusted: vscode.workspace.isTrusted };
  const options: LanguageClientOptions = {
    documentSelector: SELECTOR,
    outputChannel: log,
    initializationOptions: initial,
    synchronize: { configurationSection: "nano" },
    errorHandler: createErrorHandler(listener),
    initializationFailedHandler: () => false,
    middleware: {
      workspace: {
        configuration: () => [
          { ...readSettings(settingKeys, Object.keys(initial)), trusted: vscode.workspace.isTrusted },
        ],
      },
      executeCommand: async (command, args, next) =>
        command === "nano.explain" ? listener.explain(args[0] as ExplainRequest) : next(command, args),
    },
  };
  const client = new LanguageClient("nano", "NEURO-NANO", { command: server.command, args: ["server"] }, options);
  client.onNotification("nano/status", (status: Status) => listener.onStatus(status));
  client.onNotification(ShowMessageNotification.type, (message) => listener.onMessage(message));
  client.onDidChangeState(({ newState }) => newState === State.Running && listener.onStarted());
  return client;
}

function readSettings(keys: readonly string[], alwaysInclude: readonly string[] = []): Record<string, unknown> {
  const configuration = vscode.workspace.getConfiguration();
  const inspect = (key: string) => {
    const { globalValue, workspaceValue, workspaceFolderValue } = configuration.inspect(key) ?? {};
    return {
      isSet: [globalValue, workspaceValue, workspaceFolderValue].some((value) => value !== undefined),
      value: configuration.get(key),
    };
  };
  return collectSettings(keys, inspect, alwaysInclude);
}

/** Restarts a crashed server, up to `MAX_CRASHES` times within `CRASHES_WITHIN_MS`. */
function createErrorHandler(listener: ServerListener): ErrorHandler {
  let crashes: number[] = [];
  return {
    error: () => ({ action: ErrorAction.Continue, handled: true }),
    closed: () => {
      const now = Date.now();
      crashes = [...crashes.filter((then) => now - then < CRASHES_WITHIN_MS), now];
      if (crashes.length <= MAX_CRASHES) {
        listener.onStatus({
          state: "loading",
          message: "The server crashed and is being restarted.",
          remedy: "",
          share: 0,
        });
        return { action: CloseAction.Restart, handled: true };
      }
      listener.onTooManyCrashes();
      return { action: CloseAction.DoNotRestart, handled: true };
    },
  };
}
