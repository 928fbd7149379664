/** Runs a program to its end, its output line by line. */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const ENDS_WITHIN_MS = 5_000;

/** What a program has left. */
export interface Outcome {
  /** Exit code; -1 where it was ended by a signal or could not be started. */
  readonly code: number;
  /** What it wrote, both streams. */
  readonly output: string;
}

/** How to run a program. */
export interface RunOptions {
  readonly onLine?: (line: string) => void;
  /** Ends the program, which may then tidy up. */
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

/** Run a program without a shell; it never rejects. */
export async function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: options.env ?? process.env,
    windowsHide: true,
  });
  const lines: string[] = [];
  const take = (line: string) => {
    lines.push(line);
    options.onLine?.(line);
  };
  createInterface({ input: child.stdout }).on("line", take);
  createInterface({ input: child.stderr }).on("line", take);
  let late: NodeJS.Timeout | undefined;
  const end = () => {
    child.kill("SIGINT"); // as Ctrl-C: Python ends in order, and with it what it has started
    late = setTimeout(() => child.kill(), ENDS_WITHIN_MS); // whoever was started without Ctrl-C ignores it
  };
  options.signal?.addEventListener("abort", end, { once: true });
  if (options.signal?.aborted) {
    end();
  }
  const code = await new Promise<number>((resolve) => {
    child.once("error", (error) => {
      take(error.message);
      resolve(-1);
    });
    child.once("close", (exit) => resolve(exit ?? -1));
  });
  options.signal?.removeEventListener("abort", end);
  clearTimeout(late);
  return { code, output: lines.join("\n") };
}
