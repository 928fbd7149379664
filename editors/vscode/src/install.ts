/** Installs the server into the extension's own virtual environment, from what `findSource` has found in a folder. */

import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { binFolder } from "./findServer.ts";
import type { Source } from "./installSource.ts";
import { type RunOptions, run } from "./run.ts";

/** Supported Python versions, as in the server's pyproject.toml. */
export const OLDEST = [3, 11] as const;
export const NEWEST = [3, 14] as const;

/** An installation error with its remedy. */
export class InstallError extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(`${message} ${remedy}`.trim());
    this.remedy = remedy;
  }
}

/** What to install, and where. */
export interface Installation {
  /** Interpreters to try; the first supported one is used. */
  readonly pythons: readonly string[];
  /** Folder of the virtual environment; its contents are replaced. */
  readonly environment: string;
  readonly source: Source;
  readonly platform: NodeJS.Platform;
}

/** Names of interpreters that may be on PATH, in the order to try them. */
export function pythonsOnPath(platform: NodeJS.Platform): string[] {
  const minors = Array.from({ length: NEWEST[1] - OLDEST[1] + 1 }, (_, i) => `python3.${NEWEST[1] - i}`);
  return platform === "win32" ? ["python", "python3"] : ["python3", ...minors, "python"];
}

/**
 * Install the server.
 *
 * @throws InstallError with a remedy; an incomplete environment has been removed then.
 */
export async function install(installation: Installation, options: RunOptions = {}): Promise<void> {
  const python = await choosePython(installation.pythons);
  try {
    await mkdir(join(installation.environment, ".."), { recursive: true });
    await step(
      python,
      ["-m", "venv", "--clear", installation.environment],
      "The virtual environment could not be created.",
      options,
    );
    const own = join(binFolder(installation.environment, installation.platform), "python");
    for (const args of installation.source.steps) {
      const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", ...args];
      await step(own, pip, "nano-lsp could not be installed.", options);
    }
  } catch (error) {
    await rm(installation.environment, { recursive: true, force: true }).catch(() => undefined);
    throw error instanceof InstallError ? error : new InstallError(String(error), remedyFor(String(error)));
  }
}

/** Find the first supported interpreter. */
export async function choosePython(pythons: readonly string[]): Promise<string> {
  const script = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])";
  const versions: string[] = [];
  let withoutVenv = "";
  for (const python of pythons) {
    const { code, output } = await run(python, ["-c", script]);
    const [major = 0, minor = 0] = output.trim().split(".").map(Number);
    if (code === 0 && major === OLDEST[0] && minor >= OLDEST[1] && minor <= NEWEST[1]) {
      return python;
    }
    if (code === 0) {
      versions.push(output.trim());
    } else if (/No module named '?(ensurepip|venv)/.test(output)) {
      withoutVenv = python;
    }
  }
  if (withoutVenv) {
    throw new InstallError(
      `${withoutVenv} cannot create virtual environments.`,
      "On Debian and Ubuntu: sudo apt install python3-venv.",
    );
  }
  const found = versions.length
    ? `Only Python ${[...new Set(versions)].join(", ")} was found.`
    : "No Python was found.";
  throw new InstallError(found, `Install Python ${OLDEST.join(".")} to ${NEWEST.join(".")}, then try again.`);
}

async function step(command: string, args: readonly string[], failure: string, options: RunOptions): Promise<void> {
  const { code, output } = await run(command, args, options);
  if (options.signal?.aborted) {
    throw new InstallError("Cancelled.", "");
  }
  if (code !== 0) {
    throw new InstallError(failure, remedyFor(output));
  }
}

/** The remedy for an error message of pip or venv. */
export function remedyFor(output: string): string {
  if (/Permission denied|EACCES|Read-only file system/i.test(output)) {
    return "The folder is not writable: see the log.";
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
  if (/do not match the hashes|Hashes are required/i.test(output)) {
    return "A package is not the one of the lock file: do not install it, and see the log.";
  }
  if (/No matching distribution|Could not find a version|connection|resolve/i.test(output)) {
    return "A dependency is missing in that folder, or the package index cannot be reached: see the log.";
  }
  return "See the log.";
}
