import assert from "node:assert/strict";
import { test } from "node:test";
import { firstWord, remainingSuggestions } from "../src/typeThrough.ts";

const suggestions = {
  document: "book.ipynb 0",
  text: "x = \ny = 1",
  offset: 4,
  items: [{ text: "first + second" }, { text: "frame" }],
};

test("suggestions are shortened when their beginning is typed", () => {
  assert.deepEqual(remainingSuggestions(suggestions, "book.ipynb 0", "x = f\ny = 1", 5), [
    { text: "irst + second" },
    { text: "rame" },
  ]);
  assert.deepEqual(remainingSuggestions(suggestions, "book.ipynb 0", "x = fr\ny = 1", 6), [{ text: "ame" }]);
});

test("no suggestion remains if the text has changed elsewhere", () => {
  assert.deepEqual(remainingSuggestions(suggestions, "book.ipynb 1", "x = f\ny = 1", 5), []);
  assert.deepEqual(remainingSuggestions(suggestions, "book.ipynb 0", "x = f\ny = 2", 5), []);
  assert.deepEqual(remainingSuggestions(suggestions, "book.ipynb 0", "z = f\ny = 1", 5), []);
  assert.deepEqual(remainingSuggestions(suggestions, "book.ipynb 0", "x =\ny = 1", 3), []);
  assert.deepEqual(remainingSuggestions(suggestions, "book.ipynb 0", "x = frame\ny = 1", 9), []);
});

test("the first word includes the white space before it", () => {
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
