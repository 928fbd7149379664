/** Accepting a displayed suggestion word by word, which JupyterLab lacks. Independent of the editor. */

/** The first word of the suggestion that is displayed; empty if none is. */
export function nextWord(suggestions: readonly string[], displayed: string): string {
  const current = suggestions.find((text) => isDisplayed(text, displayed));
  return current ? firstWord(current) : "";
}

/** The first word of a text, with the white space before it; without a word, its first line break or punctuation. */
function firstWord(text: string): string {
  return /^\s*([\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]+|$)/u.exec(text)?.[0] || text;
}

/** Whether a suggestion is the displayed text, which has no line breaks and a limited number of lines. */
function isDisplayed(text: string, displayed: string): boolean {
  const plain = (value: string) => value.replace(/\s+/g, "");
  return plain(displayed) !== "" && plain(text).startsWith(plain(displayed));
}
