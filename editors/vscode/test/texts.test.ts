import assert from "node:assert/strict";
import { test } from "node:test";
import { pythonsOnPath, remedyFor } from "../src/install.ts";
import { readModels, readPercent, readPull } from "../src/models.ts";
import { buildPage, statisticsTable } from "../src/page.ts";

const LIST = JSON.stringify([
  { name: "nano", size_bytes: 1117320768, here: true, partial_bytes: 0, description: "Qwen2.5-Coder, Q4_K_M" },
  { name: "part", size_bytes: 98362432, here: false, partial_bytes: 40, description: "For tests" },
  { name: "my-model.v2", size_bytes: 98362432, here: true, partial_bytes: 0, description: "" },
]);

test("the list of models is read", () => {
  assert.deepEqual(readModels(LIST), [
    { name: "nano", size: "1,117 MB", here: true, description: "Qwen2.5-Coder, Q4_K_M" },
    { name: "part", size: "98 MB", here: false, description: "For tests" },
    { name: "my-model.v2", size: "98 MB", here: true, description: "" },
  ]);
  assert.equal(readModels(`warning: [x]\n${LIST}\nwarning`).length, 3);
  assert.deepEqual(readModels("Error: no store\n"), []);
  assert.deepEqual(readModels("{}"), []);
});

test("progress and remedies are read from what the server prints", () => {
  assert.equal(readPercent("package index: 30 % of 1,117 MB"), 30);
  assert.equal(readPercent("verifying"), undefined);
  assert.equal(readPull("Run `nano-lsp model pull pico`."), "pico");
  assert.equal(readPull("Run `nano-lsp model pull my-model`."), "my-model");
  assert.equal(readPull("Run nano-lsp model pull my_model.v2."), "my_model.v2");
  assert.equal(readPull("See the log."), undefined);
});

test("the page for explanations loads nothing", () => {
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(buildPage("N0nce"))?.[1];
  assert.equal(policy, "default-src 'none'; style-src 'nonce-N0nce'; script-src 'nonce-N0nce'");
});

test("counters become a table", () => {
  assert.equal(
    statisticsTable({ shown: 3, ttft_ms_p50: 1.5 }),
    "| | |\n|---|---|\n| shown | 3 |\n| ttft ms p50 | 1.5 |",
  );
});

test("what pip says becomes what to do", () => {
  const cases = {
    "ERROR: Could not install packages: [Errno 13] Permission denied": /right to write/,
    "OSError: [Errno 28] No space left on device": /disk is full/,
    "ensurepip is not\navailable": /python3-venv/,
    "ERROR: Failed building wheel for llama-cpp-python": /compiler/,
    "ERROR: No matching distribution found for pygls": /package that it needs/,
    "something else": /log/,
  };
  for (const [output, remedy] of Object.entries(cases)) {
    assert.match(remedyFor(output), remedy);
  }
  assert.deepEqual(pythonsOnPath("linux").slice(0, 2), ["python3", "python3.13"]);
  assert.ok(pythonsOnPath("win32").includes("python"));
});
