"""Test doubles: `ScriptedBackend`, a model without weights whose tokens are chosen by a script.

Nothing here imports llama.cpp or reads a model file, so a test needs neither::

    from nano_lsp.inference.generation import Engine, Generation
    from nano_lsp.schema import GenerateParams
    from nano_lsp.testing import ScriptedBackend, reply_script

    def test_a_function_is_completed() -> None:
        backend = ScriptedBackend(reply_script({"def add(a, b):": " return a + b"}))
        prompt = backend.tokenize("def add(a, b):")
        completion = Generation(Engine(backend), "document", prompt, GenerateParams()).run()
        assert completion.text == " return a + b"
        assert backend.evaluated >= len(prompt)

A whole engine, also in a separate process, runs on it if the setting `model` is `scripted:FILE`, with the path of a
JSON file of replies: see `load_script`.
"""

from nano_lsp.testing.scripted_backend import (
    END,
    N_VOCAB,
    SPECIALS,
    WORDS,
    Script,
    ScriptedBackend,
    hashed_script,
    load_script,
    reply_script,
    unsure_script,
)
from nano_lsp.testing.scripted_grammar import ScriptedGrammar

__all__ = [
    "END",
    "N_VOCAB",
    "SPECIALS",
    "WORDS",
    "Script",
    "ScriptedBackend",
    "ScriptedGrammar",
    "hashed_script",
    "load_script",
    "reply_script",
    "unsure_script",
]
