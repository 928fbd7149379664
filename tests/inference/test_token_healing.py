"""Token healing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nano_lsp.inference.token_healing import mask_unfitting, split_unfinished
from nano_lsp.testing.scripted_backend import N_VOCAB, ScriptedBackend

BACKEND = ScriptedBackend()


def bytes_of(tokens: list[int]) -> bytes:
    return b"".join(BACKEND.piece(token) for token in tokens)


@given(st.text("rets urn()_1\n"))
def test_nothing_is_lost(text: str) -> None:
    prompt = [BACKEND.spec.eog_ids.__iter__().__next__(), *BACKEND.tokenize(text)]
    kept, healed = split_unfinished(prompt, BACKEND.piece)
    assert bytes_of(kept) + healed == text.encode()
    assert kept == prompt[: len(kept)]
    if healed:
        assert not healed.strip(b" ") or healed[-1:] not in b" 1\n"


def test_a_cut_word_is_removed_to_its_boundary() -> None:
    prompt = [*BACKEND.tokenize("x = 1;"), BACKEND.tokenize("re")[0], BACKEND.tokenize("t")[0]]
    kept, healed = split_unfinished(prompt, BACKEND.piece)
    assert (bytes_of(kept), healed) == (b"x = 1;", b"ret")


def test_blanks_are_removed_so_that_a_token_can_contain_the_next_word_too() -> None:
    kept, healed = split_unfinished(BACKEND.tokenize("if x:\n    "), BACKEND.piece)
    assert (bytes_of(kept), healed) == (b"if x:\n", b"    ")


def test_punctuation_is_removed_as_a_token_may_begin_with_it() -> None:
    for text, sign in (("f(", "("), ("x =", "="), ("math.", "."), ("a_", "_"), ("f(((", "(((")):
        assert split_unfinished(BACKEND.tokenize(text), BACKEND.piece)[1] == sign.encode()


def test_numbers_and_line_ends_stay() -> None:
    for text in ("x1", "if x:\n", "\n\n"):
        assert split_unfinished(BACKEND.tokenize(text), BACKEND.piece)[1] == b""


def test_a_word_that_is_the_whole_prompt_or_too_long_stays() -> None:
    assert split_unfinished(BACKEND.tokenize("r"), BACKEND.piece)[1] == b""
    assert split_unfinished(BACKEND.tokenize("; abcdefghij"), BACKEND.piece)[1] == b""


@given(st.text("retun s", min_size=1, max_size=6), st.integers(0, 9))
def test_the_mask_leaves_what_fits_and_nothing_else(text: str, seed: int) -> None:
    data = text.encode()
    logits = np.random.default_rng(seed).normal(size=N_VOCAB).astype(np.float32)
    masked = mask_unfitting(logits, data, BACKEND.piece)
    for token in range(N_VOCAB):
        piece = BACKEND.piece(token)
        fits = bool(piece) and (piece.startswith(data) or data.startswith(piece))
        assert masked[token] == (logits[token] if fits else -np.inf)


def test_an_unlikely_token_is_found_in_a_large_vocabulary() -> None:
    pieces = [b"x"] * 5000 + [b"return"]
    masked = mask_unfitting(np.linspace(9, 0, 5001, dtype=np.float32), b"ret", pieces.__getitem__)
    assert np.flatnonzero(np.isfinite(masked)).tolist() == [5000]
