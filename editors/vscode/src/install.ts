/**
 * Installs the server into a virtual environment of the extension's own, from a folder that the user names.
 *
 * The server itself is never looked up by its name on a package index: whoever owns the name there would run code here.
 */

import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { binFolder } from "./findServer.ts";
import { type RunOptions, run } from "./run.ts";

/** Python versions that the server runs on, as its pyproject.toml has them. */
export const OLDEST = [3, 10] as const;
export const NEWEST = [3, 13] as const;

/** Something that the user can put right. */
export class InstallError extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(`${message} ${remedy}`.trim());
    this.remedy = remedy;
  }
}

/** What to install, and with what. */
export interface Installation {
  /** Interpreters to try, the first fitting one is taken. */
  readonly pythons: readonly string[];
  /** Folder of the virtual environment; what is in it is replaced. */
  readonly environment: string;
  /** Folder that the server is in: a checkout of the project, a bundle, or wheels. */
  readonly folder: string;
  readonly platform: NodeJS.Platform;
}

/** Interpreters that may be on PATH, the newest that fits first. */
export function pythonsOnPath(platform: NodeJS.Platform): string[] {
  const minors = Array.from({ length: NEWEST[1] - OLDEST[1] + 1 }, (_, i) => `python3.${NEWEST[1] - i}`);
  return platform === "win32" ? ["python", "python3"] : ["python3", ...minors, "python"];
}

/**
 * Install the server.
 *
 * @throws InstallError with what to do about it; a half-made environment is gone then.
 */
export async function install(what: Installation, options: RunOptions = {}): Promise<void> {
  const source = await findSource(what.folder);
  const python = await choosePython(what.pythons);
  try {
    await mkdir(join(what.environment, ".."), { recursive: true });
    await step(
      python,
      ["-m", "venv", "--clear", what.environment],
      "The virtual environment could not be made.",
      options,
    );
    const own = join(binFolder(what.environment, what.platform), "python");
    const args = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", ...source];
    await step(own, args, "nano-lsp could not be installed.", options);
  } catch (error) {
    await rm(what.environment, { recursive: true, force: true }).catch(() => undefined);
    throw error instanceof InstallError ? error : new InstallError(String(error), remedyFor(String(error)));
  }
}

/**
 * Arguments of `pip install` for the server in a folder: of wheels (as in a bundle), from which alone everything is
 * taken, or of its source, which pip builds with packages of the index that it is configured for.
 *
 * @throws InstallError there is neither.
 */
export async function findSource(folder: string): Promise<string[]> {
  for (const wheels of [folder, join(folder, "wheels")]) {
    const files = await readdir(wheels).catch(() => []);
    const wheel = files
      .filter((name) => /^nano_lsp-[^-]+-.*\.whl$/.test(name))
      .sort(byNumbers)
      .pop();
    if (wheel) {
      return ["--no-index", "--find-links", wheels, join(wheels, wheel)];
    }
  }
  const project = await readFile(join(folder, "pyproject.toml"), "utf8").catch(() => "");
  if (/^name\s*=\s*"nano-lsp"\s*$/m.test(project)) {
    return [folder];
  }
  throw new InstallError(
    `${folder} holds neither a wheel of nano-lsp nor its source.`,
    "Choose a bundle, a folder of wheels, or a checkout of the project.",
  );
}

const byNumbers = new Intl.Collator("en", { numeric: true }).compare;

/** The first interpreter that the server runs on. */
async function choosePython(pythons: readonly string[]): Promise<string> {
  const question = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])";
  const seen: string[] = [];
  let withoutVenv = "";
  for (const python of pythons) {
    const { code, output } = await run(python, ["-c", question]);
    const [major = 0, minor = 0] = output.trim().split(".").map(Number);
    if (code === 0 && major === OLDEST[0] && minor >= OLDEST[1] && minor <= NEWEST[1]) {
      return python;
    }
    if (code === 0) {
      seen.push(output.trim());
    } else if (/No module named '?(ensurepip|venv)/.test(output)) {
      withoutVenv = python;
    }
  }
  if (withoutVenv) {
    throw new InstallError(
      `${withoutVenv} cannot make virtual environments.`,
      "On Debian and Ubuntu: sudo apt install python3-venv.",
    );
  }
  const found = seen.length ? `Only Python ${[...new Set(seen)].join(", ")} was found.` : "No Python was found.";
  throw new InstallError(found, `Install Python ${OLDEST.join(".")} to ${NEWEST.join(".")}, then try again.`);
}

async function step(command: string, args: readonly string[], failure: string, options: RunOptions): Promise<void> {
  const { code, output } = await run(command, args, options);
  if (options.signal?.aborted) {
    throw new InstallError("Called off.", "");
  }
  if (code !== 0) {
    throw new InstallError(failure, remedyFor(output));
  }
}

/** What to do about an error of pip or venv. */
export function remedyFor(output: string): string {
  if (/Permission denied|EACCES|Read-only file system/i.test(output)) {
    return "There is no right to write there: see the log.";
  }
  if (/No space left/i.test(output)) {
    return "The disk is full: free 1 GB.";
  }
  if (/ensurepip is not\s+available/i.test(output)) {
    return "On Debian and Ubuntu: sudo apt install python3-venv.";
  }
  if (
    /CMAKE_C(XX)?_COMPILER|No CMAKE_CXX_COMPILER|error: command '?(gcc|cc|cl)|Failed building wheel/i.test(output)
  ) {
    return "llama.cpp could not be built: install a C++ compiler (Debian and Ubuntu: sudo apt install build-essential python3-dev).";
  }
  if (/No matching distribution|Could not find a version|connection|resolve/i.test(output)) {
    return "A package that it needs is missing in that folder, or the package index cannot be reached: see the log.";
  }
  return "See the log.";
}
