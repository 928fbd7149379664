/**
 * Generates `properties` of schema/plugin.json from the JSON schema of the language server's settings.
 *
 * `node scripts/settings.ts` writes it; `--check` fails if it is out of date.
 */

import { readFile, writeFile } from "node:fs/promises";
import { argv, exit } from "node:process";

type Json = Record<string, unknown>;

const SCHEMA = new URL("../../editors/settings.schema.json", import.meta.url);
const PLUGIN = new URL("../schema/plugin.json", import.meta.url);
/** Settings without meaning in JupyterLab: it has neither workspace trust nor code lenses, and no menu of the server. */
const EXCLUDED = ["nano.trusted", "nano.completionItem", "nano.codeLens"];

/** Settings in JupyterLab's format: names without the prefix, titles in words. */
export function buildProperties(properties: Record<string, Json>): Record<string, Json> {
  const included = Object.entries(properties).filter(([key]) => !EXCLUDED.includes(key));
  return Object.fromEntries(
    included.map(([key, about]) => {
      const name = key.replace(/^nano\./, "");
      const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      return [name, { title: words.charAt(0).toUpperCase() + words.slice(1), ...about }];
    }),
  );
}

/** Load the plugin's schema, and generate what it should be. */
export async function loadSchemas(): Promise<{ expected: string; found: string }> {
  const found = await readFile(PLUGIN, "utf8");
  const plugin = JSON.parse(found);
  plugin.properties = buildProperties(JSON.parse(await readFile(SCHEMA, "utf8")).properties);
  return { expected: `${JSON.stringify(plugin, null, 2)}\n`, found };
}

if (import.meta.main) {
  const { expected, found } = await loadSchemas();
  if (argv.includes("--check")) {
    if (expected !== found) {
      console.error("schema/plugin.json is out of date: npm run settings");
      exit(1);
    }
  } else {
    await writeFile(PLUGIN, expected);
  }
}
