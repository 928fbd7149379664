import assert from "node:assert/strict";
import { test } from "node:test";
import { SuggestionStream, type SuggestionUpdate } from "../src/streaming.ts";

type Update = SuggestionUpdate<{ text: string }>;

function updates(...all: Update[]): () => AsyncGenerator<Update> {
  return async function* () {
    yield* all;
  };
}

async function collect(iterable: AsyncIterable<Update>): Promise<Update[]> {
  const found = [];
  for await (const update of iterable) {
    found.push(update);
  }
  return found;
}

test("a response without partial updates is complete", async () => {
  const stream = new SuggestionStream<{ text: string }>();
  const items = [{ text: "a" }, { text: "b" }];
  assert.deepEqual(await stream.start(updates({ items })), { items, token: "" });
  assert.deepEqual(await stream.start(updates()), { items: [], token: "" });
});

test("a streamed suggestion starts with its first lines, and continues", async () => {
  const stream = new SuggestionStream<{ text: string }>();
  const rest = [{ text: "a\nb\nc" }, { items: [{ text: "a\nb\nc\nd" }] }];
  const first = await stream.start(updates({ text: "a\nb" }, ...rest));
  assert.deepEqual(first?.items, [{ text: "a\nb" }]);
  assert.deepEqual(await collect(stream.rest(first?.token ?? "")), rest);
});

test("older requests pass on no updates", async () => {
  const stream = new SuggestionStream<{ text: string }>();
  const first = await stream.start(updates({ text: "a\nb" }, { items: [{ text: "a\nb\nc" }] }));
  const second = stream.start(updates({ items: [] }));
  assert.deepEqual(await collect(stream.rest(first?.token ?? "")), []);
  assert.equal((await second)?.token, "");
  const [older, newer] = [stream.start(updates({ items: [] })), stream.start(updates({ items: [{ text: "z" }] }))];
  assert.equal(await older, null);
  assert.deepEqual((await newer)?.items, [{ text: "z" }]);
});

test("updates end when a newer request is sent", async () => {
  const stream = new SuggestionStream<{ text: string }>();
  const first = await stream.start(updates({ text: "a\nb" }, { text: "a\nb\nc" }, { items: [] }));
  const found = [];
  for await (const update of stream.rest(first?.token ?? "")) {
    found.push(update);
    void stream.start(updates());
  }
  assert.deepEqual(found, [{ text: "a\nb\nc" }]);
});

test("at most two requests are open, and errors of older ones are ignored", async () => {
  const stream = new SuggestionStream<{ text: string }>();
  const aborted: number[] = [];
  const wait = (n: number) => (signal: AbortSignal) =>
    (async function* (): AsyncGenerator<Update> {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          aborted.push(n);
          reject(new Error("aborted"));
        });
      });
      yield {};
    })();
  const first = [0, 1, 2, 3].map((n) => stream.start(wait(n)));
  assert.deepEqual(aborted, [0, 1]);
  assert.deepEqual(await Promise.all(first.slice(0, 2)), [null, null]);
});
