"""`ApproximateTokenizer`, for a model on another server: text is split into pieces about as long as tokens of code.

So token budgets hold approximately. The server receives a prompt as text, in which it parses `<|name|>` as control
tokens: user text of that form is escaped.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence

from nano_lsp.schema import FimTokens, ModelSpec

_PIECE = re.compile(r"\n+|[ \t]+| ?[^\W\d_]{1,6}|\d{1,3}|\s|.", re.DOTALL)
_CONTROL = re.compile(r"<(?=\|\w+\|>)|<(?=(?:fim_|file_sep|repo_name|\uff5c))")
# Fill-in-the-middle tokens by a part of the model's name, from the model cards: prefix, suffix, middle.
_FIM = (
    ("starcoder", ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")),
    ("granite", ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")),
    ("deepseek", ("<\uff5cfim\u2581begin\uff5c>", "<\uff5cfim\u2581hole\uff5c>", "<\uff5cfim\u2581end\uff5c>")),
    ("", ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")),
)
_CHAT = ("<|im_start|>", "<|im_end|>")


class ApproximateTokenizer:
    """Splits text into numbered pieces; see `nano_lsp.inference.backend.Tokenizer`. Thread-safe."""

    def __init__(self, model: str, n_ctx: int) -> None:
        self._lock = threading.Lock()
        self._pieces: list[str] = []
        self._ids: dict[str, int] = {}
        names = next(names for part, names in _FIM if part in model.lower())
        self._controls = [*names, *_CHAT]
        prefix, suffix, middle, *_ = (self.intern(name) for name in self._controls)
        self.spec = ModelSpec(
            name=model,
            fingerprint=model,
            n_vocab=1 << 30,
            n_ctx=n_ctx,
            n_batch=n_ctx,
            n_seq_max=1,
            eog_ids=frozenset(),
            bos_id=None,
            fim=FimTokens(prefix, suffix, middle),
            chat_template=None,
        )

    def tokenize(self, text: str, *, parse_special: bool = False) -> list[int]:
        """Ids of the pieces of a text."""
        parts = re.split(f"({'|'.join(map(re.escape, self._controls))})", text) if parse_special else [text]
        return [self.intern(piece) for part in parts for piece in self._split(part)]

    def piece(self, token: int) -> bytes:
        """Bytes of a piece; empty for control tokens."""
        return b"" if token < len(self._controls) else self._pieces[token].encode("utf-8", "replace")

    def text(self, tokens: Sequence[int]) -> str:
        """Text of a prompt as the server expects it: user text with control tokens escaped."""
        parts: list[str] = []
        pieces: list[str] = []
        for token in tokens:
            if token < len(self._controls):
                parts += [_escape("".join(pieces)), self._pieces[token]]
                pieces = []
            else:
                pieces.append(self._pieces[token])
        return "".join([*parts, _escape("".join(pieces))]).encode("utf-8", "replace").decode()

    def intern(self, piece: str) -> int:
        """Id of a piece; a new piece gets the next number."""
        with self._lock:
            number = self._ids.setdefault(piece, len(self._pieces))
            if number == len(self._pieces):
                self._pieces.append(piece)
            return number

    def _split(self, text: str) -> Iterable[str]:
        return [text] if text in self._controls else _PIECE.findall(text)


def _escape(text: str) -> str:
    return _CONTROL.sub("< ", text)
