/** Where a next edit is in the text of an editor, and the hint that leads to it. Independent of the editor. */

import { Text } from "@jupyterlab/coreutils";
import type { NextEdit } from "./api.ts";

/** A next edit in a text: its lines are from `start` to `end`, what goes from `from` to `to`, as JavaScript indices. */
export interface PlacedEdit {
  readonly start: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
  readonly added: string;
}

/** The place of an edit in a text; null if the text has changed since. */
export function placeEdit(edit: NextEdit, text: string): PlacedEdit | null {
  const [start = 0, from = 0, to = 0] = [edit.start, edit.change.start, edit.change.end].map((offset) =>
    Text.charIndexToJsIndex(offset, text),
  );
  const end = start + edit.old.length;
  return text.slice(start, end) === edit.old ? { start, end, from, to, added: edit.change.text } : null;
}

/** The hint at the cursor; the cell counts from 1 and is 0 for an edit in the same editor. */
export function hint(cell: number, text: string, at: number): string {
  const line = text.slice(0, at).split("\n").length;
  return `⇥ Tab: next edit in ${cell ? `cell ${cell}, ` : ""}line ${line}`;
}
