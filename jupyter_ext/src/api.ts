/** Client of the server extension's HTTP API; uses only the Jupyter server's address and authentication. */

import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";
import { parseNdjson } from "./ndjson.ts";
import type { SuggestionUpdate } from "./streaming.ts";

export interface Suggestion {
  text: string;
  id: number;
}

export interface Cell {
  code: string;
  execution_count: number | null;
  language: string; // empty: the kernel's language
  id: string; // of a notebook's cell; empty in consoles and files
}

/** A document and the cursor in it; the offset counts code points. */
export interface CursorContext {
  path: string;
  language: string;
  cells: Cell[];
  index: number;
  offset: number;
}

/** Where the newest edits have to be made again: whole lines of a cell, and what changes in its text; offsets as above. */
export interface NextEdit {
  cell: string; // its `id`
  start: number;
  old: string;
  new: string;
  change: { start: number; end: number; text: string };
}

/** An explanation, docstrings or a fix for a piece of code. */
export interface ActionRequest {
  kind: "explain" | "docstring" | "fix";
  code: string;
  language: string;
  offset: number | null;
  error: [string, string, string[]] | null;
}

/** A partial result of an action. */
export interface ActionEvent {
  text?: string;
  part?: [number, number];
  code?: string;
  error?: { message: string; remedy: string };
}

export interface Status {
  state: "loading" | "ready" | "busy" | "paused" | "error";
  message: string;
  remedy: string;
  share: number;
  model: string;
  quiet?: string; // reason code why the document of the last request gets no suggestions, explained by `message`
  document?: string; // path of that document
  configured?: boolean; // whether the server has received the user's settings
  warnings?: string[];
}

/** An error reported by the server, with its remedy. */
export class ApiError extends Error {}

/** Sends requests to the server extension. */
export class Api {
  /** Called with the status that a response contains. */
  onStatus: (status: Status) => void = () => {};
  private readonly page = String(Math.random()); // crypto.randomUUID needs HTTPS
  private requestNumber = 0;

  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** Suggestions at the cursor: whole lines as they are generated, all suggestions at the end. */
  async *suggest(
    cursor: CursorContext,
    invoked: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<SuggestionUpdate<Suggestion>> {
    for await (const update of this.stream("suggest", { ...this.numbered(cursor), invoked }, signal)) {
      if ("message" in update) {
        throw new ApiError(`${update["message"]} ${update["remedy"]}`.trim());
      }
      if (update["status"]) {
        this.onStatus(update["status"] as Status);
      }
      yield update as SuggestionUpdate<Suggestion>;
    }
  }

  /** The cursor rests there. */
  moveCursor(cursor: CursorContext): Promise<unknown> {
    return this.request("cursor", this.numbered(cursor));
  }

  /** The next edit, once no key has been pressed for a while; null for none. */
  async nextEdit(cursor: CursorContext, signal: AbortSignal): Promise<NextEdit | null> {
    return (await this.request<{ edit: NextEdit | null }>("next-edit", this.numbered(cursor), signal)).edit;
  }

  /** The user does not want an edit. */
  rejectNextEdit(edit: NextEdit): Promise<unknown> {
    return this.request("next-edit-rejected", { old: edit.old, new: edit.new });
  }

  status(): Promise<Status> {
    return this.request("status");
  }

  control(control: { settings?: object; paused?: boolean; reload?: boolean }): Promise<Status> {
    return this.request("status", control);
  }

  async kernelVariablesExpression(): Promise<string> {
    return (await this.request<{ expression: string }>("kernel-variables")).expression;
  }

  sendKernelVariables(path: string, reply: string): Promise<unknown> {
    return this.request("kernel-variables", { path, reply });
  }

  close(path: string): Promise<unknown> {
    return this.request("closed", { path });
  }

  /** Run an action and yield its partial results; aborting the signal cancels it. */
  async *runAction(action: ActionRequest, signal: AbortSignal): AsyncGenerator<ActionEvent> {
    for await (const event of this.stream("action", action, signal)) {
      yield event as ActionEvent;
    }
  }

  /** The cursor with the number of its message: messages may arrive in another order. */
  private numbered(cursor: CursorContext): object {
    return { ...cursor, page: this.page, number: ++this.requestNumber };
  }

  private async *stream(name: string, body: object, signal: AbortSignal): AsyncGenerator<Record<string, unknown>> {
    const response = await this.fetch(name, { method: "POST", body: JSON.stringify(body), signal });
    if (response.body) {
      yield* parseNdjson(chunks(response.body)) as AsyncGenerator<Record<string, unknown>>;
    }
  }

  private async request<T>(name: string, body?: object, signal: AbortSignal | null = null): Promise<T> {
    const init = body ? { method: "POST", body: JSON.stringify(body), signal } : {};
    return (await this.fetch(name, init)).json();
  }

  private async fetch(name: string, init: RequestInit): Promise<Response> {
    const url = URLExt.join(this.settings.baseUrl, "nano-lsp", name);
    const response = await ServerConnection.makeRequest(url, init, this.settings);
    if (!response.ok) {
      const failure = await response.json().catch(() => ({}));
      throw new ApiError(`${failure.message ?? response.statusText} ${failure.remedy ?? ""}`.trim());
    }
    return response;
  }
}

async function* chunks(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      yield read.value;
    }
  } finally {
    await reader.cancel();
  }
}
