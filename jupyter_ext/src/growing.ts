/** A suggestion that grows: what comes first is shown at once, the rest as a stream. No editor is needed here. */

import type { Shown } from "./along.ts";

const MOST_OPEN = 2;

/** What is told of suggestions: whole lines of an only one, or all of them at the end. */
export interface News<T extends Shown> {
  text?: string;
  items?: readonly T[];
}

/** What is there so far; with a token where more may come. */
export interface Begun<T extends Shown> {
  items: readonly T[];
  token: string;
}

/**
 * The suggestions asked for last; of those before, nothing more is told, and those before the last but one are called
 * off: a browser has few connections to a server, and who types quickly must not wait for them. The last but one goes
 * on, as its answer may be what is being typed.
 */
export class Growing<T extends Shown> {
  private newest = 0;
  private coming: AsyncIterator<News<T>> | null = null;
  private readonly open: AbortController[] = [];

  /**
   * The first news, once there is some; null where something newer has been asked for.
   *
   * @param ask - asks for the news, until the signal is aborted.
   */
  async begin(ask: (signal: AbortSignal) => AsyncIterable<News<T>>): Promise<Begun<T> | null> {
    const mine = ++this.newest;
    const controller = new AbortController();
    this.open.push(controller);
    while (this.open.length > MOST_OPEN) {
      this.open.shift()?.abort();
    }
    const coming = ask(controller.signal)[Symbol.asyncIterator]();
    this.coming = null;
    const first = await this.next(coming, mine);
    if (mine !== this.newest) {
      return null;
    }
    if (first?.text === undefined) {
      return { items: first?.items ?? [], token: "" };
    }
    this.coming = coming;
    return { items: [{ text: first.text } as T], token: String(mine) };
  }

  /** The rest of the news, until something newer is asked for. */
  async *goOn(token: string): AsyncGenerator<News<T>> {
    const mine = Number(token);
    const coming = mine === this.newest ? this.coming : null;
    for (let news = coming && (await this.next(coming, mine)); news && coming; news = await this.next(coming, mine)) {
      if (mine !== this.newest) {
        return;
      }
      yield news;
    }
  }

  /** What comes next; nothing at the end, and where something newer has been asked for and this one called off. */
  private async next(coming: AsyncIterator<News<T>>, mine: number): Promise<News<T> | undefined> {
    try {
      const { done, value } = await coming.next();
      return done ? undefined : value;
    } catch (error) {
      if (mine === this.newest) {
        throw error;
      }
      return undefined;
    }
  }
}
