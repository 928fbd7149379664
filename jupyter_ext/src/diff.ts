/** A read-only diff of a proposal: removed and added lines. */

import { unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { type IEditorLanguageRegistry, jupyterTheme } from "@jupyterlab/codemirror";

const UNCHANGED = { margin: 3, minSize: 6 }; // lines of context around a change; minimum number of lines to fold

export async function createDiff(
  before: string,
  after: string,
  language: string,
  languages: IEditorLanguageRegistry | null,
): Promise<EditorView> {
  const found = await languages?.getLanguage(language).catch(() => null); // without highlighting if it cannot be loaded
  return new EditorView({
    doc: after,
    extensions: [
      EditorState.readOnly.of(true),
      EditorView.editable.of(false),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": "Proposed changes" }),
      jupyterTheme,
      found?.support ?? [],
      unifiedMergeView({ original: before, mergeControls: false, collapseUnchanged: UNCHANGED }),
    ],
  });
}
