/** Entry point of the JupyterLab extension: registers provider, panel, commands and status item. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { ICommandPalette, Notification } from "@jupyterlab/apputils";
import { EditorExtensionRegistry, IEditorExtensionRegistry, IEditorLanguageRegistry } from "@jupyterlab/codemirror";
import { ICompletionProviderManager } from "@jupyterlab/completer";
import { IConsoleTracker } from "@jupyterlab/console";
import { IEditorTracker } from "@jupyterlab/fileeditor";
import { INotebookTracker } from "@jupyterlab/notebook";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { IStatusBar } from "@jupyterlab/statusbar";
import { Actions, type Kind } from "./actions.ts";
import { Api, type CursorContext } from "./api.ts";
import { pathOfConsole, restingContext } from "./documents.ts";
import { docstringIcon, explainIcon, fixIcon } from "./icon.ts";
import { KernelVariables } from "./kernelVariables.ts";
import { NextEdits } from "./nextEdit.ts";
import { nextEditExtension } from "./nextEditView.ts";
import { Panel } from "./panel.ts";
import { Provider } from "./provider.ts";
import { RestingCursor } from "./restingCursor.ts";
import { StatusItem } from "./status.ts";

const ID = "neuro-nano-jupyter:plugin";
const CATEGORY = "NEURO-NANO";
const CELL_ACTIONS = [
  { kind: "explain", label: "Explain", caption: "Explain this cell", icon: explainIcon },
  { kind: "docstring", label: "Docstring", caption: "Write or update docstrings in this cell", icon: docstringIcon },
  { kind: "fix", label: "Fix", caption: "Fix the error in this cell", icon: fixIcon },
] as const;

const plugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description: "An offline coding assistant: ghost text, docstrings, explanations and fixes.",
  autoStart: true,
  requires: [ICompletionProviderManager, INotebookTracker, IRenderMimeRegistry],
  optional: [
    ISettingRegistry,
    IEditorTracker,
    IConsoleTracker,
    IStatusBar,
    ICommandPalette,
    IEditorLanguageRegistry,
    IEditorExtensionRegistry,
  ],
  activate: (
    app: JupyterFrontEnd,
    completion: ICompletionProviderManager,
    notebooks: INotebookTracker,
    rendermime: IRenderMimeRegistry,
    registry: ISettingRegistry | null,
    editors: IEditorTracker | null,
    consoles: IConsoleTracker | null,
    statusBar: IStatusBar | null,
    palette: ICommandPalette | null,
    languages: IEditorLanguageRegistry | null,
    extensions: IEditorExtensionRegistry | null,
  ): void => {
    const api = new Api(app.serviceManager.serverSettings);
    const provider = new Provider(api);
    completion.registerInlineProvider(provider);

    const panel = new Panel(rendermime, languages);
    const reveal = () => {
      if (!panel.isAttached) {
        app.shell.add(panel, "right", { rank: 900 });
      }
      app.shell.activateById(panel.id);
    };
    const actions = new Actions(api, panel, notebooks, editors, reveal);
    const item = new StatusItem(api, () => app.commands.execute("neuro-nano:toggle"));
    statusBar?.registerStatusItem(`${ID}:status`, { item, align: "right", rank: 900, isActive: () => true });
    provider.onError = (error) => item.showError(error);
    api.onStatus = (status) => item.setStatus(status);

    const control = async (change: Parameters<Api["control"]>[0]) => {
      try {
        const status = await api.control(change);
        item.setStatus(status);
        for (const warning of status.warnings ?? []) {
          Notification.warning(warning);
        }
      } catch (error) {
        item.showError(error);
      }
    };
    const nextEdits = new NextEdits(api, () => app.shell.currentWidget);
    addCommands(app, actions, item, provider, nextEdits, control);
    for (const command of [
      "explain-file",
      "accept-word",
      "accept-next-edit",
      "dismiss-next-edit",
      "toggle",
      "reload",
      ...CELL_ACTIONS.map(({ kind }) => kind),
    ]) {
      palette?.addItem({ command: `neuro-nano:${command}`, category: CATEGORY });
    }
    const updateVisibility = () => {
      for (const { kind } of CELL_ACTIONS) {
        app.commands.notifyCommandChanged(`neuro-nano:${kind}`);
      }
    };
    notebooks.activeCellChanged.connect(updateVisibility);

    const variables = new KernelVariables(api);
    notebooks.widgetAdded.connect((_, opened) => {
      variables.track(opened.sessionContext, () => opened.context.path);
      opened.sessionContext.statusChanged.connect(updateVisibility);
      opened.disposed.connect(() => void api.close(opened.context.path).catch(() => {}));
    });
    consoles?.widgetAdded.connect((_, opened) => {
      const path = pathOfConsole(opened);
      variables.track(opened.sessionContext, () => pathOfConsole(opened));
      opened.disposed.connect(() => void api.close(path).catch(() => {}));
    });
    editors?.widgetAdded.connect((_, opened) => {
      const { path } = opened.context;
      opened.disposed.connect(() => void api.close(path).catch(() => {}));
    });
    extensions?.addExtension({
      name: "neuro-nano:next-edit",
      factory: () => EditorExtensionRegistry.createImmutableExtension(nextEditExtension(nextEdits)),
    });
    const settingsSent = applySettings(registry, control, nextEdits);
    provider.ready = settingsSent.then(() => item.poll.start());
    item.onRestart = async () => (await settingsSent)();
    const resting = followCursor(app, notebooks, api, provider);
    variables.onRead = () => resting.changed();
  },
};

/** Tell the server where the cursor rests, in a notebook that of the active cell: after moves, and when the page is seen again. */
function followCursor(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  api: Api,
  provider: Provider,
): RestingCursor<CursorContext> {
  const resting = new RestingCursor(
    () => restingContext(app.shell.currentWidget),
    async (cursor) => {
      await provider.ready;
      await api.moveCursor(cursor);
    },
    () => document.hidden,
  );
  const moved = () => resting.moved();
  notebooks.activeCellChanged.connect(moved);
  document.addEventListener("selectionchange", moved); // in every editor, as CodeMirror's cursor is the browser's
  document.addEventListener("visibilitychange", moved);
  return resting;
}

