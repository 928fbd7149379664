/** Parses the output of `nano-lsp model …`. */

/** An entry of `nano-lsp model list --json`: the fields used here. */
export interface Model {
  readonly name: string;
  readonly size: string;
  readonly installed: boolean;
  readonly description: string;
}

interface ListedModel {
  readonly name: string;
  readonly size_bytes: number;
  readonly here: boolean;
  readonly description: string;
}

const PROGRESS = /(\d+) % of/;
const PULL_COMMAND = /nano-lsp model pull ([\w.-]*[\w-])/;

/** The listed models; empty if the output has no JSON list. Warnings before and after the list are ignored. */
export function readModels(output: string): Model[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(output.slice(output.search(/^\[/m), output.lastIndexOf("]") + 1));
  } catch {
    return [];
  }
  return Array.isArray(parsed)
    ? (parsed as ListedModel[]).map(({ name, size_bytes, here, description }) => ({
        name,
        size: `${Math.round(size_bytes / 1e6).toLocaleString("en")} MB`,
        installed: here,
        description,
      }))
    : [];
}

/** Percentage in a progress line of `nano-lsp model pull`; undefined if it has none. */
export function readPercent(line: string): number | undefined {
  const found = PROGRESS.exec(line);
  return found ? Number(found[1]) : undefined;
}

/** The model that a message says to pull; undefined if it names none. */
export function readPullCommand(message: string): string | undefined {
  return PULL_COMMAND.exec(message)?.[1];
}
