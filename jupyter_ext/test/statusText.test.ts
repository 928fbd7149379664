import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNdjson } from "../src/ndjson.ts";
import { Proposal } from "../src/proposal.ts";
import { label, modelName, tooltip } from "../src/statusText.ts";

async function* chunks(...parts: string[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(parts.join(""));
  for (const byte of bytes) {
    yield Uint8Array.of(byte); // splits characters, too
  }
}

test("lines are parsed from chunks", async () => {
  const found = [];
  for await (const value of parseNdjson(chunks('{"text": "é🎉"}\n', "\n", "[1]"))) {
    found.push(value);
  }
  assert.deepEqual(found, [{ text: "é🎉" }, [1]]);
});

test("a proposal is applied only to the code it was made for", () => {
  let text = "a";
  let isGone = false;
  const source = {
    getSource: () => text,
    setSource: (value: string) => {
      text = value;
    },
  };
  const proposal = new Proposal(source, "a", "b", () => isGone);
  isGone = true;
  assert.equal(proposal.apply(), "gone");
  isGone = false;
  assert.equal(proposal.apply(), "applied");
  assert.equal(text, "b");
  assert.equal(proposal.apply(), "changed");
});

test("label and tooltip of the status bar item", () => {
  const status = { state: "loading", message: "Loading.", remedy: "", share: 0.5, model: "/a/nano.gguf" } as const;
  assert.equal(modelName("scripted:/tmp/x"), "scripted");
  assert.equal(label(status), "nano: loading 50 %");
  const quiet = { ...status, state: "ready", message: "nano.enabled is false.", quiet: "disabled" } as const;
  assert.equal(label(quiet), "nano: quiet");
  assert.match(tooltip(quiet), /nano\.enabled is false\./);
  assert.equal(label({ ...quiet, quiet: "confidence" }), "nano: ready");
  assert.match(tooltip({ ...status, state: "error", remedy: "Pull it." }), /Pull it\.\nClick to retry\./);
});
