"""Documents of odd languages in a real server: several scripts in HTML, other kernels, no grammar."""

from __future__ import annotations

import json
from pathlib import Path

from tests.raw_client import RawClient, inline

HTML = """\
<script>
let a = 1;
b =\x20
</script>
<style>p { c: d }</style>
<p>e</p>
<script lang='ts'>
b =\x20
</script>
b =\x20
"""
DOCUMENTS = [
    # name, language id, text, line of `b = `
    ("two.html", "html", HTML, 2),
    ("two.html", "html", HTML, 7),
    ("two.html", "html", HTML, 9),
    ("a.vue", "vue", "<template></template>\n<script setup>\nb = \n", 2),
    ("a.tex", "latex", "\\newcommand{\\a}[1]{#1}\nb = \n", 1),
    ("a.hs", "haskell", "{- a -}\nb = \n", 1),
    ("a.bat", "bat", "REM it's\nb = \n", 1),
    ("a.scala", "scala", "object A {\n}\nb = \n", 2),
    ("a.proto", "proto3", "message A {}\nb = \n", 1),
    ("Dockerfile.dev", "plaintext", "FROM a\nb = \n", 1),
    ("a.R", "r", "a <- 1 # it's\nb = \n", 1),
    ("a.zzz", "an id that nobody knows", "# a\nb = \n", 1),
    ("a", "", "b = \n", 0),
]


def test_each_gets_suggestions(tmp_path: Path) -> None:
    (tmp_path / "script.json").write_text(json.dumps({"b = ": "f(1)\n"}))
    client = RawClient(home=tmp_path, forked=True)
    client.initialize(model=f"scripted:{tmp_path / 'script.json'}", debounceMs=0)
    client.wait_for_state("ready")
    for i, (name, language, text, line) in enumerate(DOCUMENTS):
        uri = f"file:///{i}/{name}"
        item = {"uri": uri, "languageId": language, "version": 1, "text": text}
        client.notify("textDocument/didOpen", {"textDocument": item})
        found = client.request(
            10 + i, "textDocument/inlineCompletion", {**inline(line, 4), "textDocument": {"uri": uri}}
        )
        assert [each["insertText"] for each in found["result"]["items"]][:1] == ["f(1)"], name
    for i, kernel in enumerate(("r", "julia", "sql", "xonsh", "")):
        cell = {"uri": f"vscode-notebook-cell:/{i}.ipynb#a", "languageId": kernel, "version": 1, "text": "b = "}
        notebook = {"uri": f"file:///{i}.ipynb", "notebookType": "jupyter-notebook", "version": 1}
        cells = [{"kind": 2, "document": cell["uri"]}]
        opened = {"notebookDocument": {**notebook, "cells": cells}, "cellTextDocuments": [cell]}
        client.notify("notebookDocument/didOpen", opened)
        asked = {**inline(0, 4), "textDocument": {"uri": cell["uri"]}}
        found = client.request(50 + i, "textDocument/inlineCompletion", asked)
        assert [each["insertText"] for each in found["result"]["items"]][:1] == ["f(1)"], kernel
    client.close()
