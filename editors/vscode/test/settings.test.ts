import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { buildConfiguration, loadManifests, RESTRICTED } from "../scripts/settings.ts";
import { LANGUAGES } from "../src/languages.ts";
import { collectSettings } from "../src/settings.ts";

const MANIFEST = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));

test("package.json has the server's current settings", async () => {
  const { expected, found } = await loadManifests();
  assert.equal(found, expected, "run `npm run settings`");
});

test("a setting keeps its type and bounds; an untrusted workspace cannot set a file or an address", () => {
  const properties = {
    "nano.maxTokens": { type: "integer", default: 128, minimum: 1, maximum: 9, description: "Tokens." },
    "nano.model": { type: "string", default: "nano", description: "A name." },
    "nano.trusted": { type: "boolean", default: true, description: "Whether." },
  };
  const { properties: built } = buildConfiguration(properties) as { properties: Record<string, object> };
  assert.deepEqual(built["nano.maxTokens"], {
    order: 0,
    type: "integer",
    default: 128,
    minimum: 1,
    maximum: 9,
    scope: "window",
    markdownDescription: "Tokens.",
  });
  assert.equal((built["nano.model"] as { scope: string }).scope, "machine-overridable");
  assert.ok(!("nano.trusted" in built));
  assert.deepEqual(MANIFEST.capabilities.untrustedWorkspaces.restrictedConfigurations, RESTRICTED);
});

test("only settings that are set are sent, and those sent before are sent again", () => {
  const settings: Record<string, { isSet: boolean; value: unknown }> = {
    "nano.model": { isSet: true, value: "pico" },
    "nano.maxTokens": { isSet: false, value: 128 },
    "nano.context": { isSet: false, value: 4096 },
    "nano.server.path": { isSet: true, value: "/x" },
  };
  const inspect = (key: string) => settings[key] ?? { isSet: false, value: undefined };
  assert.deepEqual(collectSettings(Object.keys(settings), inspect), { model: "pico" });
  assert.deepEqual(collectSettings(Object.keys(settings), inspect, ["context"]), { model: "pico", context: 4096 });
});

test("the languages are the server's", async () => {
  const table = await readFile(new URL("../../../nano_lsp/code/languages.py", import.meta.url), "utf8");
  const named = [...table.matchAll(/Language\(\s*"(\w+)"/g)].map(([, name]) => name);
  assert.deepEqual(new Set(LANGUAGES), new Set(named.filter((name) => name !== "plaintext")));
  const activation = LANGUAGES.map((language) => `onLanguage:${language}`);
  assert.deepEqual(MANIFEST.activationEvents, [...activation, "onNotebook:jupyter-notebook"]);
});
