/** Reads what `nano-lsp model …` prints. */

/** An entry of `nano-lsp model list --json`, as far as it is used here. */
export interface Model {
  readonly name: string;
  readonly size: string;
  readonly here: boolean;
  readonly description: string;
}

interface ListedModel {
  readonly name: string;
  readonly size_bytes: number;
  readonly here: boolean;
  readonly description: string;
}

const PROGRESS = /(\d+) % of/;
const PULL = /nano-lsp model pull ([\w.-]*[\w-])/;

/** The models that there are; none where the output has no such list. Warnings may stand around it. */
export function readModels(output: string): Model[] {
  let listed: unknown;
  try {
    listed = JSON.parse(output.slice(output.search(/^\[/m), output.lastIndexOf("]") + 1));
  } catch {
    return [];
  }
  return Array.isArray(listed)
    ? (listed as ListedModel[]).map(({ name, size_bytes, here, description }) => ({
        name,
        size: `${Math.round(size_bytes / 1e6).toLocaleString("en")} MB`,
        here,
        description,
      }))
    : [];
}

/** Per cent that a line of `nano-lsp model pull` tells; undefined for none. */
export function readPercent(line: string): number | undefined {
  const found = PROGRESS.exec(line);
  return found ? Number(found[1]) : undefined;
}

/** The model that a remedy says to pull; undefined for none. */
export function readPull(remedy: string): string | undefined {
  return PULL.exec(remedy)?.[1];
}
