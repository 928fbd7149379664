/**
 * Finds the server: the setting, the workspace's Python environment, PATH, the extension's own environment, the one that some
 * releases of the extension include, the shared one.
 */

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join } from "node:path";

export const SERVER_PATH = "nano.server.path";

/** The server's program, and where it was found. */
export interface Server {
  readonly command: string;
  readonly origin:
    | "setting"
    | "Python environment"
    | "PATH"
    | "private environment"
    | "extension"
    | "shared environment";
}

/** Locations to search; an empty string is skipped. */
export interface SearchLocations {
  /** The setting `nano.server.path`. */
  readonly setting: string;
  /** Python interpreter of the workspace's environment. */
  readonly interpreter: string;
  /** The environment variable PATH. */
  readonly path: string;
  /** Folder of the virtual environment that the extension installs into. */
  readonly privateEnvironment: string;
  /** Folder of the server in the extension, which has a folder of programs in a release for a system; see packaging/. */
  readonly extension: string;
  /** Folder of the user's virtual environment, shared by all editors. */
  readonly sharedEnvironment: string;
}

/** The setting `nano.server.path` is not the full path of a program. */
export class InvalidServerPathError extends Error {}

/**
 * Find the first server in search order; undefined if there is none.
 *
 * @throws InvalidServerPathError the setting is not an executable file; other locations are not tried then.
 */
export async function findServer(locations: SearchLocations, platform: NodeJS.Platform): Promise<Server | undefined> {
  if (locations.setting) {
    if (isAbsolute(locations.setting) && (await canRun(locations.setting))) {
      return { command: locations.setting, origin: "setting" };
    }
    throw new InvalidServerPathError(
      `${SERVER_PATH} is ${locations.setting}, which is not the full path of a program.`,
    );
  }
  const program = platform === "win32" ? "nano-lsp.exe" : "nano-lsp";
  // Beside the interpreter's path as given, without resolving links: a virtual environment's python is often a link.
  // Conda on Windows has its programs in a folder below the interpreter.
  const environment = locations.interpreter ? dirname(locations.interpreter) : "";
  const folders: [Server["origin"], string][] = [
    ["Python environment", environment],
    ["Python environment", environment && platform === "win32" ? join(environment, "Scripts") : ""],
    // A relative entry is skipped below: it would be resolved in the workspace, which may be untrusted.
    ...locations.path.split(delimiter).map((folder): [Server["origin"], string] => ["PATH", folder]),
    ["private environment", locations.privateEnvironment && binFolder(locations.privateEnvironment, platform)],
    ["extension", locations.extension && binFolder(locations.extension, platform)],
    ["shared environment", locations.sharedEnvironment && binFolder(locations.sharedEnvironment, platform)],
  ];
  for (const [origin, folder] of folders) {
    const command = join(folder, program);
    if (isAbsolute(folder) && (await canRun(command))) {
      return { command, origin };
    }
  }
  return undefined;
}

/** Folder of a virtual environment's programs. */
export function binFolder(environment: string, platform: NodeJS.Platform): string {
  return join(environment, platform === "win32" ? "Scripts" : "bin");
}

/** The user's virtual environment that a bundle's install.py creates: its `default_environment`. */
export function sharedEnvironment(home: string, env: NodeJS.ProcessEnv, platform: NodeJS.Platform): string {
  if (platform === "win32") {
    return join(env["LOCALAPPDATA"] || join(home, "AppData", "Local"), "nano-lsp", "venv");
  }
  if (platform === "darwin") {
    return join(home, "Library", "Application Support", "nano-lsp", "venv");
  }
  return join(env["XDG_DATA_HOME"] || join(home, ".local", "share"), "nano-lsp", "venv");
}

async function canRun(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
