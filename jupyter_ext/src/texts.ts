/** What the status bar says. */

import type { Status } from "./api.ts";

/** The name of a model without folder and ending. */
export function modelName(model: string): string {
  if (model.startsWith("scripted:")) {
    return "scripted";
  }
  return (model.split(/[\\/]/).pop() ?? model).replace(/\.gguf$/i, "");
}

/** The reason of a document whose newest suggestion is hidden: the next one may be shown. */
const HIDDEN = "confidence";

/** The item's text. */
export function label(status: Status): string {
  const quiet = status.state === "ready" && status.quiet && status.quiet !== HIDDEN;
  const share = status.state === "loading" && status.share > 0 ? ` ${Math.round(100 * status.share)} %` : "";
  return `${modelName(status.model)}: ${quiet ? "quiet" : status.state}${share}`;
}

/** What it says of itself when the pointer rests on it. */
export function tooltip(status: Status): string {
  const click = status.state === "paused" ? "Click to go on." : status.state === "error" ? "Click to try again." : "";
  return ["NEURO-NANO", status.message, status.remedy, click || "Click to pause."].filter(Boolean).join("\n");
}
