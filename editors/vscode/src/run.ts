/** Runs a program to completion and passes on its output line by line. */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const KILL_AFTER_MS = 5_000;

/** Exit code and output of a program. */
export interface ProcessResult {
  /** Exit code; -1 if a signal ended it or it could not be started. */
  readonly code: number;
  /** Standard output and standard error, interleaved. */
  readonly output: string;
}

export interface RunOptions {
  readonly onLine?: (line: string) => void;
  /** Interrupts the program, which may then clean up. */
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

/** Run a program without a shell; it never rejects. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: options.env ?? process.env,
    windowsHide: true,
  });
  const lines: string[] = [];
  const onLine = (line: string) => {
    lines.push(line);
    options.onLine?.(line);
  };
  createInterface({ input: child.stdout }).on("line", onLine);
  createInterface({ input: child.stderr }).on("line", onLine);
  let killTimer: NodeJS.Timeout | undefined;
  const interrupt = () => {
    child.kill("SIGINT"); // like Ctrl-C: Python exits in order and ends its child processes
    killTimer = setTimeout(() => child.kill(), KILL_AFTER_MS); // a process started with SIGINT ignored
  };
  options.signal?.addEventListener("abort", interrupt, { once: true });
  if (options.signal?.aborted) {
    interrupt();
  }
  const code = await new Promise<number>((resolve) => {
    child.once("error", (error) => {
      onLine(error.message);
      resolve(-1);
    });
    child.once("close", (exit) => resolve(exit ?? -1));
  });
  options.signal?.removeEventListener("abort", interrupt);
  clearTimeout(killTimer);
  return { code, output: lines.join("\n") };
}
