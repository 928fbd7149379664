import assert from "node:assert/strict";
import { test } from "node:test";
import { readLines } from "../src/lines.ts";
import { Proposal } from "../src/proposal.ts";
import { label, modelName, tooltip } from "../src/texts.ts";

async function* pieces(...parts: string[]): AsyncGenerator<Uint8Array> {
  const bytes = new TextEncoder().encode(parts.join(""));
  for (const byte of bytes) {
    yield Uint8Array.of(byte); // characters come in pieces, too
  }
}

test("lines that come in pieces are whole", async () => {
  const found = [];
  for await (const value of readLines(pieces('{"text": "é🎉"}\n', "\n", "[1]"))) {
    found.push(value);
  }
  assert.deepEqual(found, [{ text: "é🎉" }, [1]]);
});

test("a proposal changes only what it was made for", () => {
  let text = "a";
  let gone = false;
  const source = {
    getSource: () => text,
    setSource: (value: string) => {
      text = value;
    },
  };
  const proposal = new Proposal(source, "a", "b", () => gone);
  gone = true;
  assert.equal(proposal.apply(), "gone");
  gone = false;
  assert.equal(proposal.apply(), "applied");
  assert.equal(text, "b");
  assert.equal(proposal.apply(), "changed");
});

test("what the status bar says", () => {
  const status = { state: "loading", message: "Loading.", remedy: "", share: 0.5, model: "/a/nano.gguf" } as const;
  assert.equal(modelName("scripted:/tmp/x"), "scripted");
  assert.equal(label(status), "nano: loading 50 %");
  const quiet = { ...status, state: "ready", message: "nano.enabled is false.", quiet: "disabled" } as const;
  assert.equal(label(quiet), "nano: quiet");
  assert.match(tooltip(quiet), /nano\.enabled is false\./);
  assert.equal(label({ ...quiet, quiet: "confidence" }), "nano: ready");
  assert.match(tooltip({ ...status, state: "error", remedy: "Pull it." }), /Pull it\.\nClick to try again\./);
});
