"""What may be asked of an assistant: each job is a value that says all there is to know, and plans itself.

So a job can be carried out in this process or in another one, which is sent the job and sends the result back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

from nano_lsp.code.cursor_context import CompletionTask
from nano_lsp.code.definitions import Definition, definition_at, find_definitions, undocumented
from nano_lsp.code.document import TextEdit
from nano_lsp.code.languages import PYTHON
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.inference.request import Request
from nano_lsp.errors import EngineError
from nano_lsp.assistant import chat
from nano_lsp.assistant.context import Desk
from nano_lsp.docstrings import Docstring
from nano_lsp.edits.explain import explain
from nano_lsp.completion.postprocess import Judgement
from nano_lsp.assistant.listener import Plan, Watcher
from nano_lsp.assistant.prompts import Message, build_chat_prompt
from nano_lsp.schema import Completion, GenerateParams, Priority, SamplingParams

T = TypeVar("T")
_GREEDY = SamplingParams()
_LENIENT = Judgement()
_PLAIN = GenerateParams()


class Job(Generic[T]):
    """Something to do.

    Attributes:
        result: type of what comes out of it.
    """

    result: ClassVar[Any]  # [Any] also where it is set: without, Python 3.10 cannot evaluate it for msgspec

    @property
    def document(self) -> str:
        """The path or URI of the document that it is about; empty where that makes no difference."""
        return ""

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[T]:
        """What to ask of the model, and what comes out of its answers."""
        raise NotImplementedError


@dataclass(frozen=True)
class Warm(Job[int]):
    """Have the model loaded; the result is its context in tokens."""

    result: ClassVar[Any] = int

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[int]:  # noqa: ARG002 - nothing to watch
        """Nothing is asked of the model."""
        yield from ()
        return desk.vocabulary.spec.n_ctx


@dataclass(frozen=True)
class CountTokens(Job[list[int]]):
    """How many tokens each of some texts has."""

    texts: tuple[str, ...]
    result: ClassVar[Any] = list[int]

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[list[int]]:  # noqa: ARG002 - nothing to watch
        """Nothing is asked of the model."""
        yield from ()
        return [len(desk.vocabulary.tokenize(text)) for text in self.texts]


@dataclass(frozen=True)
class Complete(Job[Completion]):
    """Complete code at a cursor.

    Attributes:
        task: the code and the cursor.
        judgement: how strict to be with what the model offers.
        sampling: how tokens are chosen.
        draft: let n-gram drafts run where they pay.
        ahead: this is work for a future that may come; whatever is asked for now goes first.
    """

    task: CompletionTask
    judgement: Judgement = _LENIENT
    sampling: SamplingParams = _GREEDY
    draft: bool = True
    ahead: bool = False
    result: ClassVar[Any] = Completion

    @property
    def document(self) -> str:
        """The document to complete."""
        return self.task.name

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[Completion]:
        """The completion as it is shown."""
        options = desk.options(
            self.judgement, sampling=self.sampling, draft=self.draft, watcher=watcher, ahead=self.ahead
        )
        return desk.completer.complete(self.task, options)


@dataclass(frozen=True)
class Alternatives(Job[list[Completion]]):
    """Up to n completions at a cursor, no two alike, the model's own choice first; text is told of that one.

    Attributes:
        task: the code and the cursor.
        n: at most so many.
        judgement: how strict to be with what the model offers.
        sampling: how tokens are chosen.
    """

    task: CompletionTask
    n: int = 3
    judgement: Judgement = _LENIENT
    sampling: SamplingParams = _GREEDY
    result: ClassVar[Any] = list[Completion]

    @property
    def document(self) -> str:
        """The document to complete."""
        return self.task.name

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[list[Completion]]:
        """The completions as they are shown."""
        options = desk.options(self.judgement, sampling=self.sampling, watcher=watcher)
        return desk.completer.alternatives(self.task, options, self.n)


@dataclass(frozen=True)
class Ask(Job[Completion]):
    """Answer a question.

    Attributes:
        question: of the user.
        code: answer with code only.
        think: think step by step.
        max_tokens: at most so many tokens.
        grammar: GBNF that the answer must follow.
        sampling: how tokens are chosen.
    """

    question: str
    code: bool = False
    think: bool = False
    max_tokens: int = 512
    grammar: str | None = None
    sampling: SamplingParams = _GREEDY
    result: ClassVar[Any] = Completion

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[Completion]:
        """The answer."""
        request = chat.build_request(
            self.question,
            desk.vocabulary,
            code=self.code,
            think=self.think,
            max_tokens=self.max_tokens,
            sampling=self.sampling,
            grammar=self.grammar,
            watcher=watcher,
        )
        return (yield request)


@dataclass(frozen=True)
class Explain(Job[str]):
    """Explain code, or a diagnostic about it; see `nano_lsp.edits.explain.explain`."""

    code: str
    language: str
    diagnostic: str = ""
    result: ClassVar[Any] = str

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[str]:
        """The explanation, in Markdown."""
        return explain(desk.vocabulary, self.code, self.language, self.diagnostic, watcher)


@dataclass(frozen=True)
class WriteDocstrings(Job[list[Docstring]]):
    """Write the docstrings of Python code, or bring them up to date.

    Attributes:
        text: of the document.
        offset: in the definition, the innermost one there; None for all that have no docstring.
        name: of the definition, where the offset is its beginning: several may begin at one place.
        style: `google`, `numpy`, `sphinx`, or `auto` for the one that the document has.
    """

    text: str
    offset: int | None = None
    name: str | None = None
    style: str = "auto"
    result: ClassVar[Any] = list[Docstring]

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[list[Docstring]]:
        """The docstrings; none for a text that is too large, see `DocstringWriter.write_all` for what is refused."""
        tree = SyntaxTree.parse(self.text, PYTHON)
        if tree is None:
            return []
        if self.offset is None:
            chosen = list(undocumented(tree))
        elif self.name is None:
            chosen = [definition_at(tree, self.offset)]
        else:
            place = self.offset, self.name
            chosen = [found for found in find_definitions(tree) if (found.start, found.name) == place]
        return (yield from desk.docstrings.write_all(tree, chosen, self.style, watcher.on_part))


@dataclass(frozen=True)
class Simplify(Job[list[TextEdit]]):
    """Simplify whole lines; see `Rewriter.simplify`."""

    text: str
    start: int
    end: int
    language: str = ""
    result: ClassVar[Any] = list[TextEdit]

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[list[TextEdit]]:  # noqa: ARG002 - nothing to watch
        """The edits that hold."""
        return desk.rewriter.simplify(self.text, self.start, self.end, self.language)


@dataclass(frozen=True)
class Fix(Job[list[TextEdit]]):
    """Correct what a tool reports; see `Rewriter.fix`."""

    text: str
    start: int
    end: int
    problem: str
    language: str = ""
    result: ClassVar[Any] = list[TextEdit]

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[list[TextEdit]]:  # noqa: ARG002 - nothing to watch
        """The edits that hold."""
        return desk.rewriter.fix(self.text, self.start, self.end, self.problem, self.language)


@dataclass(frozen=True)
class AddTypeHints(Job[list[TextEdit]]):
    """Annotate the function at an offset of Python code; see `Rewriter.add_type_hints`."""

    text: str
    offset: int
    result: ClassVar[Any] = list[TextEdit]

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[list[TextEdit]]:  # noqa: ARG002 - nothing to watch
        """The edits that hold."""
        found = _find_definition(self.text, self.offset)
        return (yield from desk.rewriter.add_type_hints(*found)) if found else []


@dataclass(frozen=True)
class WriteTest(Job[str]):
    """Write a test of the function at an offset of Python code; see `Rewriter.write_test`."""

    text: str
    offset: int
    module: str
    result: ClassVar[Any] = str

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[str]:  # noqa: ARG002 - nothing to watch
        """The test's module; empty where the model has none that parses."""
        found = _find_definition(self.text, self.offset)
        return (yield from desk.rewriter.write_test(*found, self.module)) if found else ""


