"""GBNF grammars for `ScriptedBackend`: a byte-wise implementation of llama.cpp's grammar format.

A state is the set of stacks of symbols that may follow, as in llama.cpp's own engine (its `grammars/README.md`
describes the format). Left recursion is not supported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from nano_lsp.errors import GrammarError

_Symbol: TypeAlias = "frozenset[int] | str"  # bytes that may stand here, or a rule's name
_Stack: TypeAlias = "tuple[_Symbol, _Stack] | None"

_ASCII = frozenset(range(1, 128))
_CONTINUED = frozenset(range(0x80, 0xC0))
_BEYOND_ASCII: list[list[_Symbol]] = [  # well-formed UTF-8 (the Unicode standard, table 3-7)
    [frozenset(range(0xC2, 0xE0)), _CONTINUED],
    [frozenset({0xE0}), frozenset(range(0xA0, 0xC0)), _CONTINUED],
    [frozenset({*range(0xE1, 0xED), 0xEE, 0xEF}), _CONTINUED, _CONTINUED],
    [frozenset({0xED}), frozenset(range(0x80, 0xA0)), _CONTINUED],
    [frozenset({0xF0}), frozenset(range(0x90, 0xC0)), _CONTINUED, _CONTINUED],
    [frozenset(range(0xF1, 0xF4)), _CONTINUED, _CONTINUED, _CONTINUED],
    [frozenset({0xF4}), frozenset(range(0x80, 0x90)), _CONTINUED, _CONTINUED],
]
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_TOKEN = re.compile(
    r'\s*(?:(?P<literal>"(?:[^"\\]|\\.)*")|(?P<set>\[(?:[^\]\\]|\\.)*\])|(?P<name>[\w-]+)(?P<defines>\s*::=)?'
    r"|(?P<repeat>[*+?]|\{\d+(?:,\d*)?\})|(?P<mark>[()|.]))"
)


class ScriptedGrammar:
    """State of a GBNF grammar after the accepted tokens; implements `nano_lsp.inference.backend.Grammar`.

    Args:
        gbnf: Text of the grammar.
        piece: Function from a token id to its bytes.
        n_vocab: Size of the vocabulary.
        ends: Ids of end tokens.

    Raises:
        GrammarError: The grammar cannot be parsed.
    """

    def __init__(self, gbnf: str, piece: Callable[[int], bytes], n_vocab: int, ends: frozenset[int]) -> None:
        self._rules: dict[str, list[list[_Symbol]]] = {}
        self._piece, self._n_vocab, self._ends = piece, n_vocab, ends
        single = [token for token in range(n_vocab) if len(piece(token)) == 1]
        self._of_one_byte = np.asarray(single, np.intp)
        self._their_bytes = np.asarray([piece(token)[0] for token in single], np.intp)
        self._others = [token for token in range(n_vocab) if len(piece(token)) != 1]
        try:
            self._parse(gbnf)
            self.reset()
        except (KeyError, IndexError, ValueError, RecursionError) as error:
            raise GrammarError(
                "The grammar cannot be parsed.", 'Write GBNF with a rule named root: root ::= "a" | "b".'
            ) from error

    def allows(self, token: int) -> bool:
        """Whether the grammar allows the token next."""
        if token in self._ends:
            return None in self._stacks
        return bool(self._piece(token)) and bool(self._after(self._piece(token)))

    def mask(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """A copy of the logits, shape (n_vocab,), with -inf for each token that the grammar rules out."""
        begins = np.zeros(256, bool)
        for stack in self._stacks:
            if stack and not isinstance(stack[0], str):
                begins[list(stack[0])] = True
        allowed = np.zeros(self._n_vocab, bool)
        allowed[self._of_one_byte] = begins[self._their_bytes]
        for token in self._others:
            allowed[token] = self.allows(token)
        return np.where(allowed, logits, -np.inf).astype(np.float32)

    def accept(self, token: int) -> None:
        """Advance past a token that `allows` has allowed."""
        self._stacks = self._after(self._piece(token))

    def reset(self) -> None:
        """Return to the start of the grammar."""
        self._stacks = self._expand([("root", None)])

    def _after(self, data: bytes) -> set[_Stack]:
        stacks = self._stacks
        for byte in data:
            stacks = self._expand([stack[1] for stack in stacks if stack and byte in stack[0]])
        return stacks

    def _expand(self, stacks: Sequence[_Stack]) -> set[_Stack]:
        """Replace rule names on top of stacks by their alternatives, until sets of bytes are on top."""
        found: set[_Stack] = set()
        pending, seen = list(stacks), set(stacks)
        while pending:
            stack = pending.pop()
            if stack is None or not isinstance(stack[0], str):
                found.add(stack)
                continue
            for symbols in self._rules[stack[0]]:
                longer = stack[1]
                for symbol in reversed(symbols):
                    longer = (symbol, longer)
                if longer not in seen:
                    seen.add(longer)
                    pending.append(longer)
        return found

    def _parse(self, gbnf: str) -> None:
        tokens = list(_TOKEN.finditer(gbnf))
        if "".join(found[0] for found in tokens).strip() != gbnf.strip():
            raise ValueError("unknown token")
        at = 0
        while at < len(tokens):
            if not tokens[at]["defines"]:
                raise ValueError("a rule is expected")
            name = tokens[at]["name"]
            self._rules[name], at = self._alternatives(tokens, at + 1)
        for alternatives in list(self._rules.values()):
            for symbol in (symbol for symbols in alternatives for symbol in symbols):
                if isinstance(symbol, str):
                    _ = self._rules[symbol]
        _ = self._rules["root"]

    def _alternatives(self, tokens: list[re.Match[str]], at: int) -> tuple[list[list[_Symbol]], int]:
        alternatives: list[list[_Symbol]] = [[]]
        starts = [0]  # where each symbol of the last alternative begins, for what repeats it
        while at < len(tokens) and not tokens[at]["defines"] and tokens[at]["mark"] != ")":
            token = tokens[at]
            last = alternatives[-1]
            at += 1
            if token["repeat"]:
                item = last[starts[-1] :]
                del last[starts[-1] :]
                last.append(self._repeated(item, *_counts(token["repeat"])))
                continue
            if token["mark"] == "|":
                alternatives.append([])
                starts = [0]
                continue
            starts.append(len(last))
            if token["mark"] == "(":
                inner, at = self._alternatives(tokens, at)
                if tokens[at]["mark"] != ")":
                    raise ValueError("unclosed parenthesis")
                last.append(self._new_rule(inner))
                at += 1
            elif token["literal"]:
                text = "".join(_unescape(token["literal"][1:-1]))
                last.extend(frozenset({byte}) for byte in text.encode())
            elif token["mark"]:
                last.append(self._new_rule([[_ASCII], *_BEYOND_ASCII]))
            elif token["set"]:
                chars = _read_set(token["set"][1:-1])
                inverse = token["set"].startswith("[^")
                last.append(self._new_rule([[chars], *_BEYOND_ASCII]) if inverse else chars)
            else:
                last.append(token["name"])
        return alternatives, at

    def _repeated(self, item: list[_Symbol], low: int, high: int | None) -> str:
        if high is None:
            name = self._new_rule([[]])
            self._rules[name].append([*item, name])
        else:
            name = self._new_rule([[]])
            for _ in range(high - low):
                name = self._new_rule([[], [*item, name]])
        return self._new_rule([[*item * low, name]])

    def _new_rule(self, alternatives: list[list[_Symbol]]) -> str:
        name = f"#{len(self._rules)}"
        self._rules[name] = alternatives
        return name


def _counts(mark: str) -> tuple[int, int | None]:
    if mark in {"*", "+", "?"}:
        return int(mark == "+"), 1 if mark == "?" else None
    low, comma, high = mark[1:-1].partition(",")
    return int(low), int(high) if high else None if comma else int(low)


def _unescape(text: str) -> list[str]:
    found = re.findall(r"\\x([0-9A-Fa-f]{2})|\\(.)|(.)", text, re.DOTALL)
    return [chr(int(code, 16)) if code else _ESCAPES.get(escaped, escaped) or plain for code, escaped, plain in found]


def _read_set(text: str) -> frozenset[int]:
    inverse = text.startswith("^")
    pieces = re.findall(r"\\x[0-9A-Fa-f]{2}|\\.|.", text[inverse:], re.DOTALL)
    chars: set[int] = set()
    i = 0
    while i < len(pieces):
        last = i + 2 if pieces[i + 1 : i + 2] == ["-"] and i + 2 < len(pieces) else i
        chars.update(range(ord(_unescape(pieces[i])[0]), ord(_unescape(pieces[last])[0]) + 1))
        i = last + 1
    return frozenset(_ASCII - chars if inverse else chars & _ASCII)
