/** Type-through: suggestions that stay valid while the user types their beginning. Independent of the editor. */

export interface HasText {
  text: string;
}

/** Suggestions, with the cell's text and the cursor's offset (UTF-16) that they were computed for. */
export interface SuggestionSet<T extends HasText> {
  document: string;
  text: string;
  offset: number;
  items: readonly T[];
}

/**
 * The rest of each suggestion after its beginning has been typed. Those that no longer match are dropped: all of them
 * if the text has changed elsewhere, and those that have been typed to their end.
 */
export function remainingSuggestions<T extends HasText>(
  suggestions: SuggestionSet<T>,
  document: string,
  text: string,
  offset: number,
): T[] {
  const typed = text.slice(suggestions.offset, offset);
  const before = suggestions.text.slice(0, suggestions.offset);
  const after = suggestions.text.slice(suggestions.offset);
  if (document !== suggestions.document || offset < suggestions.offset || text !== before + typed + after) {
    return [];
  }
  const matching = suggestions.items.filter((item) => item.text.startsWith(typed) && item.text.length > typed.length);
  return matching.map((item) => ({ ...item, text: item.text.slice(typed.length) }));
}

/** The first word of a text, with the white space before it; without a word, its first line break or punctuation. */
export function firstWord(text: string): string {
  return /^\s*([\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]+|$)/u.exec(text)?.[0] || text;
}
