/** A suggestion that grows: what comes first is shown at once, the rest as a stream. No editor is needed here. */

import type { Shown } from "./along.ts";

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

/** The suggestions asked for last; of those before, nothing more is told. */
export class Growing<T extends Shown> {
  private newest = 0;
  private coming: AsyncIterator<News<T>> | null = null;

  /** The first news, once there is some; null where something newer has been asked for. */
  async begin(news: AsyncIterable<News<T>>): Promise<Begun<T> | null> {
    const mine = ++this.newest;
    const coming = news[Symbol.asyncIterator]();
    this.coming = null;
    const first = (await coming.next()).value as News<T> | undefined;
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
    const isNewest = () => token === String(this.newest);
    const coming = isNewest() ? this.coming : null;
    for (let next = await coming?.next(); next && !next.done && isNewest(); next = await coming?.next()) {
      yield next.value;
    }
  }
}
