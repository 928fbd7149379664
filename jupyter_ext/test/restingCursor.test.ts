import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { REST_MS, RestingCursor } from "../src/restingCursor.ts";

const page = { cursor: null as string | null, isHidden: false, sent: [] as string[] };
let resting: RestingCursor<string>;

function rest(cursor: string | null): void {
  page.cursor = cursor;
  resting.moved();
  mock.timers.tick(REST_MS);
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  Object.assign(page, { cursor: null, isHidden: false, sent: [] });
  const send = async (cursor: string) => void page.sent.push(cursor);
  resting = new RestingCursor(
    () => page.cursor,
    send,
    () => page.isHidden,
  );
});

test("a cursor is sent once it rests, and not while it moves on", () => {
  page.cursor = "a";
  resting.moved();
  mock.timers.tick(REST_MS - 1);
  resting.moved();
  mock.timers.tick(REST_MS - 1);
  assert.deepEqual(page.sent, []);
  mock.timers.tick(1);
  assert.deepEqual(page.sent, ["a"]);
});

test("the same cursor is sent once, and a widget without suggestions sends none", () => {
  rest("a");
  rest(null);
  rest("a");
  rest("b");
  assert.deepEqual(page.sent, ["a", "b"]);
});

test("the same cursor is sent again after the kernel's variables have changed", () => {
  rest("a");
  resting.changed();
  mock.timers.tick(REST_MS);
  assert.deepEqual(page.sent, ["a", "a"]);
});

test("a hidden page sends nothing until it is seen again", () => {
  page.isHidden = true;
  rest("a");
  assert.deepEqual(page.sent, []);
  page.isHidden = false;
  rest("a");
  assert.deepEqual(page.sent, ["a"]);
});

test("an error of the server is ignored", async () => {
  resting = new RestingCursor(
    () => page.cursor,
    () => Promise.reject(new Error("404")),
    () => false,
  );
  rest("a");
  await Promise.resolve();
});
