"""The words of docstrings and documentation comments: one request to the model for each new entry.

The prompt is the code with the text so far, and each answer is appended to it, so that most of it is in the KV cache.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Protocol

from nano_lsp.assistant.context import FeatureContext, ProgressListener
from nano_lsp.assistant.requests import build_infill_request
from nano_lsp.code.document import TextEdit, indent_of
from nano_lsp.docstrings.layout import DocstringTemplate, NewEntry, Topic
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import Completion, FinishReason

MAX_BODY_TOKENS = 768
_MAX_SUMMARY_TOKENS = 32
_MAX_ENTRY_TOKENS = 40
_MIN_WRAPPED_CHARS = 40  # characters; the first line of a wrapped sentence is longer
_SKELETON = "TODO: describe."


@dataclass(frozen=True)
class Surroundings:
    """What the model sees around the text.

    Attributes:
        before: The code before the text, what opens the text included.
        after: The code after it.
        line_break: What separates two lines of the text: a line break, and what each line begins with.
        stop: What ends an answer.
        unusable: Expression for what an answer must not have.
    """

    before: str
    after: str
    line_break: str
    stop: tuple[str, ...]
    unusable: re.Pattern[str]


class Target(Protocol):
    """A docstring or documentation comment to insert or to update."""

    @property
    def template(self) -> DocstringTemplate:
        """Its lines, with new entries."""

    def fill(self, entry: NewEntry, text: str) -> None:
        """Set the lines of a new entry."""

    def edit(self) -> tuple[TextEdit | None, str]:
        """The edit, and why it is not acceptable; empty if it is."""


@dataclass(frozen=True)
class Wording:
    """Writes the words of one docstring or documentation comment."""

    context: FeatureContext
    around: Surroundings

    async def fill(self, target: Target, listener: ProgressListener) -> tuple[TextEdit | None, str, bool]:
        """Fill the new entries of a target.

        Returns:
            The edit, why it is not acceptable, and whether it has placeholders: where the model writes no text for an
            entry, or none that is valid in its form.
        """
        entries, skeleton = target.template.new_entries(), False
        for i, entry in enumerate(entries):
            listener.on_part(i, len(entries))
            text = await self._generate_text(target.template, entry)
            target.fill(entry, text or _SKELETON)
            skeleton |= not text
        edit, error = target.edit()
        if error and entries:
            for entry in entries:
                target.fill(entry, _SKELETON)
            skeleton = True
            edit, error = target.edit()
        return edit, error, skeleton

    async def _generate_text(self, template: DocstringTemplate, entry: NewEntry) -> str:
        """The text that the model writes for an entry, in a sentence; empty after two unusable answers."""
        *above, line = template.lines(entry)
        so_far = self.around.line_break.join([*above, line.rstrip() or line])
        request = self._request(so_far, entry.topic)
        answer = await self.context.generate(request)
        if _is_wrapped(answer):  # the sentence continues in the next line
            first_line = answer.text.rstrip()
            hanging = self.around.line_break + line[: indent_of(line)] + "    " * bool(line.strip())
            rest = await self.context.generate(self._request(so_far + first_line + hanging, entry.topic))
            answer = replace(rest, text=f"{first_line} {rest.text.strip()}")
        text = self._as_sentence(answer, entry)
        if not text and answer.tokens:
            retry = replace(request.params, avoid=frozenset({answer.tokens[0].id}))
            text = self._as_sentence(await self.context.generate(replace(request, params=retry)), entry)
        return text

    def _request(self, so_far: str, topic: Topic) -> GenerationRequest:
        return build_infill_request(
            self.context,
            self.around.before + so_far,
            self.around.after,
            max_tokens=_MAX_SUMMARY_TOKENS if topic is Topic.TEXT else _MAX_ENTRY_TOKENS,
            min_tokens=1,
            stop=self.around.stop,
            sequence="docstring",
        )

    def _as_sentence(self, answer: Completion, entry: NewEntry) -> str:
        """An answer as a sentence; empty if it is not usable as one."""
        text = re.sub(r"\s+", " ", answer.text).strip()
        if answer.finish_reason is FinishReason.LENGTH:
            whole = re.match(r"(.*[.!?])(\s|$)", text)
            clause = text.rpartition(", ")[0]
            text = whole[1] if whole else clause
        if text.startswith('"') and text.count('"') % 2:
            text = text[1:].lstrip()  # a fourth quote
        text = text.rstrip(" ,;:")
        unusable = not re.search(r"[^\W\d_]{2}", text) or self.around.unusable.search(text)
        if unusable or text.rstrip(".").lower() == entry.name.lower():
            return ""
        if not entry.label:
            text = text[0].upper() + text[1:]
        return text if text[-1] in ".!?" else text + "."


def _is_wrapped(answer: Completion) -> bool:
    """Whether an answer ended with a full line rather than with a sentence."""
    text = answer.text.rstrip()
    return answer.finish_reason is FinishReason.STOP and len(text) > _MIN_WRAPPED_CHARS and text[-1] not in ".!?:"
