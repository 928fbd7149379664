"""`ScriptedBackend`: a deterministic model without weights, and the scripts that choose its tokens.

It has a byte tokenizer and a simulated KV cache. A prediction depends only on the tokens in the cells of its
sequence, so a mistake in the KV code shows as different text.

A script is a function from the tokens so far to the next token id, or to a row of logits::

    def count_up(history: Sequence[int]) -> int:
        return history[-1] + 1 if history[-1] < ord("9") else END

    backend = ScriptedBackend(count_up)  # "7" is continued with "89"

Most tests need none of their own: `reply_script` answers prompts with given texts, `hashed_script` (the default)
generates pseudo-random tokens, and `load_script` reads replies from a JSON file.
"""

from __future__ import annotations

import json
import re
import string
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nano_lsp.errors import EngineError, GgufError, KvCacheFullError
from nano_lsp.inference.backend import MAX_LOGITS, Aborted
from nano_lsp.models.adapter_file import AdapterFile
from nano_lsp.schema import FimTokens, MemoryAccount, ModelSpec
from nano_lsp.testing.scripted_grammar import ScriptedGrammar

SPECIALS = (
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|im_start|>",
    "<|im_end|>",
)
"""Control tokens; their ids follow those of the 256 bytes."""
WORDS = ("    ", " return", "return", " def", "def", " self", "ret", "urn", "re", " r", "\n\n")
"""Tokens of more than one byte, so that text has several tokenizations, as with a real tokenizer."""
END = 256
"""Token id of `<|endoftext|>`."""

Script = Callable[[Sequence[int]], "int | NDArray[np.float32]"]
"""Function from the tokens so far (prompt included) to the next token id, or to logits of shape (N_VOCAB,)."""


def hashed_script(history: Sequence[int]) -> NDArray[np.float32]:
    """Pseudo-random logits that depend on each token of the history and its position."""
    seed = zlib.crc32(np.asarray(history, np.int32).tobytes())
    return np.random.default_rng(seed).normal(0.0, 3.0, N_VOCAB).astype(np.float32)


def reply_script(replies: Mapping[str, str]) -> Script:
    """A script that answers a prompt ending with a key with that key's text, and then ends the generation.

    The first key that fits is taken. Where token healing has removed blanks or punctuation at the key's end from
    the prompt, they are generated first.

    Args:
        replies: The texts to generate, by the end of the prompt: `{"def add(a, b):": " return a + b"}`.
    """
    stems = {key: key.rstrip(" \t") if key[-1:] in {" ", "\t"} else key.rstrip(string.punctuation) for key in replies}

    def script(history: Sequence[int]) -> int:
        text = b"".join(_PIECES[token] for token in history)
        for trigger, reply in replies.items():
            start = text.rfind(trigger.encode())
            if start >= 0 and reply.encode().startswith(written := text[start + len(trigger.encode()) :]):
                remaining = reply.encode()[len(written) :]
                return _split(remaining)[0] if remaining else END
        for trigger, stem in stems.items():
            if stem and stem != trigger and text.endswith(stem.encode()):
                return _split(trigger.encode()[len(stem.encode()) :])[0]
        return END

    return script


def unsure_script(script: Script) -> Script:
    """A script that gives the tokens of another one probabilities from 0.75 to 0.99, depending on the text before.

    Args:
        script: A script that returns token ids.
    """

    def unsure(history: Sequence[int]) -> NDArray[np.float32]:
        share = zlib.crc32(np.asarray(history, np.int32).tobytes()) / 2**32
        probability = 0.75 + 0.24 * share  # a text of several tokens has to be probable enough to be shown
        row = np.zeros(N_VOCAB, np.float32)
        row[script(history)] = np.log(probability / (1 - probability) * (N_VOCAB - 1))
        return row

    return unsure


@dataclass
class _RecordedScript:
    """A script that also writes the texts that reach the model into a JSON file, as an array."""

    script: Script
    path: Path
    texts: list[str] = field(default_factory=list)

    def __call__(self, history: Sequence[int]) -> int | NDArray[np.float32]:
        text = b"".join(_PIECES[token] for token in history).decode("utf-8", "replace")
        if self.texts and text.startswith(self.texts[-1]):
            self.texts.pop()
        self.texts.append(text)
        self.path.write_text(json.dumps(self.texts), encoding="utf-8")
        return self.script(history)


