import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, menu, modelName, NOTHING_KNOWN, type Status, type Surroundings } from "../src/status.ts";

const AROUND: Surroundings = {
  model: "nano",
  paused: false,
  document: "file:///a.py",
  language: "python",
  languageOff: false,
};
const READY: Status = { state: "ready", message: "nano is ready.", remedy: "", share: 0 };

test("each state has its words", () => {
  const cases: [Partial<Status>, Partial<Surroundings>, RegExp, RegExp][] = [
    [{}, {}, /sparkle.* nano$/, /ready: nano is ready\.$/],
    [{ state: "loading", message: "Loading nano.", share: 0.4 }, {}, /spin.* nano 40 %$/, /loading: Loading nano\.$/],
    [{ state: "busy", message: "Explaining" }, {}, /spin/, /busy: Explaining$/],
    [{ state: "paused", message: "…" }, {}, /pause/, /paused: Suggestions are paused\.$/],
    [{}, { paused: true }, /pause/, /paused/],
    [{}, { languageOff: true }, /slash/, /off: Suggestions in python are switched off: nano\.languages says so\.$/],
    [{ state: "loading", message: "Loading." }, { languageOff: true, paused: true }, /spin/, /loading/],
    [{ state: "error", message: "No model." }, { paused: true }, /warning/, /error: No model\.$/],
    [{ state: "missing", message: "No server." }, {}, /warning/, /missing: No server\.$/],
  ];
  for (const [status, around, text, label] of cases) {
    const shown = describe({ ...READY, ...status }, { ...AROUND, ...around });
    assert.match(shown.text, text);
    assert.match(shown.label, label);
    assert.equal(shown.isError, status.state === "error" || status.state === "missing");
  }
});

test("why a document gets nothing is shown for that document", () => {
  const quiet: Status = {
    ...READY,
    message: "Files like .env usually hold secrets.",
    remedy: "Rename it.",
    quiet: "secret",
    document: "file:///.env",
  };
  const here = describe(quiet, { ...AROUND, document: "file:///.env" });
  assert.match(here.text, /slash/);
  assert.match(here.tooltip, /usually hold secrets\.\n\nRename it\./);
  assert.match(here.label, /off: Files like/);
  const elsewhere = describe(quiet, AROUND);
  assert.match(elsewhere.text, /sparkle/);
  assert.match(elsewhere.label, /ready: nano is ready\.$/);
  assert.doesNotMatch(elsewhere.tooltip, /Rename/);
  const hidden = { ...quiet, quiet: "confidence", message: "A suggestion is hidden.", document: "file:///a.py" };
  assert.match(describe(hidden, AROUND).text, /sparkle/);
  assert.match(describe(hidden, AROUND).label, /ready: A suggestion is hidden\.$/);
});

test("an error's remedy is in the tooltip", () => {
  const status: Status = { state: "error", message: "No model.", remedy: "Pull it.", share: 0 };
  assert.match(describe(status, AROUND).tooltip, /No model\.\n\nPull it\.\n\nModel: nano/);
});

test("the server's word on the model goes before the settings'", () => {
  const busy: Status = { ...READY, state: "busy", model: "/models/pico.gguf" };
  assert.match(describe(busy, AROUND).text, / pico$/);
  assert.match(describe(busy, AROUND).tooltip, /Model: pico$/);
});

test("a model's file is shown by its name", () => {
  const names = {
    nano: "nano",
    "/a/My-Model.Q4.gguf": "My-Model.Q4",
    "C:\\m\\x.GGUF": "x",
    "scripted:/a.json": "scripted",
  };
  for (const [model, name] of Object.entries(names)) {
    assert.equal(modelName(model), name);
  }
});

test("the menu offers what makes sense", () => {
  const commands = (status: Status, around: Surroundings) => menu(status, around).map(({ command }) => command);
  assert.ok(commands(READY, AROUND).includes("neuroNano.pause"));
  assert.ok(commands(READY, { ...AROUND, paused: true }).includes("neuroNano.resume"));
  assert.ok(!commands(READY, { ...AROUND, language: "" }).includes("neuroNano.toggleLanguage"));
  const toggle = menu(READY, { ...AROUND, languageOff: true }).find(
    ({ command }) => command === "neuroNano.toggleLanguage",
  );
  assert.deepEqual([toggle?.label, toggle?.arguments], ["$(play) Suggest in python", ["python"]]);
  const missing = commands({ ...NOTHING_KNOWN, state: "missing" }, AROUND);
  assert.equal(missing[0], "neuroNano.install");
  assert.ok(!missing.includes("neuroNano.pause"));
});
