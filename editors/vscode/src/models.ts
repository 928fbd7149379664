/** Reads what `nano-lsp model …` prints. */

/** A row of `nano-lsp model list`. */
export interface Model {
  readonly name: string;
  readonly size: string;
  readonly here: boolean;
  readonly description: string;
}

/** Wide enough that no row of a table is broken. */
export const WIDE = { COLUMNS: "400" };

const ROW = /^(\S+)\s+([\d,.]+ [kMG]?B)\s+(yes|no|\d+ %)\s+(\S+)\s*(.*)$/;
const PROGRESS = /(\d+) % of/;
const PULL = /nano-lsp model pull (\w+)/;

/** The models that there are. */
export function readModels(output: string): Model[] {
  const rows = output.split("\n").map((line) => ROW.exec(line.trimEnd()));
  return rows.flatMap((row) =>
    row ? [{ name: row[1] ?? "", size: row[2] ?? "", here: row[3] === "yes", description: row[5] ?? "" }] : [],
  );
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