function addCommands(
  app: JupyterFrontEnd,
  actions: Actions,
  item: StatusItem,
  provider: Provider,
  nextEdits: NextEdits,
  control: (change: { paused?: boolean; reload?: boolean }) => Promise<void>,
): void {
  const { commands, shell } = app;
  for (const { kind, label, caption, icon } of CELL_ACTIONS) {
    const isVisible = () => actions.isVisible(kind satisfies Kind);
    const execute = () => actions.runOnCell(kind);
    commands.addCommand(`neuro-nano:${kind}`, { label, caption, icon, isVisible, isEnabled: isVisible, execute });
  }
  commands.addCommand("neuro-nano:explain-file", {
    label: "Explain Selection or File",
    icon: explainIcon,
    execute: () => actions.explainFile(),
  });
  commands.addCommand("neuro-nano:toggle", {
    label: "Pause or Resume Suggestions",
    execute: () => {
      const hasFailed = item.node.dataset["state"] === "error";
      return control(hasFailed ? { reload: true } : { paused: !item.paused });
    },
  });
  commands.addCommand("neuro-nano:reload", {
    label: "Reload Model",
    execute: () => control({ reload: true }),
  });
  commands.addCommand("neuro-nano:accept-next-edit", {
    label: "Go to Next Edit, or Make It",
    execute: () => void nextEdits.accept(),
  });
  commands.addCommand("neuro-nano:dismiss-next-edit", {
    label: "Dismiss Next Edit",
    execute: () => void nextEdits.dismiss(),
  });
  commands.addCommand("neuro-nano:accept-word", {
    label: "Accept Next Word",
    execute: () => {
      const editor = document.activeElement?.closest(".jp-mod-inline-completer-active");
      const ghost = editor?.querySelector<HTMLElement>(".jp-GhostText");
      const word = ghost && shell.currentWidget ? provider.nextWord(ghost.textContent ?? "") : "";
      if (word) {
        document.execCommand("insertText", false, word);
      }
    },
  });
}

/**
 * Send and apply the settings that the user has set, now and after each change; unset ones are left to the project's configuration.
 * Returns a function that sends them again.
 */
async function applySettings(
  registry: ISettingRegistry | null,
  control: (change: { settings: object }) => Promise<void>,
  nextEdits: NextEdits,
): Promise<() => Promise<void>> {
  const settings = await registry?.load(ID).catch(() => null);
  const send = async () => {
    await control({ settings: { ...settings?.user } });
    nextEdits.switch(settings?.composite["nextEdit"] === true);
  };
  settings?.changed.connect(() => void send());
  await send();
  return send;
}

export default plugin;
