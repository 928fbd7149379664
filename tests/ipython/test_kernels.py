"""The magics in a kernel process, with a scripted model."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import LIMIT_S, Kernel, started_kernel
from tests.processes import engines_of

ANSWER = "It is a long story. " * 200


def write_script(folder: Path) -> str:
    path = folder / "script.json"
    path.write_text(json.dumps({"quick\nassistant\n": "x = 1", "slow\nassistant\n": ANSWER, "$batch_ms": 5}))
    return f"scripted:{path}"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    with started_kernel(NANO_LSP_MODEL=write_script(folder), NANO_LSP_HOME=str(folder / "home")) as started:
        yield started


def state(kernel: Kernel) -> tuple[str, ...]:
    parts = ("_", "In", "Out", "sorted(k for k in globals() if not k.startswith('_i'))", "__import__('os').getpid()")
    return tuple(kernel.evaluate(f"repr({part})") for part in parts)


def test_the_kernel_is_the_same_before_and_after(kernel: Kernel) -> None:
    kernel.run("x = 41")
    count = kernel.run("x + 1").reply["execution_count"]
    before = state(kernel)
    for cell in ("%nano ask quick", "%%nano\nquick", "%nano explain In[2]", "%nano status", "%nano nonsense"):
        kernel.run(cell, keep=False)
        assert state(kernel) == before, cell
    assert kernel.run("_").shown == "42"
    assert kernel.run("x").reply["execution_count"] == count + 2


def test_an_answer_is_streamed_into_one_display_and_put_into_the_next_cell(kernel: Kernel) -> None:
    ran = kernel.run("%%nano quick")
    assert ran.next_input == "x = 1"
    assert list(ran.displays.values()) == ["```python\nx = 1\n```"]
    replaced = kernel.run("%%nano -r quick")
    assert [each["replace"] for each in replaced.reply["payload"]] == [True]


def test_an_interrupted_answer_keeps_its_text_and_the_kernel_goes_on(kernel: Kernel) -> None:
    shown: list[str] = []
    begun = threading.Event()

    def on_output(message: dict[str, Any]) -> None:
        text = message["content"].get("data", {}).get("text/markdown")
        if text is None:
            return
        shown.append(text)
        if text.startswith("It is a long story.") and not begun.is_set():
            begun.set()
            kernel.manager.interrupt_kernel()

    reply = kernel.client.execute_interactive("%nano ask slow", timeout=LIMIT_S, output_hook=on_output)
    assert reply["content"]["status"] == "ok"
    assert shown[-1].startswith("It is a long story.")
    assert shown[-1].endswith("*Stopped.*")
    assert len(shown[-1]) < len(ANSWER)
    assert kernel.run("%%nano quick").next_input == "x = 1"


@pytest.mark.skipif(os.name != "posix", reason="engines are looked for by their environment")
def test_an_engine_crash_is_reported_and_the_next_call_works(tmp_path: Path, home: Path) -> None:
    shown: list[str] = []
    said: list[str] = []
    killed = threading.Event()

    def on_output(message: dict[str, Any]) -> None:
        content = message["content"]
        shown.append(content.get("data", {}).get("text/markdown", ""))
        said.append(content.get("text", "") or "\n".join(content.get("traceback", [])))
        if shown[-1].startswith("It is a long story.") and not killed.is_set():
            killed.set()
            (engine,) = engines_of(home)
            engine.kill()

    with started_kernel(NANO_LSP_MODEL=write_script(tmp_path), NANO_LSP_ENGINE="shared") as kernel:
        kernel.run("x = 41")
        process = kernel.evaluate("__import__('os').getpid()")
        reply = kernel.client.execute_interactive("%nano ask slow", timeout=LIMIT_S, output_hook=on_output)
        assert killed.is_set()
        assert reply["content"]["status"] == "error"
        assert "UsageError: The shared engine has gone." in "".join(said)
        assert "Traceback" not in "".join(said)
        assert "nano_lsp/" not in "".join(said)  # no line of ours
        text = [each for each in shown if each][-1]
        assert text.startswith("It is a long story.")  # what had come stays
        assert len(text) < len(ANSWER)
        assert kernel.evaluate("__import__('os').getpid()") == process
        assert kernel.run("x + 1").shown == "42"
        assert kernel.run("%%nano quick").next_input == "x = 1"


def test_a_missing_model_is_reported_in_the_cell(tmp_path: Path) -> None:
    with started_kernel(NANO_LSP_MODEL="nano") as kernel:
        ran = kernel.run("%nano ask hi")
        assert "nano-lsp model pull nano" in ran.shown
        assert "Traceback" not in ran.shown
        assert kernel.run("1 + 1").shown == "2"
