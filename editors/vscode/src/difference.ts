/** What an edit of whole lines changes within them, and the hint that leads to it. */

import { createHash } from "node:crypto";
import type * as vscode from "vscode";

/** The part of an edit that differs. */
export interface Difference {
  /** Where it begins. */
  readonly start: vscode.Position;
  /** What is removed; empty where text is only added. */
  readonly removed: vscode.Range;
  readonly added: string;
}

/** Lengths of the beginning and the end that two texts have in common, without overlap. */
export function commonEnds(old: string, text: string): [number, number] {
  const limit = Math.min(old.length, text.length);
  let head = 0;
  while (head < limit && old[head] === text[head]) {
    head++;
  }
  let tail = 0;
  while (tail < limit - head && old[old.length - 1 - tail] === text[text.length - 1 - tail]) {
    tail++;
  }
  return [head, tail];
}

/** The part of a range that a new text changes. */
export function findDifference(document: vscode.TextDocument, range: vscode.Range, text: string): Difference {
  const old = document.getText(range);
  const [head, tail] = commonEnds(old, text);
  const at = document.offsetAt(range.start);
  const start = document.positionAt(at + head);
  const end = document.positionAt(at + old.length - tail);
  return { start, removed: range.with(start, end), added: text.slice(head, text.length - tail) };
}

/** SHA-256 of a text, with `\n` between its lines and none at its end: how the server names the text of a file that is not open. */
export function digest(text: string): string {
  const lines = text.replaceAll(/\r\n|\r/g, "\n").replace(/\n$/, "");
  return createHash("sha256").update(lines).digest("hex");
}

/** The hint at the cursor; the line counts from 0, the path is empty for an edit in the same file. */
export function hint(line: number, path: string): string {
  const file = path.slice(path.lastIndexOf("/") + 1);
  return `⇥ Tab: next edit in ${file ? `${file}, ` : ""}line ${line + 1}`;
}
