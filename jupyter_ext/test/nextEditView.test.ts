import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { EditorState, type TransactionSpec } from "@codemirror/state";
import { type DecorationSet, EditorView } from "@codemirror/view";
import { drawEdit, drawHint, type NextEditListener, nextEditExtension, setDecorations } from "../src/nextEditView.ts";

const nothing: NextEditListener = {
  opened: () => {},
  updated: () => {},
  closed: () => {},
  accept: () => false,
  dismiss: () => false,
};
/** An editor without a page. */
const editor = {
  state: EditorState.create(),
  dispatch(change: TransactionSpec) {
    this.state = this.state.update(change).state;
  },
};
const view = editor as unknown as EditorView;

function drawn(): [number, number][] {
  const ranges: [number, number][] = [];
  for (const set of editor.state.facet(EditorView.decorations)) {
    (set as DecorationSet).between(0, editor.state.doc.length, (from, to) => void ranges.push([from, to]));
  }
  return ranges;
}

function hasKeys(): boolean {
  return editor.state.facet(EditorView.contentAttributes).some((each) => "class" in each);
}

beforeEach(() => {
  editor.state = EditorState.create({ doc: "f(w)\ng(w)", extensions: nextEditExtension(nothing) });
});

test("what goes is marked, what comes stands behind it, the hint at the end of the line", () => {
  const edit = { start: 5, end: 9, from: 7, to: 8, added: "width" };
  setDecorations(view, [...drawEdit(edit), ...drawHint(view, "Tab")]);
  assert.deepEqual(drawn(), [
    [4, 4],
    [7, 8],
    [8, 8],
  ]);
});

test("what is only added or only removed is one decoration", () => {
  const edit = { start: 5, end: 9, from: 7, to: 7, added: "width" };
  assert.equal(drawEdit(edit).length, 1);
  assert.equal(drawEdit({ ...edit, to: 9, added: "" }).length, 1);
});

test("nothing that is drawn stays when the text changes", () => {
  setDecorations(view, drawHint(view, "Tab"));
  editor.dispatch({ selection: { anchor: 2 } });
  assert.equal(drawn().length, 1);
  editor.dispatch({ changes: { from: 9, insert: "x" } });
  assert.deepEqual(drawn(), []);
});

test("the keys are taken only while something is drawn and nothing is selected", () => {
  assert.equal(hasKeys(), false);
  setDecorations(view, drawHint(view, "Tab"));
  assert.equal(hasKeys(), true);
  editor.dispatch({ selection: { anchor: 0, head: 3 } });
  assert.equal(hasKeys(), false);
  editor.dispatch({ selection: { anchor: 3 } });
  setDecorations(view, []);
  assert.equal(hasKeys(), false);
});