def load_script(path: Path) -> ScriptedBackend:
    """A backend whose replies are read from a JSON file; the setting `model` loads it as `scripted:FILE`.

    The file contains an object of replies by the end of the prompt, as in `reply_script`::

        {"def add(a, b):": " return a + b", "$batch_ms": 20}

    Keys beginning with `$` are options:

    - `$batch_ms`: Duration of each batch in milliseconds, for tests of slow models and of cancelling.
    - `$unsure`: Whether tokens have different probabilities, as with `unsure_script`.
    - `$prompts`: Path of a file to write the texts that reach the model to, as a JSON array.
    - `$adapter`: Replies, as a JSON object, of the model with an adapter; without them it replies the same.

    Args:
        path: Path of the JSON file.

    Raises:
        GgufError: The file is missing, is not JSON or contains no object of texts.
    """
    try:
        replies = json.loads(path.read_text(encoding="utf-8"))
        batch_s, unsure = float(replies.pop("$batch_ms", 0)) / 1e3, bool(replies.pop("$unsure", False))
        recorded = replies.pop("$prompts", None)
        adapted = replies.pop("$adapter", None)
        script = reply_script({str(key): str(value) for key, value in replies.items()})
        script = _RecordedScript(script, Path(recorded)) if recorded else script
        backend = ScriptedBackend(script=unsure_script(script) if unsure else script)
        if adapted is not None:
            adapted_script = reply_script({str(key): str(value) for key, value in adapted.items()})
            backend.adapted_script = lambda _adapter: adapted_script
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise GgufError(
            f"{path} is not a script of replies: {error}.", 'Write a JSON object: {"end of a prompt": "reply"}.'
        ) from error
    if batch_s:
        backend.on_decode = lambda: time.sleep(batch_s)
    return backend


_PIECES = [bytes([i]) for i in range(256)] + [b""] * len(SPECIALS) + [word.encode() for word in WORDS]
N_VOCAB = len(_PIECES)
_SPECIAL_IDS = {name: 256 + i for i, name in enumerate(SPECIALS)}
_IDS = {piece: i for i, piece in enumerate(_PIECES) if piece}
_LONGEST_PIECE = re.compile(b"|".join(map(re.escape, sorted(_IDS, key=len, reverse=True))))
_SPECIAL = re.compile("|".join(map(re.escape, SPECIALS)))


def _split(data: bytes) -> list[int]:
    return [_IDS[piece] for piece in _LONGEST_PIECE.findall(data)]


@dataclass(eq=False)
class _Cell:
    """One token in the KV cache and the adapter that evaluated it; sequences that were forked share it."""

    token: int
    adapter: str


