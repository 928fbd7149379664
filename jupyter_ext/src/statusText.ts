/** Label and tooltip of the status bar item. */

import type { Status } from "./api.ts";

/** A model's display name: of a file, its name without folder and extension. */
export function modelName(model: string): string {
  if (model.startsWith("scripted:")) {
    return "scripted";
  }
  return (model.split(/[\\/]/).pop() ?? model).replace(/\.gguf$/i, "");
}

/** Reason code if only the newest suggestion is hidden: the next one may be shown. */
const LOW_CONFIDENCE = "confidence";

/** The item's label. */
export function label(status: Status): string {
  const quiet = status.state === "ready" && status.quiet && status.quiet !== LOW_CONFIDENCE;
  const share = status.state === "loading" && status.share > 0 ? ` ${Math.round(100 * status.share)} %` : "";
  return `${modelName(status.model)}: ${quiet ? "quiet" : status.state}${share}`;
}

/** The item's tooltip. */
export function tooltip(status: Status): string {
  const click = status.state === "paused" ? "Click to resume." : status.state === "error" ? "Click to retry." : "";
  return ["NEURO-NANO", status.message, status.remedy, click || "Click to pause."].filter(Boolean).join("\n");
}
