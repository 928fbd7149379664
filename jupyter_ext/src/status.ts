/** The status bar item, which polls the server's status. */

import { Poll } from "@lumino/polling";
import { Widget } from "@lumino/widgets";
import type { Api, Status } from "./api.ts";
import { label, tooltip } from "./statusText.ts";

const ACTIVE_INTERVAL_MS = 500;
const IDLE_INTERVAL_MS = 10_000;

export class StatusItem extends Widget {
  readonly poll: Poll;
  paused = false;
  /** Called when the server has been restarted and has not received the user's settings. */
  onRestart: () => Promise<void> = async () => {};
  private lastStatus: Status | null = null;

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
      frequency: { interval: IDLE_INTERVAL_MS, backoff: true, max: 60_000 },
      name: "neuro-nano:status",
      standby: "when-hidden",
    });
  }

  /** Show a status; poll more often while the server is loading or busy. */
  setStatus(status: Status): void {
    this.lastStatus = status;
    this.paused = status.state === "paused";
    this.node.textContent = label(status);
    this.node.title = tooltip(status);
    this.node.dataset["state"] = status.state;
    const isActive = status.state === "loading" || status.state === "busy";
    const interval = isActive ? ACTIVE_INTERVAL_MS : IDLE_INTERVAL_MS;
    if (this.poll.frequency.interval !== interval) {
      this.poll.frequency = { ...this.poll.frequency, interval };
    }
  }

  /** Show that the server extension cannot be reached. */
  showError(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const remedy = "Check that nano-lsp-jupyter is installed in the Jupyter server's environment.";
    const model = this.lastStatus?.model ?? "nano";
    this.setStatus({ state: "error", message, remedy: this.lastStatus ? "" : remedy, share: 0, model });
  }

  private async refresh(): Promise<void> {
    try {
      const status = await this.api.status();
      this.setStatus(status);
      if (status.configured === false) {
        await this.onRestart();
      }
    } catch (error) {
      this.showError(error);
    }
  }
}
