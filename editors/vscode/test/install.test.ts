import assert from "node:assert/strict";
import { access, chmod, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, test } from "node:test";
import { type Installation, InstallError, install, remedyFor } from "../src/install.ts";
import { describe, findSource } from "../src/installSource.ts";
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
  const source = await findSource(root);
  const installation = { pythons: [], environment, source, platform: process.platform, ...some };
  const error = await install(installation, signal ? { signal } : {}).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof InstallError, String(error));
  await assert.rejects(access(environment), "no incomplete environment is left");
  return error;
}

test("without a supported Python the error names the supported versions", async () => {
  assert.match((await failure({})).message, /^No Python was found\. Install Python 3\.11 to 3\.14/);
  const pythons = [
    join(root, "nothing"),
    await printer("old", "3.10"),
    await printer("new", "3.15"),
    await printer("odd", "?"),
  ];
  assert.match((await failure({ pythons })).message, /^Only Python 3\.10, 3\.15, \? was found\./);
});

test("for a Python without venv the error names the missing package", async () => {
  const pythons = [await printer("bare", "ModuleNotFoundError: No module named 'ensurepip'", 1)];
  assert.match((await failure({ pythons })).message, /sudo apt install python3-venv/);
});

test("for a wheel that cannot be installed the error refers to the log", async () => {
  const error = await failure({ pythons: ["python3"] });
  assert.match(error.message, /^nano-lsp could not be installed\. .*log/);
});

/** Write files into a folder below the root; returns its path. */
async function folderOf(name: string, files: Record<string, string>): Promise<string> {
  const folder = join(root, name);
  await mkdir(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) {
    await writeFile(join(folder, file), text);
  }
  return folder;
}

const LOCKS = {
  "requirements.txt":
    "llama-cpp-python==0.3.36 \\\n    --hash=sha256:00\nnumpy==2.4.6 ; python_version < '3.12' \\\n    --hash=sha256:01\n",
  "build-tools.txt": "cmake==4.4.4 \\\n    --hash=sha256:02\n",
};

test("from a folder of wheels nothing is fetched, and the newest wheel is taken", async () => {
  const wheels = await folderOf("wheels", {
    "nano_lsp-0.9.0-py3-none-any.whl": "",
    "nano_lsp-0.10.0-py3-none-any.whl": "",
    "nano_lsp_jupyter-1-x.whl": "",
  });
  for (const folder of [root, wheels]) {
    const source = await findSource(folder);
    const wheel = join(wheels, "nano_lsp-0.10.0-py3-none-any.whl");
    assert.deepEqual(source.steps, [["--no-index", "--find-links", wheels, wheel]]);
    assert.equal(await describe(source, "python3"), "");
  }
});

test("a checkout is installed by its path, what it needs with the hashes of its lock files", async () => {
  await assert.rejects(findSource(root), /contains neither a wheel of nano-lsp nor its source/);
  await writeFile(join(root, "pyproject.toml"), '[project]\nname = "nano-lsp-plugin"\n');
  await assert.rejects(findSource(root), InstallError);
  await writeFile(join(root, "pyproject.toml"), '[project]\nname = "nano-lsp"\n');
  await assert.rejects(findSource(root), /has no lock files/);
  await folderOf("editors/vscode/server", LOCKS);
  const { steps, builds, fetched } = await findSource(root);
  assert.deepEqual(
    steps.map((step) => step.includes("--require-hashes")),
    [true, true, false],
  );
  assert.deepEqual(steps[2], ["--no-index", "--no-deps", "--no-build-isolation", root]);
  assert.ok(builds);
  assert.deepEqual(fetched, ["cmake 4.4.4", "llama-cpp-python 0.3.36", "numpy 2.4.6"]);
});

test("an extension with its own wheels builds nothing and says what it fetches from where", async () => {
  const wheel = { "nano_lsp-0.2.0-py3-none-any.whl": "", ...LOCKS };
  const universal = await findSource(await folderOf("universal", wheel));
  assert.ok(universal.builds);
  const engine = { "llama_cpp_python-0.3.36-1everycpu-py3-none-win_amd64.whl": "" };
  const folder = await folderOf("platform", { ...wheel, ...engine });
  const source = await findSource(folder);
  assert.equal(source.builds, false);
  assert.equal(source.steps.length, 2);
  assert.ok(source.steps[0]?.includes("--require-hashes"));
  assert.deepEqual(source.steps[1]?.slice(0, 2), ["--no-index", "--no-deps"]);
  const config = "global.extra-index-url='https://user:secret@mirror.example/simple'\nglobal.timeout='60'";
  const said = await describe(source, await printer("python", config));
  assert.match(said, /nano-lsp: from .*nano_lsp-0\.2\.0-py3-none-any\.whl/);
  assert.match(said, /From https:\/\/pypi\.org\/simple and https:\/\/mirror\.example\/simple, .*: numpy 2\.4\.6\./);
  const own = await printer(
    "python",
    "global.index-url='https://mirror.example/simple'\n:env:.index-url='https://x/simple'",
  );
  assert.match(await describe(source, own), /From https:\/\/x\/simple, /);
});

test("no step looks nano-lsp up by its name", async () => {
  await writeFile(join(root, "pyproject.toml"), '[project]\nname = "nano-lsp"\n');
  await folderOf("editors/vscode/server", LOCKS);
  const wheel = { "nano_lsp-0.2.0-py3-none-any.whl": "" };
  for (const folder of [root, await folderOf("a", wheel), await folderOf("b", { ...wheel, ...LOCKS })]) {
    for (const step of (await findSource(folder)).steps) {
      assert.ok(!step.includes("nano-lsp"));
      assert.ok(step.includes("--require-hashes") || step.includes("--no-index"), step.join(" "));
    }
  }
});

test("a package that does not match the lock file is not installed", async () => {
  const folder = await folderOf("own", {
    "nano_lsp-0.2.0-py3-none-any.whl": "",
    "requirements.txt": LOCKS["requirements.txt"],
  });
  await assert.rejects(findSource(folder), /has no lock files/);
  assert.match(remedyFor("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."), /do not install it/);
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
