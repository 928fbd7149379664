import assert from "node:assert/strict";
import { test } from "node:test";
import { hint, placeEdit } from "../src/nextEditText.ts";

const TEXT = "# 🎉\ndef area(width):\n    return w\n";
const EDIT = {
  cell: "a",
  start: 21, // code points, of which an emoji is one
  old: "    return w",
  new: "    return width",
  change: { start: 33, end: 33, text: "idth" },
};

test("an edit is placed by code points", () => {
  const at = placeEdit(EDIT, TEXT);
  assert.ok(at);
  assert.equal(TEXT.slice(at.start, at.end), EDIT.old);
  assert.equal(TEXT.slice(0, at.from) + at.added + TEXT.slice(at.to), TEXT.replace("return w", "return width"));
});

test("an edit has no place in a text that has changed", () => {
  for (const text of ["", "x\n", TEXT.replace("return w", "return h"), `x${TEXT}`, TEXT.slice(0, -2)]) {
    assert.equal(placeEdit(EDIT, text), null);
  }
});

test("the hint names the line, and another cell", () => {
  assert.equal(hint(0, TEXT, 0), "⇥ Tab: next edit in line 1");
  assert.equal(hint(3, TEXT, TEXT.indexOf("return")), "⇥ Tab: next edit in cell 3, line 3");
});
