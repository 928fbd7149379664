/** JupyterLab's inline completion provider, for notebooks, consoles and file editors. */

import {
  type CompletionHandler,
  type IInlineCompletionContext,
  type IInlineCompletionItem,
  type IInlineCompletionList,
  type IInlineCompletionProvider,
  InlineCompletionTriggerKind,
} from "@jupyterlab/completer";
import { Text } from "@jupyterlab/coreutils";
import type { Api, Suggestion } from "./api.ts";
import { cursorContext } from "./documents.ts";
import { icon } from "./icon.ts";
import { SuggestionStream } from "./streaming.ts";
import { firstWord, remainingSuggestions, type SuggestionSet } from "./typeThrough.ts";

const TIMEOUT_MS = 60_000;

export class Provider implements IInlineCompletionProvider {
  readonly name = "NEURO-NANO";
  readonly identifier = "neuro-nano";
  readonly icon = icon;
  readonly schema = {
    type: "object" as const,
    // The server decides whether the code after the cursor leaves room for a suggestion.
    default: { enabled: true, autoFillInMiddle: true, timeout: TIMEOUT_MS, debouncerDelay: 0 },
  };
  /** Resolved once the server has received the user's settings. */
  ready: Promise<void> = Promise.resolve();
  /** Called when a request fails. */
  onError: (error: unknown) => void = () => {};
  private suggestions: SuggestionSet<Suggestion> | null = null;
  private requested: Omit<SuggestionSet<Suggestion>, "items"> | null = null;
  private shown: IInlineCompletionItem[] = []; // JupyterLab extends them while they are streamed
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
    const { text } = request;
    const offset = Text.charIndexToJsIndex(request.offset, text);
    const document = `${cursor.path} ${cursor.index}`;
    const invoked = context.triggerKind === InlineCompletionTriggerKind.Invoke;
    const remaining =
      this.suggestions && !invoked ? remainingSuggestions(this.suggestions, document, text, offset) : [];
    if (remaining.length) {
      this.shown = remaining.map((item) => ({ insertText: item.text }));
      return { items: this.shown };
    }
    this.suggestions = null;
    try {
      await this.ready;
      const first = await this.streaming.start((signal) => this.api.suggest(cursor, invoked, signal));
      if (!first) {
        return { items: [] }; // JupyterLab has sent a newer request
      }
      const { items, token } = first;
      const requested = { document, text, offset };
      this.shown = items.map((item) => ({ insertText: item.text, token, isIncomplete: Boolean(token) }));
      this.requested = requested;
      this.suggestions = token ? null : { ...requested, items };
    } catch (error) {
      this.onError(error);
      this.shown = [];
    }
    return { items: this.shown };
  }

  /** The remaining updates of a suggestion whose first lines are shown. */
  async *stream(token: string): AsyncGenerator<{ response: IInlineCompletionItem }> {
    const requested = this.requested;
    try {
      for await (const { text, items } of this.streaming.rest(token)) {
        if (items && requested) {
          this.suggestions = { ...requested, items };
        }
        yield { response: { insertText: text ?? items?.[0]?.text ?? "" } };
      }
    } catch (error) {
      this.onError(error);
    }
  }

  /** The first word of the displayed suggestion; empty if none is shown. */
  nextWord(ghostText: string): string {
    const current = this.shown.find((item) => item.insertText && isDisplayed(item.insertText, ghostText));
    return current ? firstWord(current.insertText) : "";
  }
}

/** Whether a suggestion is the displayed text, which has no line breaks and a limited number of lines. */
function isDisplayed(text: string, displayed: string): boolean {
  const plain = (value: string) => value.replace(/\s+/g, "");
  return plain(displayed) !== "" && plain(text).startsWith(plain(displayed));
}
