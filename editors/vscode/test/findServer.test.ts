import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { beforeEach, test } from "node:test";
import { binFolder, findServer, InvalidServerPathError, sharedEnvironment } from "../src/findServer.ts";

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "nano-"));
});

/** An empty program. */
async function program(...path: string[]): Promise<string> {
  const file = join(root, ...path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, "");
  await chmod(file, 0o755);
  return file;
}

function locations(some: Partial<Parameters<typeof findServer>[0]> = {}) {
  return {
    setting: "",
    interpreter: "",
    path: "",
    privateEnvironment: "",
    extension: "",
    sharedEnvironment: "",
    ...some,
  };
}

test("the setting has priority, then the Python environment, PATH, the extension's own environment, the extension, and the shared one", async () => {
  const setting = await program("set", "server");
  const inEnvironment = await program("venv", "bin", "nano-lsp");
  const onPath = await program("path", "nano-lsp");
  const own = await program("own", "bin", "nano-lsp");
  const included = await program("extension", "server", "bin", "nano-lsp");
  const shared = await program("shared", "bin", "nano-lsp");
  const all = {
    setting,
    interpreter: join(root, "venv", "bin", "python"),
    path: [join(root, "nowhere"), join(root, "path")].join(delimiter),
    privateEnvironment: join(root, "own"),
    extension: join(root, "extension", "server"),
    sharedEnvironment: join(root, "shared"),
  };
  const found = (some: typeof all) => findServer(some, "linux");
  assert.deepEqual(await found(all), { command: setting, origin: "setting" });
  assert.deepEqual(await found({ ...all, setting: "" }), { command: inEnvironment, origin: "Python environment" });
  assert.deepEqual(await found({ ...all, setting: "", interpreter: "" }), { command: onPath, origin: "PATH" });
  assert.deepEqual(await found({ ...all, setting: "", interpreter: "", path: "" }), {
    command: own,
    origin: "private environment",
  });
  const rest = { ...all, setting: "", interpreter: "", path: "", privateEnvironment: "" };
  assert.deepEqual(await found(rest), { command: included, origin: "extension" });
  assert.deepEqual(await found({ ...rest, extension: "" }), {
    command: shared,
    origin: "shared environment",
  });
});

test("the shared environment is where a bundle's install.py creates it", () => {
  assert.equal(sharedEnvironment("/home/ann", {}, "linux"), "/home/ann/.local/share/nano-lsp/venv");
  assert.equal(sharedEnvironment("/home/ann", { XDG_DATA_HOME: "/data" }, "linux"), "/data/nano-lsp/venv");
  assert.equal(sharedEnvironment("/Users/ann", {}, "darwin"), "/Users/ann/Library/Application Support/nano-lsp/venv");
  assert.equal(sharedEnvironment("/home/ann", { LOCALAPPDATA: "/local" }, "win32"), "/local/nano-lsp/venv");
});

test("no server is found in empty folders", async () => {
  assert.equal(await findServer(locations({ path: root, privateEnvironment: root }), "linux"), undefined);
});

test("an interpreter that is a link is not followed: its virtual environment has the server", async () => {
  const server = await program("venv", "bin", "nano-lsp");
  const system = await program("usr", "bin", "python3");
  const python = join(root, "venv", "bin", "python");
  await symlink(system, python);
  assert.equal((await findServer(locations({ interpreter: python }), "linux"))?.command, server);
});

test("an invalid setting is an error, and no other location is searched", async () => {
  await program("path", "nano-lsp");
  for (const setting of [join(root, "nothing"), "nano-lsp", "./nano-lsp"]) {
    await assert.rejects(
      findServer(locations({ setting, path: join(root, "path") }), "linux"),
      InvalidServerPathError,
    );
  }
});

test("relative entries of PATH are skipped: they would be resolved in the workspace", async () => {
  assert.equal(await findServer(locations({ path: [".", "bin", ""].join(delimiter) }), "linux"), undefined);
});

test("a file that is not executable is not used", async () => {
  await chmod(await program("path", "nano-lsp"), 0o644);
  assert.equal(await findServer(locations({ path: join(root, "path") }), "linux"), undefined);
});

test("on Windows programs end in .exe, and Conda has them in a folder below its interpreter", async () => {
  const server = await program("conda", "Scripts", "nano-lsp.exe");
  assert.equal(
    (await findServer(locations({ interpreter: join(root, "conda", "python.exe") }), "win32"))?.command,
    server,
  );
  assert.equal(binFolder("x", "win32"), join("x", "Scripts"));
});
