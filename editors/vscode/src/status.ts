/** What the status bar says, and the menu behind it. */

/** The server's notification `nano/status`. */
export interface Status {
  readonly state: "loading" | "ready" | "busy" | "paused" | "error" | "missing";
  readonly message: string;
  readonly remedy: string;
  /** Of the loading that is done, 0 to 1. */
  readonly share: number;
  /** The model that it has or is asked for; empty before it has said so. */
  readonly model?: string;
  /** Why the document gets no suggestions, in a word; empty where it does. The message then says the same. */
  readonly quiet?: string;
  /** URI of that document. */
  readonly document?: string;
}

/** The reason of a document whose newest suggestion is hidden: the next one may be shown. */
const HIDDEN = "confidence";

/** What is known beside it. */
export interface Surroundings {
  /** As the settings say, a name, or the path of a file; the server may know better. */
  readonly model: string;
  /** Nothing is suggested, by the user's wish. */
  readonly paused: boolean;
  /** URI of the active editor's document, as the server knows it; empty for none. */
  readonly document: string;
  /** Language of the active editor; empty for none. */
  readonly language: string;
  /** Whether that language is left out. */
  readonly languageOff: boolean;
}

/** A status bar item. */
export interface Shown {
  readonly text: string;
  readonly tooltip: string;
  /** Read by screen readers. */
  readonly label: string;
  readonly isError: boolean;
}

/** An entry of the menu; a separator has no command. */
export interface Entry {
  readonly label: string;
  readonly command?: string;
  readonly arguments?: readonly unknown[];
}

export const NOTHING_KNOWN: Status = { state: "loading", message: "Starting.", remedy: "", share: 0 };

const ICONS = {
  loading: "$(loading~spin)",
  ready: "$(sparkle)",
  busy: "$(loading~spin)",
  paused: "$(debug-pause)",
  off: "$(circle-slash)",
  error: "$(warning)",
  missing: "$(warning)",
} as const;

/** What the status bar item shows. */
export function describe(status: Status, around: Surroundings): Shown {
  const model = modelName(status.model || around.model);
  const working = status.state === "ready" || status.state === "busy" || status.state === "paused";
  const paused = working && (around.paused || status.state === "paused");
  const quiet = status.state === "ready" && !paused && Boolean(status.quiet);
  const here = quiet && status.document === around.document;
  const off = (working && !paused && around.languageOff) || (here && status.quiet !== HIDDEN);
  const state = paused ? "paused" : off ? "off" : status.state;
  const sentence = paused
    ? "Suggestions are paused."
    : off && !here
      ? `Suggestions in ${around.language} are switched off: nano.languages says so.`
      : quiet && !here
        ? `${model} is ready.`
        : status.message;
  const percent = state === "loading" && status.share > 0 ? ` ${Math.round(100 * status.share)} %` : "";
  const isError = state === "error" || state === "missing";
  return {
    text: `${ICONS[state]} ${model}${percent}`,
    tooltip: [`NEURO-NANO: ${sentence}`, status.remedy && (isError || here) ? status.remedy : "", `Model: ${model}`]
      .filter(Boolean)
      .join("\n\n"),
    label: `NEURO-NANO, ${state}: ${sentence}`,
    isError,
  };
}

/** A model's name, for people: of a file, its name without folder and ending. */
export function modelName(model: string): string {
  if (model.startsWith("scripted:")) {
    return "scripted";
  }
  return (model.split(/[\\/]/).pop() ?? model).replace(/\.gguf$/i, "");
}

/** The menu behind the status bar item. */
export function menu(status: Status, around: Surroundings): Entry[] {
  if (status.state === "missing") {
    return [
      { label: "$(cloud-download) Install the server…", command: "neuroNano.install" },
      { label: "$(mortar-board) First steps", command: "neuroNano.walkthrough" },
      { label: "$(gear) Settings", command: "neuroNano.settings" },
      { label: "$(refresh) Look for the server again", command: "neuroNano.restart" },
      { label: "$(output) Log", command: "neuroNano.showLog" },
    ];
  }
  const language = around.language
    ? [
        {
          label: `${around.languageOff ? "$(play) Suggest" : "$(circle-slash) No suggestions"} in ${around.language}`,
          command: "neuroNano.toggleLanguage",
          arguments: [around.language],
        },
      ]
    : [];
  return [
    around.paused
      ? { label: "$(play) Resume", command: "neuroNano.resume" }
      : { label: "$(debug-pause) Pause", command: "neuroNano.pause" },
    ...language,
    { label: "" },
    { label: "$(arrow-swap) Select model…", command: "neuroNano.selectModel" },
    { label: "$(cloud-download) Pull model…", command: "neuroNano.pullModel" },
    { label: "" },
    { label: "$(graph) Statistics", command: "neuroNano.showStatistics" },
    { label: "$(pulse) Doctor", command: "neuroNano.doctor" },
    { label: "$(output) Log", command: "neuroNano.showLog" },
    { label: "$(gear) Settings", command: "neuroNano.settings" },
    { label: "$(mortar-board) First steps", command: "neuroNano.walkthrough" },
    { label: "$(refresh) Restart", command: "neuroNano.restart" },
  ];
}
