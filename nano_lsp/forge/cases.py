"""Training cases: token ids in the layout in which the product asks the model, and the answer to learn."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from nano_lsp.assistant.budget import Limits
from nano_lsp.assistant.context import ClientState, FeatureContext
from nano_lsp.assistant.prompts import Message, build_chat_prompt
from nano_lsp.code.cursor_context import CompletionInput, TextAfterCursor
from nano_lsp.code.languages import language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.workspace import Workspace
from nano_lsp.completion.completer import prepare_request
from nano_lsp.completion.postprocess import PostprocessOptions
from nano_lsp.errors import ForgeError
from nano_lsp.forge.holes import SYNTAX_KINDS, Hole, HoleFinder
from nano_lsp.forge.recipe import Code, Recipe, Stratum
from nano_lsp.inference.backend import Tokenizer
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.inference.token_healing import split_unfinished
from nano_lsp.schema import Completion
from nano_lsp.settings import Settings

_TRIES_PER_CASE = 4
_REQUESTED = PostprocessOptions()


@dataclass(frozen=True)
class Case:
    """One training case.

    Attributes:
        kind: Kind of the case: a kind of hole, or the name of a stratum.
        context: Token ids of the prompt, as the model gets them.
        answer: Token ids to learn; the end token is among them where the model has to end the text.
        text: Text of both in the order of the document, to compare with other texts.
        hole: Hole in the document's text; None if the case is none of code.
        imported: Signatures of what the code imports, for a held-out case; empty for none.
    """

    kind: str
    context: tuple[int, ...]
    answer: tuple[int, ...]
    text: str
    hole: Hole | None = None
    imported: str = ""

    @property
    def n_tokens(self) -> int:
        """Number of tokens of the case."""
        return len(self.context) + len(self.answer)

    def to_json(self, source: str, document: str, recipe: Recipe) -> str:
        """The case as one line of JSON: token ids, and spans of (number of tokens, loss weight) in their order."""
        spans = [[len(self.context), recipe.context_weight], [len(self.answer), recipe.answer_weight]]
        ids = [*self.context, *self.answer]
        return json.dumps({"source": source, "document": document, "kind": self.kind, "ids": ids, "spans": spans})


def find_end_token(tokenizer: Tokenizer, recipe: Recipe) -> int:
    """Id of the token that ends the cases of a recipe.

    Raises:
        ForgeError: The model lacks a control token that the recipe needs.
    """
    ids = tokenizer.tokenize(recipe.end_token, parse_special=True)
    if len(ids) != 1 or ids[0] not in tokenizer.spec.eog_ids:
        raise ForgeError(
            f"The model {tokenizer.spec.name} does not end a text with {recipe.end_token}.",
            f"Use --model {recipe.base}, or correct end_token in the recipe.",
        )
    if recipe.code and tokenizer.spec.fim is None:
        raise ForgeError(f"The model {tokenizer.spec.name} cannot fill in the middle.", f"Use --model {recipe.base}.")
    return ids[0]


def count_cases(n_lines: int, code: Code) -> int:
    """Number of cases that a file is to have.

    Args:
        n_lines: Its number of lines.
        code: What the recipe says on code.
    """
    return min(code.cases_per_file, max(1, n_lines // code.lines_per_case))


class CodeCases:
    """Makes the cases of one package or workspace.

    Args:
        tokenizer: The model's tokenizer.
        fim_order: Order of prefix and suffix in its prompts.
        settings: Settings of the product, for imported signatures.
        workspace: Index of the files that the code imports from.
        recipe: Recipe of code cases.
    """

    def __init__(
        self, tokenizer: Tokenizer, fim_order: str, settings: Settings, workspace: Workspace, recipe: Recipe
    ) -> None:
        state = ClientState(settings)
        state.workspace = workspace
        self._context = FeatureContext(
            tokenizer=tokenizer, fim_order=fim_order, state=state, generate=_generate_nothing
        )
        self._end = find_end_token(tokenizer, recipe)
        self._recipe = recipe

    def build(self, path: Path, text: str, code: Code, source: Random, *, heldout: bool) -> Iterator[Case]:
        """Cases of a file, of random kinds at random places.

        Args:
            path: Path of the file in the workspace.
            text: Its text.
            code: What the recipe says on code.
            source: Random numbers.
            heldout: Whether the file is held out, so that its cases get their imported signatures.
        """
        language = language_of(path.name, text=text)
        tree = SyntaxTree.parse(text, language)
        finder = HoleFinder(text, language, tree, code.max_lines, source)
        shares = {kind: share for kind, share in code.kinds.items() if tree or kind not in SYNTAX_KINDS}
        if not any(shares.values()):
            return
        seen: set[Hole] = set()
        for _ in range(count_cases(finder.n_lines, code)):
            (kind,) = source.choices(list(shares), list(shares.values()))
            for _ in range(_TRIES_PER_CASE):
                hole = finder.find(kind)
                limits = Limits(source.choice(code.prompt_tokens), code.max_answer_tokens)
                case = self.case_at(path, text, hole, kind, limits) if hole and hole not in seen else None
                if hole and case and len(case.answer) <= code.max_answer_tokens:
                    seen.add(hole)
                    imported = self.imported(path, text[: hole.start] + text[hole.suffix_at :]) if heldout else ""
                    yield replace(case, imported=imported)
                    break

    def imported(self, path: Path, text: str) -> str:
        """Signatures that the product would put into the prompt of a document, within the limits of the settings."""
        state = self._context.state
        state.documents.close(str(path))
        prepare_request(CompletionInput(str(path), text, 0), self._context, state.max_limits, _REQUESTED)
        return state.documents.update(str(path), text).imported

    def case_at(self, path: Path, text: str, hole: Hole, kind: str, limits: Limits) -> Case | None:
        """The case of a hole; None if it is too long, or if the cut word is cut within a character."""
        context, tokenizer, name = self._context, self._context.tokenizer, str(path)
        suffix = text[hole.suffix_at :]
        context.state.documents.close(name)  # the window of a first request, whatever was asked before
        completion_input = CompletionInput(name, text[: hole.start] + suffix, hole.start)
        request, processor = prepare_request(completion_input, context, limits, _REQUESTED)
        prompt, healed = list(request.prompt), b""
        if request.params.heal:
            prompt, healed = split_unfinished(prompt, tokenizer.piece)
        # The prompt leaves out the line break after the cursor, so that the completion ends with it.
        at_line_end = processor.cursor.text_after_cursor is TextAfterCursor.EMPTY and suffix.lstrip(" \t").startswith(
            "\n"
        )
        try:
            answer = healed.decode() + text[hole.start : hole.end] + "\n" * at_line_end
        except UnicodeDecodeError:
            return None
        ids = [*tokenizer.tokenize(answer), self._end]
        if len(prompt) + len(ids) > self._recipe.max_case_tokens:
            return None
        return Case(kind, tuple(prompt), tuple(ids), self._document_text(prompt, ids), hole)

    def _document_text(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        """What a case shows, in the order of the document."""
        fim = self._context.tokenizer.spec.fim
        assert fim is not None, "checked with the end token"  # noqa: S101
        ids = [*prompt, *answer]
        suffix_at, middle_at = ids.index(fim.suffix), ids.index(fim.middle)
        pieces = map(self._context.tokenizer.piece, [*ids[:suffix_at], *ids[middle_at:], *ids[suffix_at:middle_at]])
        return b"".join(pieces).decode("utf-8", "replace")


def build_chat_case(
    tokenizer: Tokenizer, question: str, answer: str, stratum: Stratum, *, end: int, max_tokens: int
) -> Case | None:
    """The case of a question and its answer, with the persona; None if it is too long.

    Args:
        tokenizer: The model's tokenizer, with its chat template.
        question: The user's turn.
        answer: The assistant's turn.
        stratum: Stratum of the pair, with its directive.
        end: Id of the token that ends the case (`find_end_token`).
        max_tokens: Maximum number of tokens of the case.
    """
    think, code = stratum.directive == "think", stratum.directive == "code"
    prompt = build_chat_prompt(tokenizer, [Message("user", question)], code=code, think=think)
    ids = [*tokenizer.tokenize(answer), end]
    if len(prompt) + len(ids) > max_tokens:
        return None
    return Case(stratum.name, tuple(prompt), tuple(ids), f"{question}\n{answer}")


async def _generate_nothing(_request: GenerationRequest) -> Completion:
    raise AssertionError("cases are made without the model")
