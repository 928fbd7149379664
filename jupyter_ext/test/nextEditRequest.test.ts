import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { DELAY_MS, NextEditRequest } from "../src/nextEditRequest.ts";

let shown: string[];
let answers: ((edit: string | null) => void)[];
let signals: AbortSignal[];
let request: NextEditRequest<string>;

function ask(signal: AbortSignal): Promise<string | null> {
  signals.push(signal);
  return new Promise((resolve, reject) => {
    answers.push(resolve);
    signal.addEventListener("abort", () => reject(new Error("aborted")));
  });
}

async function answer(edit: string | null): Promise<void> {
  answers.at(-1)?.(edit);
  await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  [shown, answers, signals] = [[], [], []];
  request = new NextEditRequest(ask, (edit) => shown.push(edit));
});

test("one request is sent once no key has been pressed for a while", async () => {
  request.changed();
  mock.timers.tick(DELAY_MS - 1);
  request.changed();
  mock.timers.tick(DELAY_MS - 1);
  assert.equal(signals.length, 0);
  mock.timers.tick(1);
  await answer("a");
  assert.deepEqual([signals.length, shown], [1, ["a"]]);
});

test("a key ends the request, whose answer is not shown", async () => {
  request.changed();
  mock.timers.tick(DELAY_MS);
  request.changed();
  assert.ok(signals[0]?.aborted);
  await answer("old");
  mock.timers.tick(DELAY_MS);
  await answer("new");
  assert.deepEqual(shown, ["new"]);
});

test("without an edit, or after the end, nothing is shown", async () => {
  request.changed();
  mock.timers.tick(DELAY_MS);
  await answer(null);
  request.changed();
  request.end();
  mock.timers.tick(DELAY_MS);
  assert.deepEqual([signals.length, shown], [1, []]);
});

test("an error of the server is ignored", async () => {
  request = new NextEditRequest(
    () => Promise.reject(new Error("404")),
    (edit: string) => shown.push(edit),
  );
  request.changed();
  mock.timers.tick(DELAY_MS);
  await answer(null);
  assert.deepEqual(shown, []);
});
