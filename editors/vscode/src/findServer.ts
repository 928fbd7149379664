/** Where the language server is: a setting, the Python environment of the workspace, PATH, the extension's own, the user's. */

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, dirname, isAbsolute, join } from "node:path";

export const SERVER_PATH = "nano.server.path";

/** A server's program, and where it was found. */
export interface Server {
  readonly command: string;
  readonly origin: "setting" | "Python environment" | "PATH" | "private environment" | "shared environment";
}

/** Places to look at; an empty string is none. */
export interface Places {
  /** The setting `nano.server.path`. */
  readonly setting: string;
  /** Python of the workspace's environment. */
  readonly interpreter: string;
  /** The variable PATH. */
  readonly path: string;
  /** Folder of the virtual environment that the extension installs into. */
  readonly privateEnvironment: string;
  /** Folder of the virtual environment that all editors of the user share. */
  readonly sharedEnvironment: string;
}

/** The setting names no program. */
export class WrongPathError extends Error {}

/**
 * The first server that there is; undefined for none.
 *
 * @throws WrongPathError the setting names a file that cannot be run: nothing else is taken in its place.
 */
export async function findServer(places: Places, platform: NodeJS.Platform): Promise<Server | undefined> {
  if (places.setting) {
    if (isAbsolute(places.setting) && (await canRun(places.setting))) {
      return { command: places.setting, origin: "setting" };
    }
    throw new WrongPathError(`${SERVER_PATH} is ${places.setting}, which is not the full path of a program.`);
  }
  const program = platform === "win32" ? "nano-lsp.exe" : "nano-lsp";
  // Beside the interpreter as it is named, not where a link leads: a virtual environment's python is often a link.
  // Conda on Windows has programs in a folder below it.
  const environment = places.interpreter ? dirname(places.interpreter) : "";
  const folders: [Server["origin"], string][] = [
    ["Python environment", environment],
    ["Python environment", environment && platform === "win32" ? join(environment, "Scripts") : ""],
    // A relative entry would be looked up in the workspace, which may be anybody's.
    ...places.path.split(delimiter).map((folder): [Server["origin"], string] => ["PATH", folder]),
    ["private environment", places.privateEnvironment && binFolder(places.privateEnvironment, platform)],
    ["shared environment", places.sharedEnvironment && binFolder(places.sharedEnvironment, platform)],
  ];
  for (const [origin, folder] of folders) {
    const command = join(folder, program);
    if (isAbsolute(folder) && (await canRun(command))) {
      return { command, origin };
    }
  }
  return undefined;
}

/** Where a virtual environment has its programs. */
export function binFolder(environment: string, platform: NodeJS.Platform): string {
  return join(environment, platform === "win32" ? "Scripts" : "bin");
}

/** Where a bundle's install.py makes a user's virtual environment: its `default_environment`. */
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
