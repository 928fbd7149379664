/**
 * Writes `contributes.configuration` of package.json: the server's settings, from their JSON schema, and the extension's.
 *
 * `node scripts/settings.ts` writes it, `--check` fails where it is out of date.
 */

import { readFile, writeFile } from "node:fs/promises";
import { argv, exit } from "node:process";

type Json = Record<string, unknown>;

const SCHEMA = new URL("../../settings.schema.json", import.meta.url);
const PACKAGE = new URL("../package.json", import.meta.url);

/** Files to load, programs to run, addresses to send code to: a folder that somebody else has made must not name them. */
export const RESTRICTED = ["nano.server.path", "nano.server.wheels", "nano.model", "nano.adapter", "nano.engine"];
/** Sent by the extension itself: the editor knows whether a workspace is trusted. */
const NOT_SET_BY_USERS = ["nano.trusted"];

const OWN: Json = {
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

/** A setting of the server as VS Code describes it. */
function convert(key: string, { description, ...about }: Json): Json {
  const scope = RESTRICTED.includes(key) ? "machine-overridable" : "window";
  return { ...about, scope, markdownDescription: description };
}

/** `contributes.configuration`, from the server's schema. */
export function buildConfiguration(properties: Record<string, Json>): Json {
  const known = Object.entries(properties).filter(([key]) => !NOT_SET_BY_USERS.includes(key));
  const converted = known.map(([key, about], order) => [key, { order, ...convert(key, about) }]);
  return { title: "NEURO-NANO", properties: { ...OWN, ...Object.fromEntries(converted) } };
}

/** package.json as it ought to be, and as it is. */
export async function loadManifests(): Promise<{ wanted: string; found: string }> {
  const found = await readFile(PACKAGE, "utf8");
  const schema = JSON.parse(await readFile(SCHEMA, "utf8"));
  const manifest = JSON.parse(found);
  manifest.contributes.configuration = buildConfiguration(schema.properties);
  manifest.capabilities.untrustedWorkspaces.restrictedConfigurations = RESTRICTED;
  return { wanted: `${JSON.stringify(manifest, null, 2)}\n`, found };
}

if (import.meta.main) {
  const { wanted, found } = await loadManifests();
  if (argv.includes("--check")) {
    if (wanted !== found) {
      console.error("package.json is out of date: npm run settings");
      exit(1);
    }
  } else {
    await writeFile(PACKAGE, wanted);
  }
}