@dataclass
class ScriptedBackend:
    """A model whose tokens are chosen by a script; implements `nano_lsp.inference.backend.Backend`.

    It raises an error for batches that do not follow the tokens of their sequence, or that follow tokens of another
    adapter: the KV code must never send them.

    Attributes:
        script: Function that predicts the next token.
        adapted_script: Returns the function that predicts it with an adapter.
        n_ctx: Number of KV cells, shared by all sequences.
        n_batch: Maximum number of tokens in a batch.
        n_seq_max: Maximum number of sequences.
        with_fim: Whether the model has fill-in-the-middle tokens.
        on_decode: Callback at the start of each batch, before the abort flag is checked; may block or abort.
        batches: Sizes of the batches evaluated so far.
    """

    script: Script = hashed_script
    n_ctx: int = 4096
    n_batch: int = 32
    n_seq_max: int = 8
    with_fim: bool = True
    on_decode: Callable[[], None] | None = None
    batches: list[int] = field(default_factory=list)
    adapted_script: Callable[[AdapterFile], Script] | None = None

    def __post_init__(self) -> None:
        self._adapter: AdapterFile | None = None
        self._cells: dict[int, list[_Cell]] = {i: [] for i in range(self.n_seq_max)}
        self._rows: list[NDArray[np.float32]] = []
        self._aborted = threading.Event()

    @property
    def spec(self) -> ModelSpec:
        """Properties of the model; its context, batch size and number of sequences are those given."""
        fim = FimTokens(*(_SPECIAL_IDS[f"<|fim_{part}|>"] for part in ("prefix", "suffix", "middle")))
        return ModelSpec(
            name="scripted",
            fingerprint="scripted",
            n_vocab=N_VOCAB,
            n_ctx=self.n_ctx,
            n_batch=self.n_batch,
            n_seq_max=self.n_seq_max,
            eog_ids=frozenset({END, _SPECIAL_IDS["<|im_end|>"]}),
            bos_id=None,
            fim=fim if self.with_fim else None,
            chat_template=None,
        )

    @property
    def evaluated(self) -> int:
        """Number of tokens evaluated so far: what a test of caching compares."""
        return sum(self.batches)

    def tokenize(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Token ids of a text, by greedy longest match; see `Tokenizer.tokenize`."""
        ids: list[int] = []
        at = 0
        for special in _SPECIAL.finditer(text) if parse_special else ():
            ids += [*_split(text[at : special.start()].encode("utf-8", "replace")), _SPECIAL_IDS[special[0]]]
            at = special.end()
        return ids + _split(text[at:].encode("utf-8", "replace"))

    def piece(self, token: int) -> bytes:
        """Bytes of a token; empty for control tokens."""
        return _PIECES[token]

    def set_adapter(self, adapter: AdapterFile | None) -> None:
        """Predict all later tokens with the adapter's script; see `Backend.set_adapter`."""
        self._adapter = adapter

    def decode(self, tokens: Sequence[int], *, n_past: int, seq_id: int, n_logits: int = 1) -> None:
        """Evaluate tokens; see `Backend.decode`."""
        if self.on_decode:
            self.on_decode()
        cells = self._cells[seq_id]
        if n_past != len(cells) or not 1 <= len(tokens) <= self.n_batch or n_logits > min(len(tokens), MAX_LOGITS):
            raise EngineError(f"Bad batch: {len(tokens)} tokens after {n_past} where {len(cells)} are cached.")
        if not all(0 <= token < N_VOCAB for token in tokens):
            raise EngineError("A token is outside the vocabulary.")
        adapter = self._adapter.sha256 if self._adapter else ""
        if any(cell.adapter != adapter for cell in cells):
            raise EngineError("A sequence is continued with another adapter than it was begun with.")
        if self._aborted.is_set():
            raise Aborted
        if self._used() + len(tokens) > self.n_ctx:
            raise KvCacheFullError(f"The KV cache of {self.n_ctx} tokens is full.", "Raise the setting n_ctx.")
        cells.extend(_Cell(token, adapter) for token in tokens)
        self.batches.append(len(tokens))
        history = [cell.token for cell in cells]
        ends = range(len(history) - n_logits + 1, len(history) + 1)
        script = self.adapted_script(self._adapter) if self._adapter and self.adapted_script else self.script
        self._rows = [_as_logits(script(history[:end])) for end in ends]

    def logits(self, index: int) -> NDArray[np.float32]:
        """Logits, shape (n_vocab,), of the index-th kept token of the last `decode`."""
        return self._rows[index]

    def seq_copy(self, source: int, target: int, n_past: int) -> None:
        """Let an empty sequence share the first n_past tokens of another one."""
        if self._cells[target]:
            raise EngineError(f"Sequence {target} is not empty.")
        self._cells[target] = self._cells[source][:n_past]

    def seq_trim(self, seq_id: int, n_past: int) -> None:
        """Keep only the first n_past tokens of a sequence."""
        del self._cells[seq_id][n_past:]

    def seq_save(self, seq_id: int) -> bytes:
        """The tokens of a sequence and their adapters, as bytes."""
        return json.dumps([(cell.token, cell.adapter) for cell in self._cells[seq_id]]).encode()

    def seq_load(self, seq_id: int, state: bytes) -> None:
        """Restore a state from `seq_save` into an empty sequence; see `Backend.seq_load`."""
        try:
            cells = [_Cell(token, adapter) for token, adapter in json.loads(state)]
        except (ValueError, TypeError) as error:
            raise EngineError("A saved KV sequence does not fit this model.") from error
        if self._used() + len(cells) > self.n_ctx:
            raise EngineError("A saved KV sequence does not fit the free cells.")
        self._cells[seq_id] = cells

    def compile_grammar(self, gbnf: str) -> ScriptedGrammar:
        """Compile a GBNF grammar; see `ScriptedGrammar`."""
        return ScriptedGrammar(gbnf, self.piece, N_VOCAB, self.spec.eog_ids)

    def abort(self) -> None:
        """Make a running `decode` raise `Aborted`."""
        self._aborted.set()

    def clear_abort(self) -> None:
        """Reset the abort flag."""
        self._aborted.clear()

    def memory(self) -> MemoryAccount:
        """Memory by purpose: zero for all."""
        return MemoryAccount(weights_bytes=0, kv_cache_bytes=0, compute_bytes=0)

    def close(self) -> None:
        """Drop all cells."""
        self._cells.clear()

    def _used(self) -> int:
        return len({id(cell) for cells in self._cells.values() for cell in cells})


def _as_logits(predicted: int | NDArray[np.float32]) -> NDArray[np.float32]:
    if isinstance(predicted, np.ndarray):
        return predicted
    row = np.zeros(N_VOCAB, np.float32)
    row[predicted] = 10.0
    return row
