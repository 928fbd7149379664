import assert from "node:assert/strict";
import { test } from "node:test";
import { commonEnds, hint } from "../src/difference.ts";

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

test("the hint names the line, and another file", () => {
  assert.equal(hint(0, ""), "⇥ Tab: next edit in line 1");
  assert.equal(hint(2, "/work/b.py"), "⇥ Tab: next edit in b.py, line 3");
});
