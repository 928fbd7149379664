/**
 * Reads a kernel's variables after code has run, never while typing. The request is silent: it changes neither the
 * execution count nor the history.
 */

import type { ISessionContext } from "@jupyterlab/apputils";
import type { Kernel, KernelMessage } from "@jupyterlab/services";
import type { Api } from "./api.ts";

const EXPRESSION_NAME = "nano";

export class KernelVariables {
  /** Called when a kernel's variables may have changed, after the server has received them. */
  onRead: () => void = () => {};
  private expression: Promise<string> | null = null;

  constructor(private readonly api: Api) {}

  /** Read the variables of a session's kernel after each execution. */
  track(session: ISessionContext, path: () => string): void {
    let hasRun = false;
    session.iopubMessage.connect((_, message) => {
      if (message.header.msg_type === "execute_input") {
        hasRun = true;
      } else if (hasRun && isIdle(message)) {
        hasRun = false;
        void this.read(session, path());
      }
    });
    session.statusChanged.connect((_, status) => {
      if (status === "restarting" || status === "autorestarting" || status === "dead") {
        void this.api.sendKernelVariables(path(), "").catch(() => {});
      }
    });
    void session.ready.then(() => this.read(session, path()));
  }

  private async read(session: ISessionContext, path: string): Promise<void> {
    const kernel = session.session?.kernel;
    try {
      if (kernel && (await kernel.info).language_info.name.toLowerCase().endsWith("python")) {
        this.expression ??= this.api.kernelVariablesExpression();
        const reply = await evaluate(kernel, await this.expression);
        await this.api.sendKernelVariables(path, reply);
      }
    } catch {
      // The kernel has ended or the server is unreachable: the last variables stay valid.
    }
    this.onRead();
  }
}

async function evaluate(kernel: Kernel.IKernelConnection, expression: string): Promise<string> {
  const future = kernel.requestExecute(
    {
      code: "",
      silent: true,
      store_history: false,
      user_expressions: { [EXPRESSION_NAME]: expression },
      allow_stdin: false,
      stop_on_error: false,
    },
    true,
  );
  const reply = await future.done;
  const content = reply.content as { user_expressions?: Record<string, { data?: Record<string, unknown> }> };
  const text = content.user_expressions?.[EXPRESSION_NAME]?.data?.["text/plain"];
  return typeof text === "string" ? text : "";
}

function isIdle(message: KernelMessage.IMessage): boolean {
  const parent = message.parent_header as { msg_type?: string };
  const content = message.content as { execution_state?: string };
  return parent.msg_type === "execute_request" && content.execution_state === "idle";
}
