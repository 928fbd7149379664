/** JupyterLab's inline completion provider, for notebooks, consoles and file editors. */

import {
  type CompletionHandler,
  type IInlineCompletionContext,
  type IInlineCompletionItem,
  type IInlineCompletionList,
  type IInlineCompletionProvider,
  InlineCompletionTriggerKind,
} from "@jupyterlab/completer";
import type { Api, Suggestion } from "./api.ts";
import { cursorContext } from "./documents.ts";
import { icon } from "./icon.ts";
import { nextWord } from "./nextWord.ts";
import { SuggestionStream } from "./streaming.ts";

const TIMEOUT_MS = 60_000;

/**
 * Sends a request at each key, and passes on what comes. The server decides whether to wait for the next key and whether
 * the model is needed; JupyterLab shortens what it shows while it is typed, and drops the answers to older requests.
 */
export class Provider implements IInlineCompletionProvider {
  readonly name = "NEURO-NANO";
  readonly identifier = "neuro-nano";
  readonly icon = icon;
  readonly schema = {
    type: "object" as const,
    // The server decides on the debounce, and whether the code after the cursor leaves room for a suggestion.
    default: { enabled: true, autoFillInMiddle: true, timeout: TIMEOUT_MS, debouncerDelay: 0 },
  };
  /** Resolved once the server has received the user's settings. */
  ready: Promise<void> = Promise.resolve();
  /** Called when a request fails. */
  onError: (error: unknown) => void = () => {};
  private shown: IInlineCompletionItem[] = []; // JupyterLab extends and shortens them
  private readonly streaming = new SuggestionStream<Suggestion>();

  constructor(private readonly api: Api) {}

  async fetch(
    request: CompletionHandler.IRequest,
    context: IInlineCompletionContext,
  ): Promise<IInlineCompletionList<IInlineCompletionItem>> {
    const cursor = cursorContext(context.widget, request);
    if (!cursor) {
      return { items: [] };
    }
    const invoked = context.triggerKind === InlineCompletionTriggerKind.Invoke;
    try {
      await this.ready;
      const first = await this.streaming.start((signal) => this.api.suggest(cursor, invoked, signal));
      if (!first) {
        return { items: [] }; // JupyterLab has sent a newer request
      }
      const { items, token } = first;
      this.shown = items.map((item) => ({ insertText: item.text, token, isIncomplete: Boolean(token) }));
    } catch (error) {
      this.onError(error);
      this.shown = [];
    }
    return { items: this.shown };
  }

  /** The remaining updates of a suggestion whose first lines are shown. */
  async *stream(token: string): AsyncGenerator<{ response: IInlineCompletionItem }> {
    try {
      for await (const { text, items } of this.streaming.rest(token)) {
        yield { response: { insertText: text ?? items?.[0]?.text ?? "" } };
      }
    } catch (error) {
      this.onError(error);
    }
  }

  /** The first word of the displayed suggestion; empty if none is shown. */
  nextWord(ghostText: string): string {
    return nextWord(
      this.shown.map((item) => item.insertText),
      ghostText,
    );
  }
}
