/** Tells the server where the cursor rests. Independent of the editor. */

/** Milliseconds without another move or key: a message has all cells of a notebook. */
export const REST_MS = 200;

/** Sends the cursor once it rests, unless it is where it was sent last, or nobody sees the page. */
export class RestingCursor<T> {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private sent = "";
  private readonly read: () => T | null;
  private readonly send: (cursor: T) => Promise<unknown>;
  private readonly isHidden: () => boolean;

  /**
   * @param read - the document and the cursor in it; null if it gets no suggestions.
   * @param send - sends them; an error is no concern of the user, as the next request says what is wrong.
   * @param isHidden - whether the page is hidden.
   */
  constructor(read: () => T | null, send: (cursor: T) => Promise<unknown>, isHidden: () => boolean) {
    this.read = read;
    this.send = send;
    this.isHidden = isHidden;
  }

  /** The cursor may have moved, or the page may be seen again. */
  moved(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.report(), REST_MS);
  }

  /** What the prompt has besides the cells has changed: the cursor is sent again. */
  changed(): void {
    this.sent = "";
    this.moved();
  }

  private report(): void {
    const cursor = this.isHidden() ? null : this.read();
    const text = JSON.stringify(cursor);
    if (cursor && text !== this.sent) {
      this.sent = text;
      this.send(cursor).catch(() => {});
    }
  }
}
