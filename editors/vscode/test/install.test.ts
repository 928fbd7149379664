import assert from "node:assert/strict";
import { access, chmod, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import { findSource, type Installation, InstallError, install } from "../src/install.ts";
import { run } from "../src/run.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "nano-"));
});

/** Create a program that prints a text and exits. */
async function printer(name: string, output: string, code = 0): Promise<string> {
  const file = join(root, name);
  await writeFile(file, `#!/bin/sh\ncat <<'END'\n${output}\nEND\nexit ${code}\n`);
  await chmod(file, 0o755);
  return file;
}

async function failure(some: Partial<Installation>, signal?: AbortSignal): Promise<InstallError> {
  const environment = join(root, "server");
  await writeFile(join(root, "nano_lsp-0.1.0-py3-none-any.whl"), "not a wheel");
  const installation = { pythons: [], environment, folder: root, platform: process.platform, ...some };
  const error = await install(installation, signal ? { signal } : {}).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof InstallError, String(error));
  await assert.rejects(access(environment), "no incomplete environment is left");
  return error;
}

test("without a supported Python the error names the supported versions", async () => {
  assert.match((await failure({})).message, /^No Python was found\. Install Python 3\.10 to 3\.13/);
  const pythons = [
    join(root, "nothing"),
    await printer("old", "3.9"),
    await printer("new", "3.14"),
    await printer("odd", "?"),
  ];
  assert.match((await failure({ pythons })).message, /^Only Python 3\.9, 3\.14, \? was found\./);
});

test("for a Python without venv the error names the missing package", async () => {
  const pythons = [await printer("bare", "ModuleNotFoundError: No module named 'ensurepip'", 1)];
  assert.match((await failure({ pythons })).message, /sudo apt install python3-venv/);
});

test("for a wheel that cannot be installed the error refers to the log", async () => {
  const error = await failure({ pythons: ["python3"] });
  assert.match(error.message, /^nano-lsp could not be installed\. .*log/);
});

test("the server is installed from a folder, never by its name from a package index", async () => {
  await assert.rejects(findSource(root), /contains neither a wheel of nano-lsp nor its source/);
  await writeFile(join(root, "pyproject.toml"), '[project]\nname = "nano-lsp-plugin"\n');
  await assert.rejects(findSource(root), InstallError);
  await writeFile(join(root, "pyproject.toml"), '[project]\nname = "nano-lsp"\n');
  assert.deepEqual(await findSource(root), [root]);
  const wheels = join(root, "wheels");
  await mkdir(wheels);
  for (const name of [
    "nano_lsp-0.9.0-py3-none-any.whl",
    "nano_lsp-0.10.0-py3-none-any.whl",
    "nano_lsp_jupyter-1-x.whl",
  ]) {
    await writeFile(join(wheels, name), "");
  }
  const expected = ["--no-index", "--find-links", wheels, join(wheels, "nano_lsp-0.10.0-py3-none-any.whl")];
  assert.deepEqual(await findSource(root), expected);
  assert.deepEqual(await findSource(wheels), expected);
});

test("a folder that is not writable is an error", async () => {
  const file = await printer("file", "");
  const error = await failure({ pythons: ["python3"], environment: join(file, "server", "env") });
  assert.match(error.message, /ENOTDIR/);
});

test("a cancelled installation leaves no files", async () => {
  assert.equal((await failure({ pythons: ["python3"] }, AbortSignal.abort())).remedy, "");
});

test("a program's lines are passed on while it runs, and it can be interrupted", async () => {
  const lines: string[] = [];
  const abort = new AbortController();
  const onLine = (line: string) => {
    lines.push(line);
    abort.abort();
  };
  const program = ["-c", "import time; print('started', flush=True); time.sleep(600)"];
  const { code } = await run("python3", program, { onLine, signal: abort.signal });
  assert.equal(lines[0], "started");
  assert.notEqual(code, 0);
});

test("a program that cannot be started gives a result with exit code -1", async () => {
  const { code, output } = await run(join(root, "nothing"), []);
  assert.equal(code, -1);
  assert.match(output, /ENOENT/);
});
