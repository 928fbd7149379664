/** The item in the status bar, and what asks the server how it is. */

import { Poll } from "@lumino/polling";
import { Widget } from "@lumino/widgets";
import type { Api, Status } from "./api.ts";
import { label, tooltip } from "./texts.ts";

const SOON_MS = 500;
const SELDOM_MS = 10_000;

export class StatusItem extends Widget {
  readonly poll: Poll;
  paused = false;
  /** Called where the server has begun anew and knows nothing of the user's settings. */
  onRestart: () => Promise<void> = async () => {};
  private last: Status | null = null;

  constructor(
    private readonly api: Api,
    onClick: () => void,
  ) {
    super();
    this.addClass("jp-NeuroNano-status");
    this.node.setAttribute("role", "button");
    this.node.tabIndex = 0;
    this.node.addEventListener("click", onClick);
    this.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        onClick();
      }
    });
    this.poll = new Poll({
      auto: false,
      factory: () => this.refresh(),
      frequency: { interval: SELDOM_MS, backoff: true, max: 60_000 },
      name: "neuro-nano:status",
      standby: "when-hidden",
    });
  }

  /** Show a status, and ask again soon while something goes on. */
  show_(status: Status): void {
    this.last = status;
    this.paused = status.state === "paused";
    this.node.textContent = label(status);
    this.node.title = tooltip(status);
    this.node.dataset["state"] = status.state;
    const soon = status.state === "loading" || status.state === "busy";
    const interval = soon ? SOON_MS : SELDOM_MS;
    if (this.poll.frequency.interval !== interval) {
      this.poll.frequency = { ...this.poll.frequency, interval };
    }
  }

  /** Show that the server's side cannot be reached. */
  fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const remedy = "Is nano-lsp-jupyter installed where the Jupyter server runs?";
    const model = this.last?.model ?? "nano";
    this.show_({ state: "error", message, remedy: this.last ? "" : remedy, share: 0, model });
  }

  private async refresh(): Promise<void> {
    try {
      const status = await this.api.status();
      this.show_(status);
      if (status.begun === false) {
        await this.onRestart();
      }
    } catch (error) {
      this.fail(error);
    }
  }
}
