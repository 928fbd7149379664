import assert from "node:assert/strict";
import { test } from "node:test";
import { commonEnds, digest, hint } from "../src/difference.ts";

test("the parts that two texts have in common do not overlap", () => {
  for (const [old, text, ends] of [
    ["f(w)", "f(width)", [3, 1]],
    ["aa", "aaa", [2, 0]],
    ["", "x", [0, 0]],
    ["same", "same", [4, 0]],
    ["a(b, c)", "a(b)", [3, 1]],
  ] as const) {
    assert.deepEqual(commonEnds(old, text), ends);
  }
});

test("a text has the same digest with all line breaks, and with or without one at its end", () => {
  assert.equal(digest("a\r\nb\r\n"), digest("a\nb"));
  assert.equal(digest("a\rb\n"), digest("a\nb"));
  assert.notEqual(digest("a\nb\n\n"), digest("a\nb"));
  assert.equal(digest("é\n"), "4a99557e4033c3539de2eb65472017cad5f9557f7a0625a09f1c3f6e2ba69c4c");
});

test("the hint names the line, and another file", () => {
  assert.equal(hint(0, ""), "⇥ Tab: next edit in line 1");
  assert.equal(hint(2, "/work/b.py"), "⇥ Tab: next edit in b.py, line 3");
});
