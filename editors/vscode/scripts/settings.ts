/**
 * Generates `contributes.configuration` of package.json from the JSON schema of the server's settings, plus the extension's own.
 *
 * `node scripts/settings.ts` writes it; `--check` fails if it is out of date.
 */

import { readFile, writeFile } from "node:fs/promises";
import { argv, exit } from "node:process";

type Json = Record<string, unknown>;

const SCHEMA = new URL("../../settings.schema.json", import.meta.url);
const PACKAGE = new URL("../package.json", import.meta.url);

/** Files to load, programs to run, addresses that receive code: an untrusted workspace must not set them. */
export const RESTRICTED = ["nano.server.path", "nano.server.wheels", "nano.model", "nano.adapter", "nano.engine"];
/** Set by the extension: the editor knows whether a workspace is trusted. */
const NOT_SET_BY_USERS = ["nano.trusted"];

const EXTENSION_SETTINGS: Json = {
  "nano.server.path": {
    type: "string",
    default: "",
    scope: "machine-overridable",
    markdownDescription:
      "Full path of the program `nano-lsp`. Empty: beside the interpreter that the Python extension has chosen, then on PATH, then where this extension has installed it.",
  },
  "nano.server.wheels": {
    type: "string",
    default: "",
    scope: "machine-overridable",
    markdownDescription:
      "Folder to install the server from: a bundle, a folder of wheels, or a checkout of the project. Empty: **Install…** asks for it.",
  },
};

/** A setting of the server in VS Code's format. */
function convert(key: string, { description, ...about }: Json): Json {
  const scope = RESTRICTED.includes(key) ? "machine-overridable" : "window";
  return { ...about, scope, markdownDescription: description };
}

/** Build `contributes.configuration` from the server's schema. */
export function buildConfiguration(properties: Record<string, Json>): Json {
  const known = Object.entries(properties).filter(([key]) => !NOT_SET_BY_USERS.includes(key));
  const converted = known.map(([key, about], order) => [key, { order, ...convert(key, about) }]);
  return { title: "NEURO-NANO", properties: { ...EXTENSION_SETTINGS, ...Object.fromEntries(converted) } };
}

/** Load package.json, and generate what it should be. */
export async function loadManifests(): Promise<{ expected: string; found: string }> {
  const found = await readFile(PACKAGE, "utf8");
  const schema = JSON.parse(await readFile(SCHEMA, "utf8"));
  const manifest = JSON.parse(found);
  manifest.contributes.configuration = buildConfiguration(schema.properties);
  manifest.capabilities.untrustedWorkspaces.restrictedConfigurations = RESTRICTED;
  return { expected: `${JSON.stringify(manifest, null, 2)}\n`, found };
}

if (import.meta.main) {
  const { expected, found } = await loadManifests();
  if (argv.includes("--check")) {
    if (expected !== found) {
      console.error("package.json is out of date: npm run settings");
      exit(1);
    }
  } else {
    await writeFile(PACKAGE, expected);
  }
}
