import assert from "node:assert/strict";
import { test } from "node:test";
import { firstWord, leftOf } from "../src/along.ts";

const given = {
  document: "book.ipynb 0",
  text: "x = \ny = 1",
  offset: 4,
  items: [{ text: "first + second" }, { text: "frame" }],
};

test("what is left of suggestions when their beginning has been typed", () => {
  assert.deepEqual(leftOf(given, "book.ipynb 0", "x = f\ny = 1", 5), [{ text: "irst + second" }, { text: "rame" }]);
  assert.deepEqual(leftOf(given, "book.ipynb 0", "x = fr\ny = 1", 6), [{ text: "ame" }]);
});

test("nothing is left where something else has changed", () => {
  assert.deepEqual(leftOf(given, "book.ipynb 1", "x = f\ny = 1", 5), []);
  assert.deepEqual(leftOf(given, "book.ipynb 0", "x = f\ny = 2", 5), []);
  assert.deepEqual(leftOf(given, "book.ipynb 0", "z = f\ny = 1", 5), []);
  assert.deepEqual(leftOf(given, "book.ipynb 0", "x =\ny = 1", 3), []);
  assert.deepEqual(leftOf(given, "book.ipynb 0", "x = frame\ny = 1", 9), []);
});

test("the first word, with the blanks before it", () => {
  for (const [text, word] of [
    ["first + second", "first"],
    [" + second", " +"],
    ["\n    return x", "\n    return"],
    ["größe_2.x", "größe_2"],
    [")", ")"],
    ["", ""],
  ] as const) {
    assert.equal(firstWord(text), word);
  }
});
