/** Text of the status bar item, and entries of its menu. */

/** The server's notification `nano/status`. */
export interface Status {
  readonly state: "loading" | "ready" | "busy" | "paused" | "error" | "missing";
  readonly message: string;
  readonly remedy: string;
  /** Progress of loading the model, 0 to 1. */
  readonly share: number;
  /** The model that is loaded or configured; empty before the server has reported it. */
  readonly model?: string;
  /** Reason code why the document gets no suggestions, explained by `message`; empty if it gets some. */
  readonly quiet?: string;
  /** URI of the document that `quiet` is about. */
  readonly document?: string;
}

/** Reason code if only the newest suggestion is hidden: the next one may be shown. */
const LOW_CONFIDENCE = "confidence";

/** The editor's state, beside the server's status. */
export interface EditorState {
  /** The configured model: a name or a file's path. `Status.model` has priority. */
  readonly model: string;
  /** Whether the user has paused suggestions. */
  readonly paused: boolean;
  /** URI of the active editor's document, as sent to the server; empty without one. */
  readonly document: string;
  /** Language of the active editor; empty without one. */
  readonly language: string;
  /** Whether suggestions in that language are switched off. */
  readonly languageOff: boolean;
}

/** Contents of the status bar item. */
export interface StatusItem {
  readonly text: string;
  readonly tooltip: string;
  /** Label for screen readers. */
  readonly label: string;
  readonly isError: boolean;
}

/** An entry of the menu; a separator has no command. */
export interface MenuEntry {
  readonly label: string;
  readonly command?: string;
  readonly arguments?: readonly unknown[];
}

export const INITIAL_STATUS: Status = { state: "loading", message: "Starting.", remedy: "", share: 0 };

const ICONS = {
  loading: "$(loading~spin)",
  ready: "$(sparkle)",
  busy: "$(loading~spin)",
  paused: "$(debug-pause)",
  off: "$(circle-slash)",
  error: "$(warning)",
  missing: "$(warning)",
} as const;

/** Contents of the status bar item for a status. */
export function describe(status: Status, editor: EditorState): StatusItem {
  const model = modelName(status.model || editor.model);
  const working = status.state === "ready" || status.state === "busy" || status.state === "paused";
  const paused = working && (editor.paused || status.state === "paused");
  const quiet = status.state === "ready" && !paused && Boolean(status.quiet);
  const isAboutActive = quiet && status.document === editor.document;
  const off = (working && !paused && editor.languageOff) || (isAboutActive && status.quiet !== LOW_CONFIDENCE);
  const state = paused ? "paused" : off ? "off" : status.state;
  const message = paused
    ? "Suggestions are paused."
    : off && !isAboutActive
      ? `Suggestions in ${editor.language} are switched off by nano.languages.`
      : quiet && !isAboutActive
        ? `${model} is ready.`
        : status.message;
  const percent = state === "loading" && status.share > 0 ? ` ${Math.round(100 * status.share)} %` : "";
  const isError = state === "error" || state === "missing";
  return {
    text: `${ICONS[state]} ${model}${percent}`,
    tooltip: [
      `NEURO-NANO: ${message}`,
      status.remedy && (isError || isAboutActive) ? status.remedy : "",
      `Model: ${model}`,
    ]
      .filter(Boolean)
      .join("\n\n"),
    label: `NEURO-NANO, ${state}: ${message}`,
    isError,
  };
}

/** A model's display name: of a file, its name without folder and extension. */
export function modelName(model: string): string {
  if (model.startsWith("scripted:")) {
    return "scripted";
  }
  return (model.split(/[\\/]/).pop() ?? model).replace(/\.gguf$/i, "");
}

/** The menu behind the status bar item. */
export function menu(status: Status, editor: EditorState): MenuEntry[] {
  if (status.state === "missing") {
    return [
      { label: "$(cloud-download) Install the server…", command: "neuroNano.install" },
      { label: "$(mortar-board) Getting started", command: "neuroNano.walkthrough" },
      { label: "$(gear) Settings", command: "neuroNano.settings" },
      { label: "$(refresh) Search for the server again", command: "neuroNano.restart" },
      { label: "$(output) Log", command: "neuroNano.showLog" },
    ];
  }
  const language = editor.language
    ? [
        {
          label: `${editor.languageOff ? "$(play) Enable" : "$(circle-slash) Disable"} suggestions in ${editor.language}`,
          command: "neuroNano.toggleLanguage",
          arguments: [editor.language],
        },
      ]
    : [];
  return [
    editor.paused
      ? { label: "$(play) Resume suggestions", command: "neuroNano.resume" }
      : { label: "$(debug-pause) Pause suggestions", command: "neuroNano.pause" },
    ...language,
    { label: "" },
    { label: "$(arrow-swap) Select model…", command: "neuroNano.selectModel" },
    { label: "$(cloud-download) Pull model…", command: "neuroNano.pullModel" },
    { label: "" },
    { label: "$(graph) Statistics", command: "neuroNano.showStatistics" },
    { label: "$(pulse) Doctor", command: "neuroNano.doctor" },
    { label: "$(output) Log", command: "neuroNano.showLog" },
    { label: "$(gear) Settings", command: "neuroNano.settings" },
    { label: "$(mortar-board) Getting started", command: "neuroNano.walkthrough" },
    { label: "$(refresh) Restart server", command: "neuroNano.restart" },
  ];
}
