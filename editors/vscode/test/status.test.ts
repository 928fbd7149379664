import assert from "node:assert/strict";
import { test } from "node:test";
import { describe, type EditorState, INITIAL_STATUS, menu, modelName, type Status } from "../src/status.ts";

const EDITOR: EditorState = {
  model: "nano",
  paused: false,
  document: "file:///a.py",
  language: "python",
  languageOff: false,
};
const READY: Status = { state: "ready", message: "nano is ready.", remedy: "", share: 0 };

test("each state has its icon and label", () => {
  const cases: [Partial<Status>, Partial<EditorState>, RegExp, RegExp][] = [
    [{}, {}, /sparkle.* nano$/, /ready: nano is ready\.$/],
    [{ state: "loading", message: "Loading nano.", share: 0.4 }, {}, /spin.* nano 40 %$/, /loading: Loading nano\.$/],
    [{ state: "busy", message: "Explaining" }, {}, /spin/, /busy: Explaining$/],
    [{ state: "paused", message: "…" }, {}, /pause/, /paused: Suggestions are paused\.$/],
    [{}, { paused: true }, /pause/, /paused/],
    [{}, { languageOff: true }, /slash/, /off: Suggestions in python are switched off by nano\.languages\.$/],
    [{ state: "loading", message: "Loading." }, { languageOff: true, paused: true }, /spin/, /loading/],
    [{ state: "error", message: "No model." }, { paused: true }, /warning/, /error: No model\.$/],
    [{ state: "missing", message: "No server." }, {}, /warning/, /missing: No server\.$/],
  ];
  for (const [status, editor, text, label] of cases) {
    const shown = describe({ ...READY, ...status }, { ...EDITOR, ...editor });
    assert.match(shown.text, text);
    assert.match(shown.label, label);
    assert.equal(shown.isError, status.state === "error" || status.state === "missing");
  }
});

test("the reason for no suggestions is shown only for the document it is about", () => {
  const quiet: Status = {
    ...READY,
    message: "Files like .env usually hold secrets.",
    remedy: "Rename it.",
    quiet: "secret",
    document: "file:///.env",
  };
  const here = describe(quiet, { ...EDITOR, document: "file:///.env" });
  assert.match(here.text, /slash/);
  assert.match(here.tooltip, /usually hold secrets\.\n\nRename it\./);
  assert.match(here.label, /off: Files like/);
  const elsewhere = describe(quiet, EDITOR);
  assert.match(elsewhere.text, /sparkle/);
  assert.match(elsewhere.label, /ready: nano is ready\.$/);
  assert.doesNotMatch(elsewhere.tooltip, /Rename/);
  const hidden = { ...quiet, quiet: "confidence", message: "A suggestion is hidden.", document: "file:///a.py" };
  assert.match(describe(hidden, EDITOR).text, /sparkle/);
  assert.match(describe(hidden, EDITOR).label, /ready: A suggestion is hidden\.$/);
});

test("an error's remedy is in the tooltip", () => {
  const status: Status = { state: "error", message: "No model.", remedy: "Pull it.", share: 0 };
  assert.match(describe(status, EDITOR).tooltip, /No model\.\n\nPull it\.\n\nModel: nano/);
});

test("the model that the server reports has priority over the setting", () => {
  const busy: Status = { ...READY, state: "busy", model: "/models/pico.gguf" };
  assert.match(describe(busy, EDITOR).text, / pico$/);
  assert.match(describe(busy, EDITOR).tooltip, /Model: pico$/);
});

test("a model file is shown by its name", () => {
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

test("the menu offers the commands that apply", () => {
  const commands = (status: Status, editor: EditorState) => menu(status, editor).map(({ command }) => command);
  assert.ok(commands(READY, EDITOR).includes("neuroNano.pause"));
  assert.ok(commands(READY, { ...EDITOR, paused: true }).includes("neuroNano.resume"));
  assert.ok(!commands(READY, { ...EDITOR, language: "" }).includes("neuroNano.toggleLanguage"));
  const toggle = menu(READY, { ...EDITOR, languageOff: true }).find(
    ({ command }) => command === "neuroNano.toggleLanguage",
  );
  assert.deepEqual([toggle?.label, toggle?.arguments], ["$(play) Enable suggestions in python", ["python"]]);
  const missing = commands({ ...INITIAL_STATUS, state: "missing" }, EDITOR);
  assert.equal(missing[0], "neuroNano.install");
  assert.ok(!missing.includes("neuroNano.pause"));
});
