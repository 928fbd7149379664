"""One real model for an editor, a kernel's client and the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nano_lsp.assistant.context import ProgressListener
from nano_lsp.assistant.prompts import Message
from nano_lsp.chat import Chat
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.completion.completer import Complete
from nano_lsp.config import find_folders, load_settings
from nano_lsp.engine.client import SharedAssistant
from nano_lsp.engine.endpoint import find_endpoint
from nano_lsp.inference import sampling
from nano_lsp.schema import Completion, GenerateParams
from tests.processes import engines_of, without_network
from tests.raw_client import RawClient

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("models")]
LIMIT_S = 600
TIE = 0.5  # nats, as in tests/inference/test_real_engine.py
SOURCE = Path(sampling.__file__).read_text(encoding="utf-8")
CODE = 'def add(a: int, b: int) -> int:\n    """The sum."""\n    return '


class Begun(ProgressListener):
    """Knows when an answer has begun."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def on_text(self, text: str) -> None:
        if len(text) > 20:
            self.event.set()


@pytest.fixture
def client() -> Iterator[SharedAssistant]:
    with SharedAssistant(find_endpoint(find_folders()), load_settings(), "test") as client:
        yield client


def equal_up_to_a_tie(a: Completion, b: Completion) -> bool:
    """Whether two answers are the same, or part where two tokens were equally good within llama.cpp's rounding."""
    parted = next((i for i, (x, y) in enumerate(zip(a.tokens, b.tokens, strict=False)) if x.id != y.id), None)
    return parted is None or abs(a.tokens[parted].logprob - b.tokens[parted].logprob) < TIE


def test_ghost_text_runs_before_an_explanation_which_says_the_same_in_the_end(client: SharedAssistant) -> None:
    question = (Message("user", f"Explain what this Python code does.\n\n{SOURCE}"),)
    explain = Chat(question, GenerateParams(max_tokens=300, draft=False))
    client.run(explain)  # the prompt is read: in batches of another size numbers round differently
    alone = client.run(explain)
    begun = Begun()
    with ThreadPoolExecutor(1) as pool:
        explaining = pool.submit(client.run, explain, begun)
        assert begun.event.wait(LIMIT_S)
        for i in range(4):
            text = f"# {i}\n{CODE}"
            done = client.run(Complete(CompletionInput(f"{i}.py", text, len(text))))
            assert done.text.startswith("a + b")
        assert not explaining.done()  # it has been waiting meanwhile
        assert equal_up_to_a_tie(explaining.result(LIMIT_S), alone)


def test_an_editor_and_the_command_line_share_a_model_without_a_network(home: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "NANO_LSP_ENGINE": "shared"}
    path = tmp_path / "code.py"
    path.write_text(CODE)
    command = [*without_network(), sys.executable, "-m", "nano_lsp", "complete", f"{path}:3:12", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=LIMIT_S)
    assert json.loads(done.stdout)["text"].startswith("a + b")
    editor = RawClient(home=home, prefix=without_network())  # another namespace: the socket is a file
    try:
        editor.initialize(engine="shared")
        editor.wait_for_state("ready")
        editor.open(CODE)
        assert editor.suggest(2, 2, 11)[0].startswith("a + b")
    finally:
        editor.close()
    assert len(engines_of(home)) == 1
