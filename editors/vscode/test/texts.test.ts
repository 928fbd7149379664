import assert from "node:assert/strict";
import { test } from "node:test";
import { pythonsOnPath, remedyFor } from "../src/install.ts";
import { readModels, readPercent, readPull } from "../src/models.ts";
import { buildPage, statisticsTable } from "../src/page.ts";

const LIST = `name  size      here  license     description
nano  1,117 MB  yes   Apache-2.0  NEURO-NANO: Qwen2.5-Coder-1.5B-Instruct, Q4_K_M
pico  491 MB    no    Apache-2.0  A third of nano's size
part  98 MB     40 %  Apache-2.0  For tests
mine  98 MB     yes   unknown
`;

test("the table of models is read", () => {
  const models = readModels(LIST);
  assert.deepEqual(
    models.map(({ name, size, here }) => [name, size, here]),
    [
      ["nano", "1,117 MB", true],
      ["pico", "491 MB", false],
      ["part", "98 MB", false],
      ["mine", "98 MB", true],
    ],
  );
  assert.equal(models[1]?.description, "A third of nano's size");
  assert.deepEqual(readModels("error: no store\n"), []);
});

test("progress and remedies are read from what the server prints", () => {
  assert.equal(readPercent("package index: 30 % of 1,117 MB"), 30);
  assert.equal(readPercent("verifying"), undefined);
  assert.equal(readPull("Run `nano-lsp model pull pico`."), "pico");
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
    "ERROR: No matching distribution found for nano-lsp==0.1.0": /folder of wheels/,
    "something else": /log/,
  };
  for (const [output, remedy] of Object.entries(cases)) {
    assert.match(remedyFor(output), remedy);
  }
  assert.deepEqual(pythonsOnPath("linux").slice(0, 2), ["python3", "python3.13"]);
  assert.ok(pythonsOnPath("win32").includes("python"));
});
