import assert from "node:assert/strict";
import { test } from "node:test";
import { pythonsOnPath, remedyFor } from "../src/install.ts";
import { readModels, readPercent, readPullCommand } from "../src/models.ts";
import { buildWebviewHtml, statisticsTable } from "../src/webviewHtml.ts";

const LIST = JSON.stringify([
  { name: "nano", size_bytes: 1117320768, here: true, partial_bytes: 0, description: "Qwen2.5-Coder, Q4_K_M" },
  { name: "part", size_bytes: 98362432, here: false, partial_bytes: 40, description: "For tests" },
  { name: "my-model.v2", size_bytes: 98362432, here: true, partial_bytes: 0, description: "" },
]);

test("the list of models is parsed", () => {
  assert.deepEqual(readModels(LIST), [
    { name: "nano", size: "1,117 MB", installed: true, description: "Qwen2.5-Coder, Q4_K_M" },
    { name: "part", size: "98 MB", installed: false, description: "For tests" },
    { name: "my-model.v2", size: "98 MB", installed: true, description: "" },
  ]);
  assert.equal(readModels(`warning: [x]\n${LIST}\nwarning`).length, 3);
  assert.deepEqual(readModels("Error: no store\n"), []);
  assert.deepEqual(readModels("{}"), []);
});

test("progress and pull commands are parsed from the server's output", () => {
  assert.equal(readPercent("package index: 30 % of 1,117 MB"), 30);
  assert.equal(readPercent("verifying"), undefined);
  assert.equal(readPullCommand("Run `nano-lsp model pull pico`."), "pico");
  assert.equal(readPullCommand("Run `nano-lsp model pull my-model`."), "my-model");
  assert.equal(readPullCommand("Run nano-lsp model pull my_model.v2."), "my_model.v2");
  assert.equal(readPullCommand("See the log."), undefined);
});

test("the webview for explanations loads no external resource", () => {
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(buildWebviewHtml("N0nce"))?.[1];
  assert.equal(policy, "default-src 'none'; style-src 'nonce-N0nce'; script-src 'nonce-N0nce'");
});

test("counters become a table", () => {
  assert.equal(
    statisticsTable({ shown: 3, ttft_ms_p50: 1.5 }),
    "| | |\n|---|---|\n| shown | 3 |\n| ttft ms p50 | 1.5 |",
  );
});

test("errors of pip have remedies", () => {
  const cases = {
    "ERROR: Could not install packages: [Errno 13] Permission denied": /not writable/,
    "OSError: [Errno 28] No space left on device": /disk is full/,
    "ensurepip is not\navailable": /python3-venv/,
    "ERROR: Failed building wheel for llama-cpp-python": /compiler/,
    "ERROR: No matching distribution found for pygls": /dependency is missing/,
    "something else": /log/,
  };
  for (const [output, remedy] of Object.entries(cases)) {
    assert.match(remedyFor(output), remedy);
  }
  assert.deepEqual(pythonsOnPath("linux").slice(0, 2), ["python3", "python3.14"]);
  assert.ok(pythonsOnPath("win32").includes("python"));
});
