/** Streaming suggestions: the first update is shown at once, the others as they arrive. Independent of the editor. */

const MAX_OPEN_REQUESTS = 2;

export interface HasText {
  text: string;
}

/** An update: whole lines of a single suggestion, or all suggestions at the end. */
export interface SuggestionUpdate<T extends HasText> {
  text?: string;
  items?: readonly T[];
}

/** The first update; the token is set if others follow. */
export interface FirstUpdate<T extends HasText> {
  items: readonly T[];
  token: string;
}

/**
 * Passes on the updates of the latest request only: JupyterLab would replace the suggestion that it has shortened since
 * by the whole one. The server ends older requests; at most two stay open here, because a browser has few connections
 * per server and fast typing must not wait for them. The last but one is not aborted: the server would take that for
 * the end of the work for it before it knows what has been typed since.
 */
export class SuggestionStream<T extends HasText> {
  private latest = 0;
  private updates: AsyncIterator<SuggestionUpdate<T>> | null = null;
  private readonly open: AbortController[] = [];

  /**
   * Send a request and wait for its first update; null if a newer request has been sent meanwhile.
   *
   * @param send - sends the request; its updates end when the signal is aborted.
   */
  async start(send: (signal: AbortSignal) => AsyncIterable<SuggestionUpdate<T>>): Promise<FirstUpdate<T> | null> {
    const id = ++this.latest;
    const controller = new AbortController();
    this.open.push(controller);
    while (this.open.length > MAX_OPEN_REQUESTS) {
      this.open.shift()?.abort();
    }
    const updates = send(controller.signal)[Symbol.asyncIterator]();
    this.updates = null;
    const first = await this.next(updates, id);
    if (id !== this.latest) {
      return null;
    }
    if (first?.text === undefined) {
      return { items: first?.items ?? [], token: "" };
    }
    this.updates = updates;
    return { items: [{ text: first.text } as T], token: String(id) };
  }

  /** The remaining updates, until a newer request is sent. */
  async *rest(token: string): AsyncGenerator<SuggestionUpdate<T>> {
    const id = Number(token);
    const updates = id === this.latest ? this.updates : null;
    for (
      let update = updates && (await this.next(updates, id));
      update && updates;
      update = await this.next(updates, id)
    ) {
      if (id !== this.latest) {
        return;
      }
      yield update;
    }
  }

  /** The next update; undefined at the end, and for an older request that has been aborted. */
  private async next(
    updates: AsyncIterator<SuggestionUpdate<T>>,
    id: number,
  ): Promise<SuggestionUpdate<T> | undefined> {
    try {
      const { done, value } = await updates.next();
      return done ? undefined : value;
    } catch (error) {
      if (id === this.latest) {
        throw error;
      }
      return undefined;
    }
  }
}
