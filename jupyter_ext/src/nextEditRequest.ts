/** Asks for the next edit when no key has been pressed for a while. Independent of the editor. */

/** Behind the key, so that the request for ghost text goes first; the server waits longer itself. */
export const DELAY_MS = 200;

/** At most one request at a time: the answer to one that has ended is dropped. */
export class NextEditRequest<T> {
  private readonly ask: (signal: AbortSignal) => Promise<T | null>;
  private readonly show: (edit: T) => void;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private controller = new AbortController();

  /**
   * @param ask - sends a request, and ends it when the signal is aborted; null for no edit.
   * @param show - receives the edit.
   */
  constructor(ask: (signal: AbortSignal) => Promise<T | null>, show: (edit: T) => void) {
    this.ask = ask;
    this.show = show;
  }

  /** A key was pressed: end the request, and send another one soon. */
  changed(): void {
    this.end();
    this.timer = setTimeout(() => void this.send(), DELAY_MS);
  }

  /** End the request. */
  end(): void {
    clearTimeout(this.timer);
    this.controller.abort();
  }

  private async send(): Promise<void> {
    this.controller = new AbortController();
    const { signal } = this.controller;
    const edit = await this.ask(signal).catch(() => null); // aborted; what else is wrong, the request for ghost text says
    if (edit && !signal.aborted) {
      this.show(edit);
    }
  }
}
