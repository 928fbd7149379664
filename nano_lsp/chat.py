"""Questions, conversations and explanations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from textwrap import dedent

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.fences import fenced
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.language_names import title_of
from nano_lsp.assistant.prompts import Message, build_chat_prompt, cut_code
from nano_lsp.assistant.requests import build_chat_request
from nano_lsp.errors import EngineError
from nano_lsp.inference.request import GenerationRequest
from nano_lsp.schema import Completion, GenerateParams, Priority, SamplingParams

_MAX_EXPLAINED_TOKENS = 2048
_MAX_EXPLANATION_TOKENS = 320
_GREEDY = SamplingParams()
_PLAIN = GenerateParams()


@dataclass(frozen=True)
class Ask(Job[Completion]):
    """Answer a question.

    Attributes:
        question: The user's question.
        code: Answer with code only.
        think: Think step by step.
        max_tokens: Maximum number of tokens of the answer.
        grammar: GBNF that the answer must follow.
        sampling: Sampling parameters.
    """

    question: str
    code: bool = False
    think: bool = False
    max_tokens: int = 512
    grammar: str | None = None
    sampling: SamplingParams = _GREEDY

    async def run(self, context: FeatureContext) -> Completion:
        """The answer."""
        request = build_chat_request(
            self.question,
            context,
            max_tokens=self.max_tokens,
            code=self.code,
            think=self.think,
            sampling=self.sampling,
            grammar=self.grammar,
            listener=context.listener,
        )
        return await context.generate(request)


@dataclass(frozen=True)
class Chat(Job[Completion]):
    """Continue a conversation with the NEURO-NANO persona."""

    messages: tuple[Message, ...]
    params: GenerateParams = _PLAIN

    async def run(self, context: FeatureContext) -> Completion:
        """The assistant's next turn."""
        prompt = build_chat_prompt(context.tokenizer, self.messages)
        request = GenerationRequest(tuple(prompt), self.params, Priority.CHAT, sequence="chat")
        return await _generate(request, context)


@dataclass(frozen=True)
class CompletePrompt(Job[Completion]):
    """Continue a raw prompt, for clients that build prompts themselves.

    Attributes:
        prompt: Text, in which `<|name|>` is a control token, or token ids.
        params: Generation parameters.
    """

    prompt: str | tuple[int, ...]
    params: GenerateParams = _PLAIN

    async def run(self, context: FeatureContext) -> Completion:
        """The continuation."""
        tokenizer = context.tokenizer
        ids = self.prompt if isinstance(self.prompt, tuple) else tokenizer.tokenize(self.prompt, parse_special=True)
        if not all(0 <= token < tokenizer.spec.n_vocab for token in ids):
            raise EngineError("A token id is outside the vocabulary.", f"Ids go up to {tokenizer.spec.n_vocab - 1}.")
        if not ids:  # OpenAI's API reference: the default prompt is this token
            bos = tokenizer.spec.bos_id
            ids = tokenizer.tokenize("<|endoftext|>", parse_special=True) if bos is None else [bos]
        infills = tokenizer.spec.fim is not None and tokenizer.spec.fim.middle in ids
        adapter = context.find_adapter() if infills else None
        request = GenerationRequest(tuple(ids), self.params, Priority.CHAT, sequence="prompt", adapter=adapter)
        return await _generate(request, context)


@dataclass(frozen=True)
class Explain(Job[str]):
    """Explain code, or a diagnostic about it, in Markdown.

    Attributes:
        code: The code; only the beginning of very long code is read.
        language: Language of the code.
        diagnostic: Message of a diagnostic about this code; empty for none.
    """

    code: str
    language: str
    diagnostic: str = ""

    async def run(self, context: FeatureContext) -> str:
        """The explanation."""
        code = dedent(self.code).strip("\n")
        limit = min(_MAX_EXPLAINED_TOKENS, context.tokenizer.spec.n_ctx // 2)
        shown = cut_code(code, context.tokenizer, limit)
        about = f"{title_of(self.language)} code" if self.language else "code"
        task = f"Explain what this {about} does, briefly."
        if self.diagnostic:
            task = (
                f"A tool reports about this {about}: {self.diagnostic}\nExplain briefly what is wrong and the remedy."
            )
        request = build_chat_request(
            f"{task}\n\n{fenced(shown, self.language)}",
            context,
            max_tokens=_MAX_EXPLANATION_TOKENS,
            speculative=False,  # reproducible: speculation depends on the load of the machine
            listener=context.listener,
        )
        text = (await context.generate(request)).text.strip()
        return text if shown == code else f"{text}\n\n*Only the beginning of the code was read.*"


async def _generate(request: GenerationRequest, context: FeatureContext) -> Completion:
    listener = context.listener
    return await context.generate(replace(request, on_text=listener.on_text, on_progress=listener.on_progress))
