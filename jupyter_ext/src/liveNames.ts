/**
 * What a kernel's names stand for: asked once after something has run, never at a keystroke, by a silent request, which
 * the kernel does not count and does not remember.
 */

import type { ISessionContext } from "@jupyterlab/apputils";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import type { Api } from "./api.ts";

const NAME = "nano";

export class LiveNames {
  private expression: Promise<string> | null = null;

  constructor(private readonly api: Api) {}

  /** Follow a kernel, until its session's end. */
  follow(session: ISessionContext, path: () => string): void {
    let ran = false;
    session.iopubMessage.connect((_, message) => {
      if (message.header.msg_type === "execute_input") {
        ran = true;
      } else if (ran && isIdle(message)) {
        ran = false;
        void this.ask(session, path());
      }
    });
    session.statusChanged.connect((_, status) => {
      if (status === "restarting" || status === "autorestarting" || status === "dead") {
        void this.api.tellNames(path(), "").catch(() => {});
      }
    });
    void session.ready.then(() => this.ask(session, path()));
  }

  private async ask(session: ISessionContext, path: string): Promise<void> {
    const kernel = session.session?.kernel;
    try {
      if (kernel && (await kernel.info).language_info.name.toLowerCase().endsWith("python")) {
        this.expression ??= this.api.expression();
        const reply = await evaluate(kernel, await this.expression);
        await this.api.tellNames(path, reply);
      }
    } catch {
      // A kernel that has gone, or a server that is not there: the names known last hold.
    }
  }
}

async function evaluate(kernel: Kernel.IKernelConnection, expression: string): Promise<string> {
  const future = kernel.requestExecute(
    {
      code: "",
      silent: true,
      store_history: false,
      user_expressions: { [NAME]: expression },
      allow_stdin: false,
      stop_on_error: false,
    },
    true,
  );
  const reply = await future.done;
  const content = reply.content as { user_expressions?: Record<string, { data?: Record<string, unknown> }> };
  const text = content.user_expressions?.[NAME]?.data?.["text/plain"];
  return typeof text === "string" ? text : "";
}

function isIdle(message: KernelMessage.IMessage): boolean {
  const parent = message.parent_header as { msg_type?: string };
  const content = message.content as { execution_state?: string };
  return parent.msg_type === "execute_request" && content.execution_state === "idle";
}
