/** Suggestions that are typed along: what is left of them. No editor is needed here. */

export interface Shown {
  text: string;
}

/** Suggestions, and the cell's text and the cursor (UTF-16) that they were made for. */
export interface Given<T extends Shown> {
  document: string;
  text: string;
  offset: number;
  items: readonly T[];
}

/**
 * What is left of suggestions once their beginning has been typed: those that still fit, cut; none where something
 * else has changed, or a suggestion has been typed to its end.
 */
export function leftOf<T extends Shown>(given: Given<T>, document: string, text: string, offset: number): T[] {
  const typed = text.slice(given.offset, offset);
  const before = given.text.slice(0, given.offset);
  const behind = given.text.slice(given.offset);
  if (document !== given.document || offset < given.offset || text !== before + typed + behind) {
    return [];
  }
  const fitting = given.items.filter((item) => item.text.startsWith(typed) && item.text.length > typed.length);
  return fitting.map((item) => ({ ...item, text: item.text.slice(typed.length) }));
}

/** The first word of a text, with the blanks before it; where there is none, its first line break or sign. */
export function firstWord(text: string): string {
  return /^\s*([\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]+|$)/u.exec(text)?.[0] || text;
}
