/**
 * What a folder installs the server from, and what that fetches from where.
 *
 * The server itself is never looked up by name on a package index: the owner of that name could run code here. What
 * comes from an index is in a lock file, with the SHA-256 of each file.
 */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { InstallError } from "./install.ts";
import { run } from "./run.ts";

const LOCK = "requirements.txt";
const TOOLS_LOCK = "build-tools.txt";
/** Folder of the lock files, and of the wheels that a release has: in the extension, and in a checkout. */
export const SERVER_FOLDER = "server";
const DEFAULT_INDEX = "https://pypi.org/simple";

/** What to install. */
export interface Source {
  /** Arguments of `pip install`, in the order of the calls. */
  readonly steps: readonly (readonly string[])[];
  /** What nano-lsp is installed from: a wheel, or a checkout. */
  readonly server: string;
  /** Packages that come from the package index, such as `numpy 2.4.6`; none if all is in the folder. */
  readonly fetched: readonly string[];
  /** Whether llama.cpp is built here, which needs a compiler. */
  readonly builds: boolean;
}

/**
 * Find out what a folder contains: wheels of everything (as in a bundle), wheels with a lock file (as in this extension), or a
 * checkout of the project.
 *
 * @throws InstallError the folder has none of them.
 */
export async function findSource(folder: string): Promise<Source> {
  for (const wheels of [folder, join(folder, "wheels")]) {
    const files = await readdir(wheels).catch((): string[] => []);
    const name = latest(files, /^nano_lsp-[^-]+-.*\.whl$/);
    if (!name) {
      continue;
    }
    const wheel = join(wheels, name);
    if (!files.includes(LOCK)) {
      return { steps: [["--no-index", "--find-links", wheels, wheel]], server: wheel, fetched: [], builds: false };
    }
    const engine = latest(files, /^llama_cpp_python-.*\.whl$/);
    return locked(wheels, wheel, engine ? ["--find-links", wheels] : undefined);
  }
  const project = await readFile(join(folder, "pyproject.toml"), "utf8").catch(() => "");
  if (/^name\s*=\s*"nano-lsp"\s*$/m.test(project)) {
    return locked(join(folder, "editors", "vscode", SERVER_FOLDER), folder);
  }
  throw new InstallError(
    `${folder} contains neither a wheel of nano-lsp nor its source.`,
    "Choose a bundle, a folder of wheels, or a checkout of the project.",
  );
}

/** The name of the file with the highest version that matches a pattern. */
function latest(files: readonly string[], pattern: RegExp): string | undefined {
  const byNumbers = new Intl.Collator("en", { numeric: true }).compare;
  return files
    .filter((name) => pattern.test(name))
    .sort(byNumbers)
    .pop();
}

/**
 * Dependencies from the package index, as the lock files in a folder allow them, then the server without any.
 *
 * @param engine arguments of pip for a wheel of llama-cpp-python; without it llama.cpp is built, by tools of a lock file
 */
async function locked(locks: string, server: string, engine?: readonly string[]): Promise<Source> {
  const names = engine ? [LOCK] : [TOOLS_LOCK, LOCK];
  const texts = await Promise.all(names.map((name) => readFile(join(locks, name), "utf8").catch(() => "")));
  if (texts.includes("")) {
    throw new InstallError(
      `${locks} has no lock files.`,
      "Choose a newer checkout, a bundle, or a folder of wheels.",
    );
  }
  const hashed = ["--require-hashes", "--only-binary", ":all:"];
  const packages = engine ?? ["--no-binary", "llama-cpp-python", "--no-build-isolation"];
  const fetching = names.map((name) => [...hashed, ...(name === LOCK ? packages : []), "-r", join(locks, name)]);
  return {
    steps: [...fetching, ["--no-index", "--no-deps", "--no-build-isolation", server]],
    server,
    fetched: texts.flatMap(pins).filter((name) => !(engine && name.startsWith("llama-cpp-python "))),
    builds: !engine,
  };
}

/** The packages that a lock file pins, such as `numpy 2.4.6`. */
function pins(lock: string): string[] {
  return [...lock.matchAll(/^([\w.-]+)==([\w.+!]+)/gm)].map(([, name, version]) => `${name} ${version}`);
}

/** What an installation fetches, and from where, for the user to agree to; empty if it fetches nothing. */
export async function describe(source: Source, python: string): Promise<string> {
  if (!source.fetched.length) {
    return "";
  }
  const indexes = await packageIndexes(python);
  const names = [...new Set(source.fetched)].sort();
  return [
    `nano-lsp: from ${source.server}`,
    `llama.cpp: ${source.builds ? "built here from its source below, which needs a C++ compiler and takes some minutes" : "from the same folder"}`,
    `From ${indexes.join(" and ")}, each file only with the SHA-256 of the lock file: ${names.join(", ")}.`,
  ].join("\n\n");
}

/** The package indexes that a Python's pip is configured for, without passwords. */
async function packageIndexes(python: string): Promise<string[]> {
  const { output } = await run(python, ["-m", "pip", "config", "list"]);
  const found = [...output.matchAll(/\.(extra-)?index-url\s*=\s*'([^']+)'/g)];
  const main = found.filter(([, extra]) => !extra).map(([, , url]) => url ?? "");
  const more = found.filter(([, extra]) => extra).flatMap(([, , urls]) => (urls ?? "").split(/\s+|\\n/));
  const urls = [main.at(-1) ?? DEFAULT_INDEX, ...more].filter(Boolean);
  return [...new Set(urls.map((url) => url.replace(/\/\/[^/@]*@/, "//")))];
}
