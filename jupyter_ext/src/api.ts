/** The way to the server's side: the Jupyter server's own address and authentication, and nothing else. */

import { URLExt } from "@jupyterlab/coreutils";
import { ServerConnection } from "@jupyterlab/services";
import type { News } from "./growing.ts";
import { readLines } from "./lines.ts";

export interface Suggestion {
  text: string;
  id: number;
}

export interface Cell {
  code: string;
  execution_count: number | null;
  language: string; // empty for the kernel's
}

/** A place in a document; the offset counts code points. */
export interface Place {
  path: string;
  language: string;
  cells: Cell[];
  index: number;
  offset: number;
}

export interface Work {
  kind: "explain" | "docstring" | "fix";
  code: string;
  language: string;
  offset: number | null;
  error: [string, string, string[]] | null;
}

/** What is told of work while it is done. */
export interface Told {
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
  quiet?: string; // why the document asked about last gets no suggestions; the message says the same
  document?: string; // its path
  begun?: boolean; // the server knows what the user has set
  warnings?: string[];
}

/** An error with its remedy, as the server says it. */
export class ApiError extends Error {}

/** Asks the server's side. */
export class Api {
  /** Is told the status that comes with an answer. */
  onStatus: (status: Status) => void = () => {};
  private readonly page = String(Math.random()); // crypto.randomUUID needs HTTPS
  private number = 0;

  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** What to show at a place: whole lines while more are on their way, all suggestions at the end. */
  async *suggest(place: Place, invoked: boolean, signal: AbortSignal): AsyncGenerator<News<Suggestion>> {
    const { page } = this;
    const number = ++this.number; // requests may overtake each other on the way
    for await (const told of this.lines("suggest", { ...place, invoked, page, number }, signal)) {
      if ("message" in told) {
        throw new ApiError(`${told["message"]} ${told["remedy"]}`.trim());
      }
      if (told["status"]) {
        this.onStatus(told["status"] as Status);
      }
      yield told as News<Suggestion>;
    }
  }

  status(): Promise<Status> {
    return this.request("status");
  }

  control(control: { settings?: object; paused?: boolean; reload?: boolean }): Promise<Status> {
    return this.request("status", control);
  }

  async expression(): Promise<string> {
    return (await this.request<{ expression: string }>("live-names")).expression;
  }

  tellNames(path: string, reply: string): Promise<unknown> {
    return this.request("live-names", { path, reply });
  }

  close(path: string): Promise<unknown> {
    return this.request("closed", { path });
  }

  /** Does work, and says what comes of it; aborting the signal calls it off. */
  async *work(work: Work, signal: AbortSignal): AsyncGenerator<Told> {
    for await (const told of this.lines("work", work, signal)) {
      yield told as Told;
    }
  }

  private async *lines(name: string, body: object, signal: AbortSignal): AsyncGenerator<Record<string, unknown>> {
    const response = await this.fetch(name, { method: "POST", body: JSON.stringify(body), signal });
    if (response.body) {
      yield* readLines(chunks(response.body)) as AsyncGenerator<Record<string, unknown>>;
    }
  }

  private async request<T>(name: string, body?: object): Promise<T> {
    const init = body ? { method: "POST", body: JSON.stringify(body) } : {};
    return (await this.fetch(name, init)).json();
  }

  private async fetch(name: string, init: RequestInit): Promise<Response> {
    const url = URLExt.join(this.settings.baseUrl, "nano-lsp", name);
    const response = await ServerConnection.makeRequest(url, init, this.settings);
    if (!response.ok) {
      const said = await response.json().catch(() => ({}));
      throw new ApiError(`${said.message ?? response.statusText} ${said.remedy ?? ""}`.trim());
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
