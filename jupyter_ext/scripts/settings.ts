/**
 * Writes `properties` of schema/plugin.json: the language server's settings, from their JSON schema.
 *
 * `node scripts/settings.ts` writes it, `--check` fails where it is out of date.
 */

import { readFile, writeFile } from "node:fs/promises";
import { argv, exit } from "node:process";

type Json = Record<string, unknown>;

const SCHEMA = new URL("../../editors/settings.schema.json", import.meta.url);
const PLUGIN = new URL("../schema/plugin.json", import.meta.url);
/** Of editors only: trust is the Jupyter server's, and there is no menu and no lens. */
const NOT_HERE = ["nano.trusted", "nano.completionItem", "nano.codeLens"];

/** A setting as JupyterLab describes it: its name without the prefix, its title in words. */
export function buildProperties(properties: Record<string, Json>): Record<string, Json> {
  const here = Object.entries(properties).filter(([key]) => !NOT_HERE.includes(key));
  return Object.fromEntries(
    here.map(([key, about]) => {
      const name = key.replace(/^nano\./, "");
      const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      return [name, { title: words.charAt(0).toUpperCase() + words.slice(1), ...about }];
    }),
  );
}

/** The plugin's schema as it ought to be, and as it is. */
export async function loadSchemas(): Promise<{ wanted: string; found: string }> {
  const found = await readFile(PLUGIN, "utf8");
  const plugin = JSON.parse(found);
  plugin.properties = buildProperties(JSON.parse(await readFile(SCHEMA, "utf8")).properties);
  return { wanted: `${JSON.stringify(plugin, null, 2)}\n`, found };
}

if (import.meta.main) {
  const { wanted, found } = await loadSchemas();
  if (argv.includes("--check")) {
    if (wanted !== found) {
      console.error("schema/plugin.json is out of date: npm run settings");
      exit(1);
    }
  } else {
    await writeFile(PLUGIN, wanted);
  }
}
