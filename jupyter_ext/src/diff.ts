/** What a proposal changes, as lines taken away and put in; it cannot be edited. */

import { unifiedMergeView } from "@codemirror/merge";
import { EditorState } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { type IEditorLanguageRegistry, jupyterTheme } from "@jupyterlab/codemirror";

const UNCHANGED = { margin: 3, minSize: 6 }; // lines shown around a change, and lines that are folded at least

export async function createDiff(
  before: string,
  after: string,
  language: string,
  languages: IEditorLanguageRegistry | null,
): Promise<EditorView> {
  const found = await languages?.getLanguage(language).catch(() => null); // without colours, if it cannot be had
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
