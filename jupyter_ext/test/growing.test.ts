import assert from "node:assert/strict";
import { test } from "node:test";
import { Growing, type News } from "../src/growing.ts";

type Told = News<{ text: string }>;

function say(...news: Told[]): () => AsyncGenerator<Told> {
  return async function* () {
    yield* news;
  };
}

async function all(news: AsyncIterable<Told>): Promise<Told[]> {
  const found = [];
  for await (const one of news) {
    found.push(one);
  }
  return found;
}

test("what comes at once is whole", async () => {
  const growing = new Growing<{ text: string }>();
  const items = [{ text: "a" }, { text: "b" }];
  assert.deepEqual(await growing.begin(say({ items })), { items, token: "" });
  assert.deepEqual(await growing.begin(say()), { items: [], token: "" });
});

test("what grows begins with its first lines, and goes on", async () => {
  const growing = new Growing<{ text: string }>();
  const rest = [{ text: "a\nb\nc" }, { items: [{ text: "a\nb\nc\nd" }] }];
  const begun = await growing.begin(say({ text: "a\nb" }, ...rest));
  assert.deepEqual(begun?.items, [{ text: "a\nb" }]);
  assert.deepEqual(await all(growing.goOn(begun?.token ?? "")), rest);
});

test("nothing is told of what was asked for before", async () => {
  const growing = new Growing<{ text: string }>();
  const first = await growing.begin(say({ text: "a\nb" }, { items: [{ text: "a\nb\nc" }] }));
  const second = growing.begin(say({ items: [] }));
  assert.deepEqual(await all(growing.goOn(first?.token ?? "")), []);
  assert.equal((await second)?.token, "");
  const [older, newer] = [growing.begin(say({ items: [] })), growing.begin(say({ items: [{ text: "z" }] }))];
  assert.equal(await older, null);
  assert.deepEqual((await newer)?.items, [{ text: "z" }]);
});

test("what is coming ends where something newer is asked for", async () => {
  const growing = new Growing<{ text: string }>();
  const begun = await growing.begin(say({ text: "a\nb" }, { text: "a\nb\nc" }, { items: [] }));
  const found = [];
  for await (const news of growing.goOn(begun?.token ?? "")) {
    found.push(news);
    void growing.begin(say());
  }
  assert.deepEqual(found, [{ text: "a\nb\nc" }]);
});

test("who types quickly has at most two questions open, and hears of no old one's failure", async () => {
  const growing = new Growing<{ text: string }>();
  const aborted: number[] = [];
  const wait = (n: number) => (signal: AbortSignal) =>
    (async function* (): AsyncGenerator<Told> {
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          aborted.push(n);
          reject(new Error("aborted"));
        });
      });
      yield {};
    })();
  const begun = [0, 1, 2, 3].map((n) => growing.begin(wait(n)));
  assert.deepEqual(aborted, [0, 1]);
  assert.deepEqual(await Promise.all(begun.slice(0, 2)), [null, null]);
});
