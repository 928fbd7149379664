/** Ghost text, for notebooks, consoles and file editors. */

import {
  type CompletionHandler,
  type IInlineCompletionContext,
  type IInlineCompletionItem,
  type IInlineCompletionList,
  type IInlineCompletionProvider,
  InlineCompletionTriggerKind,
} from "@jupyterlab/completer";
import { Text } from "@jupyterlab/coreutils";
import { firstWord, type Given, leftOf } from "./along.ts";
import type { Api, Suggestion } from "./api.ts";
import { placeOf } from "./documents.ts";
import { Growing } from "./growing.ts";
import { icon } from "./icon.ts";

const TIMEOUT_MS = 60_000;

export class Provider implements IInlineCompletionProvider {
  readonly name = "NEURO-NANO";
  readonly identifier = "neuro-nano";
  readonly icon = icon;
  readonly schema = {
    type: "object" as const,
    // Whether code behind the cursor leaves room for a suggestion is the server's to say.
    default: { enabled: true, autoFillInMiddle: true, timeout: TIMEOUT_MS, debouncerDelay: 0 },
  };
  /** Before it, the server does not know what the user has set. */
  ready: Promise<void> = Promise.resolve();
  /** Said when a request fails. */
  onError: (error: unknown) => void = () => {};
  private given: Given<Suggestion> | null = null;
  private asked: Omit<Given<Suggestion>, "items"> | null = null;
  private shown: IInlineCompletionItem[] = []; // JupyterLab lets them grow
  private readonly growing = new Growing<Suggestion>();

  constructor(private readonly api: Api) {}

  async fetch(
    request: CompletionHandler.IRequest,
    context: IInlineCompletionContext,
  ): Promise<IInlineCompletionList<IInlineCompletionItem>> {
    const place = placeOf(context.widget, request);
    if (!place) {
      return { items: [] };
    }
    const { text } = request;
    const at = Text.charIndexToJsIndex(request.offset, text);
    const document = `${place.path} ${place.index}`;
    const invoked = context.triggerKind === InlineCompletionTriggerKind.Invoke;
    const left = this.given && !invoked ? leftOf(this.given, document, text, at) : [];
    if (left.length) {
      this.shown = left.map((item) => ({ insertText: item.text }));
      return { items: this.shown };
    }
    this.given = null;
    try {
      await this.ready;
      const begun = await this.growing.begin((signal) => this.api.suggest(place, invoked, signal));
      if (!begun) {
        return { items: [] }; // JupyterLab has asked again since
      }
      const { items, token } = begun;
      const asked = { document, text, offset: at };
      this.shown = items.map((item) => ({ insertText: item.text, token, isIncomplete: Boolean(token) }));
      this.asked = asked;
      this.given = token ? null : { ...asked, items };
    } catch (error) {
      this.onError(error);
      this.shown = [];
    }
    return { items: this.shown };
  }

  /** What is still coming of a suggestion that has been shown already. */
  async *stream(token: string): AsyncGenerator<{ response: IInlineCompletionItem }> {
    const asked = this.asked;
    try {
      for await (const { text, items } of this.growing.goOn(token)) {
        if (items && asked) {
          this.given = { ...asked, items };
        }
        yield { response: { insertText: text ?? items?.[0]?.text ?? "" } };
      }
    } catch (error) {
      this.onError(error);
    }
  }

  /** The first word of what is shown, where the user has cycled to; empty for nothing. */
  nextWord(ghostText: string): string {
    const current = this.shown.find((item) => item.insertText && sameText(item.insertText, ghostText));
    return current ? firstWord(current.insertText) : "";
  }
}

/** Whether the page shows this text: it draws no line breaks, and not the lines past its limit. */
function sameText(text: string, seen: string): boolean {
  const plain = (value: string) => value.replace(/\s+/g, "");
  return plain(seen) !== "" && plain(text).startsWith(plain(seen));
}
