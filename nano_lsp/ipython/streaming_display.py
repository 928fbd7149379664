"""Displays streamed text: updates of one display in notebooks, plain text in a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from IPython.display import display

from nano_lsp.assistant.fences import fenced

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

CODE, MARKDOWN, TEXT, JSON = "code", "markdown", "text", "json"


class StreamingDisplay:
    """The display of one magic's output."""

    def __init__(self, shell: InteractiveShell, form: str) -> None:
        self._form = form
        self._streams = form == TEXT or getattr(shell, "kernel", None) is None
        self._handle = None
        self._printed = ""
        self.text = ""

    def show(self, text: str) -> None:
        """Show the whole text so far; JSON is shown at the end only."""
        self.text = text
        if self._form == JSON:
            return
        if self._streams:
            self._print(text)
        else:
            self._display(text)

    def note(self, text: str) -> None:
        """Show a progress note until there is text."""
        if not self._streams and self._form != JSON and not self.text:
            self._display(f"*{text}*", plain=text)

    def finish(self, text: str, **more: object) -> None:
        """Show the final text; as JSON with further fields."""
        if self._form == JSON:
            print(json.dumps({"text": text, **more}, indent=2, ensure_ascii=False))
            return
        self.show(text)
        if self._streams and not text.endswith("\n"):
            print()

    def stop(self) -> None:
        """Show that the job was stopped; text shown so far stays."""
        if self._form == JSON:
            self.finish(self.text, stopped=True)
        elif self._streams:
            print("\nStopped.")
        else:
            text = self._as_markdown(self.text) if self.text else ""
            self._publish({"text/markdown": f"{text}\n\n*Stopped.*", "text/plain": f"{self.text}\n\nStopped."})

    def _print(self, text: str) -> None:
        if not text.startswith(self._printed):  # generated again from the start
            sys.stdout.write("\n\n")
            self._printed = ""
        sys.stdout.write(text[len(self._printed) :])
        sys.stdout.flush()
        self._printed = text

    def _display(self, text: str, plain: str | None = None) -> None:
        shown = text if plain is not None else self._as_markdown(text)
        self._publish({"text/markdown": shown, "text/plain": text if plain is None else plain})

    def _as_markdown(self, text: str) -> str:
        return fenced(text, "python") if self._form == CODE else text

    def _publish(self, bundle: dict[str, str]) -> None:
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)
