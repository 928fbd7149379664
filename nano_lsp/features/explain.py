"""Explains code, and remembers what it has said of it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from textwrap import dedent

from nano_lsp.engine.backend import Backend
from nano_lsp.features.chat import build_request
from nano_lsp.features.plan import Plan, Watcher
from nano_lsp.features.prompts import cut_code
from nano_lsp.schema import SamplingParams

_MAX_CODE_TOKENS = 2048
_MAX_TOKENS = 320
_MAX_KNOWN = 64


@dataclass
class Explainer:
    """Plans explanations.

    Attributes:
        backend: the model.
    """

    backend: Backend
    _known: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def explain(self, code: str, language: str, diagnostic: str = "", watcher: Watcher | None = None) -> Plan[str]:
        """What code does, in Markdown; or what a diagnostic about it means.

        Args:
            code: to explain; of very long code, its beginning.
            language: that it is in.
            diagnostic: message of another tool about this code; empty for none.
            watcher: is told of progress.
        """
        code = dedent(code).strip("\n")
        shown = cut_code(code, self.backend, min(_MAX_CODE_TOKENS, self.backend.spec.n_ctx // 2))
        about = f"{language.capitalize()} code" if language else "code"
        task = f"Explain what this {about} does, briefly."
        if diagnostic:
            task = f"A tool reports about this {about}: {diagnostic}\nExplain briefly what is wrong and the remedy."
        request = build_request(
            f"{task}\n\n```{language}\n{shown}\n```",
            self.backend,
            code=False,
            think=False,
            max_tokens=_MAX_TOKENS,
            sampling=SamplingParams(),
            watcher=watcher,
        )
        text = (yield request).text.strip()
        if shown != code:
            text += "\n\n*Only the beginning of the code was read.*"
        if not diagnostic:
            self._known[code] = text
            if len(self._known) > _MAX_KNOWN:
                self._known.popitem(last=False)
        return text

    @property
    def knows_any(self) -> bool:
        """Whether anything has been explained yet."""
        return bool(self._known)

    def recall(self, code: str) -> str:
        """The explanation already made of some code; empty for none."""
        return self._known.get(dedent(code).strip("\n"), "")
