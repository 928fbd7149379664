import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { LANGUAGES } from "../src/languages.ts";
import { collectSettings } from "../src/settings.ts";

const MANIFEST = JSON.parse(await readFile(new URL("../package.json", import.meta.url), "utf8"));

test("only settings that are set are sent, and those sent before are sent again", () => {
  const settings: Record<string, { isSet: boolean; value: unknown }> = {
    "nano.model": { isSet: true, value: "pico" },
    "nano.maxTokens": { isSet: false, value: 128 },
    "nano.nCtx": { isSet: false, value: 4096 },
    "nano.server.path": { isSet: true, value: "/x" },
  };
  const inspect = (key: string) => settings[key] ?? { isSet: false, value: undefined };
  assert.deepEqual(collectSettings(Object.keys(settings), inspect), { model: "pico" });
  assert.deepEqual(collectSettings(Object.keys(settings), inspect, ["nCtx"]), { model: "pico", nCtx: 4096 });
});

test("the languages are the server's", async () => {
  const table = await readFile(new URL("../../../nano_lsp/code/languages.py", import.meta.url), "utf8");
  const named = [...table.matchAll(/Language\(\s*"([\w-]+)"/g)].map(([, name]) => name ?? "");
  const quoted = new Set([...table.matchAll(/"([\w+#-]+)"/g)].map(([, word]) => word)); // names and aliases
  assert.deepEqual([...named.filter((name) => !LANGUAGES.includes(name))], ["plaintext"]);
  assert.deepEqual([...LANGUAGES.filter((language) => !quoted.has(language))], []);
  const activation = LANGUAGES.map((language) => `onLanguage:${language}`);
  assert.deepEqual(MANIFEST.activationEvents, [...activation, "onNotebook:jupyter-notebook"]);
});
