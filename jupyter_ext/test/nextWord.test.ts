import assert from "node:assert/strict";
import { test } from "node:test";
import { nextWord } from "../src/nextWord.ts";

test("the next word includes the white space before it", () => {
  for (const [text, word] of [
    ["first + second", "first"],
    [" + second", " +"],
    ["\n    return x", "\n    return"],
    ["größe_2.x", "größe_2"],
    [")", ")"],
    ["", ""],
  ] as const) {
    assert.equal(nextWord([text], text), word);
  }
});

test("it is that of the displayed suggestion", () => {
  const suggestions = ["first + second", "\n    frame.head()\n    frame.tail()"];
  assert.equal(nextWord(suggestions, "    frame.head()"), "\n    frame");
  assert.equal(nextWord(suggestions, "first + "), "first");
  assert.equal(nextWord(suggestions, "another"), "");
  assert.equal(nextWord(suggestions, ""), "");
});