def _find_definition(text: str, offset: int) -> tuple[SyntaxTree, Definition] | None:
    tree = SyntaxTree.parse(text, PYTHON)
    return (tree, definition_at(tree, offset)) if tree else None


@dataclass(frozen=True)
class CompletePrompt(Job[Completion]):
    """Go on with a prompt as it is, for clients that lay out prompts themselves.

    Attributes:
        prompt: text, in which `<|name|>` is a control token, or token ids.
        params: what to generate and when to stop.
    """

    prompt: str | tuple[int, ...]
    params: GenerateParams = _PLAIN
    result: ClassVar[Any] = Completion

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[Completion]:
        """What comes next."""
        vocabulary = desk.vocabulary
        ids = self.prompt if isinstance(self.prompt, tuple) else vocabulary.tokenize(self.prompt, parse_special=True)
        if not all(0 <= token < vocabulary.spec.n_vocab for token in ids):
            raise EngineError("A token id is outside the vocabulary.", f"Ids go up to {vocabulary.spec.n_vocab - 1}.")
        if not ids:  # OpenAI's API reference: a prompt that is not given is this token
            bos = vocabulary.spec.bos_id
            ids = vocabulary.tokenize("<|endoftext|>", parse_special=True) if bos is None else [bos]
        request = Request(tuple(ids), self.params, Priority.CHAT, sequence="prompt")
        return (yield replace(request, on_text=watcher.on_text, on_progress=watcher.on_progress))


@dataclass(frozen=True)
class Infill(Job[Completion]):
    """Complete code between what stands before and behind, for clients that cut their documents themselves.

    Attributes:
        prefix: code before the cursor.
        suffix: code behind it.
        context: code from elsewhere.
        max_tokens: at most so many tokens; 0 only reads the prompt.
        deadline_ms: of the answer; None for none.
        sampling: how tokens are chosen.
    """

    prefix: str
    suffix: str
    context: str = ""
    max_tokens: int = 128
    deadline_ms: float | None = None
    sampling: SamplingParams = _GREEDY
    result: ClassVar[Any] = Completion

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[Completion]:
        """The completion, judged as one that was asked for."""
        task = CompletionTask("", self.prefix + self.suffix, len(self.prefix), context=self.context)
        options = replace(
            desk.options(_LENIENT, sampling=self.sampling, watcher=watcher),
            max_tokens=self.max_tokens,
            deadline_ms=self.deadline_ms,
        )
        return desk.completer.complete(task, options)


@dataclass(frozen=True)
class Chat(Job[Completion]):
    """Go on with a conversation, under the NEURO-NANO persona.

    Attributes:
        messages: the turns; what the system is told is added to the persona.
        params: what to generate and when to stop.
    """

    messages: tuple[Message, ...]
    params: GenerateParams = _PLAIN
    result: ClassVar[Any] = Completion

    def plan(self, desk: Desk, watcher: Watcher) -> Plan[Completion]:
        """What the assistant says."""
        vocabulary = desk.vocabulary
        prompt = build_chat_prompt(vocabulary.spec, vocabulary, self.messages)
        request = Request(tuple(prompt), self.params, Priority.CHAT, sequence="chat")
        return (yield replace(request, on_text=watcher.on_text, on_progress=watcher.on_progress))
