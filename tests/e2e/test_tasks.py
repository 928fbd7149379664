"""Tasks, summaries and docstrings of files on real weights: smol for what always holds, nano for what is sensible."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nano_lsp.chat import CompletePrompt
from nano_lsp.config import find_folders
from nano_lsp.engine.loaded_model import LoadedModel
from nano_lsp.engine.local_assistant import LocalAssistant
from nano_lsp.errors import AnswerCutError
from nano_lsp.schema import GenerateParams
from nano_lsp.settings import Settings
from nano_lsp.summarize.grounding import is_supported
from nano_lsp.tasks import Task, schema_grammar
from nano_lsp.tasks.schema_grammar import validation_error
from tests.documents import as_markdown, pages, write_pdf
from tests.e2e.test_nano import NANO_LSP, run
from tests.processes import without_network
from tests.tasks.test_schema_grammar import schemas

pytestmark = pytest.mark.real
LIMIT_S = 600
QUESTIONS = [
    json.loads(line)["question"]
    for line in (Path(__file__).parents[1] / "data" / "questions.jsonl").read_text("utf-8").splitlines()
]


@pytest.fixture(scope="module")
def smol(smol_file: Path) -> Iterator[LocalAssistant]:
    settings_ = Settings(model=str(smol_file), n_ctx=2048)
    folders = find_folders()
    with LocalAssistant(LoadedModel.load(settings_, folders, lambda *_: None), settings_, folders) as assistant:
        yield assistant


@pytest.mark.timeout(1200)  # 40 requests: 18 s on an idle machine, 300 s on one with six busy programs
@settings(
    max_examples=40,  # hundreds run without weights, in tests/tasks
    phases=[Phase.generate],  # an example takes a second; a smaller one would not tell more
    suppress_health_check=list(HealthCheck),
)
@given(schema=schemas(), question=st.sampled_from(QUESTIONS), limit=st.integers(1, 32))
def test_what_real_weights_say_under_a_schema_validates_or_is_told_to_be_cut(
    smol: LocalAssistant, schema: dict[str, Any], question: str, limit: int
) -> None:
    task = Task(question, schema=json.dumps(schema), max_tokens=limit)
    try:
        answer = smol.run(task)
    except AnswerCutError as error:
        assert error.remedy  # noqa: PT017 - either outcome will do
    else:
        assert validation_error(answer.value, schema) == ""


@pytest.mark.timeout(method="thread")  # llama.cpp runs in this process, as in tests/inference/test_real_engine.py
def test_the_longest_repetitions_are_grammars_that_llama_cpp_takes(smol: LocalAssistant) -> None:
    most = schema_grammar.MAX_REPEATED
    for schema in (
        {"type": "string", "minLength": most},
        {"type": "string", "maxLength": most},
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": most},
        {"type": "array", "items": {"properties": {"a": {"type": "number", "maximum": 7}}}, "maxItems": most},
        {"properties": {f"p{i}": {"type": "integer"} for i in range(60)}},
    ):
        grammar = schema_grammar.compile_schema(schema)
        assert smol.run(CompletePrompt("x", GenerateParams(max_tokens=1, grammar=grammar)))


@pytest.mark.usefixtures("models")
def test_values_from_nano() -> None:
    code = (
        "import dataclasses, nano_lsp\n"
        "from typing import Literal\n"
        "@dataclasses.dataclass\n"
        "class Bill:\n    shop: str\n    total: float\n    kind: Literal['food', 'tools']\n"
        "text = 'Bakery Miller, 2 rolls 1.60, 1 bread 4.20, total 5.80 EUR'\n"
        "print(nano_lsp.run_task('Read this bill.', text, Bill))\n"
        "print(nano_lsp.run_task('Which language is it?', 'SELECT name FROM users', choices=['Python', 'SQL']))\n"
        "print(nano_lsp.run_task('List the functions that are called.', 'x = f(g(1)); h()', list[str]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout.splitlines() == [
        "Bill(shop='Bakery Miller', total=5.8, kind='food')",
        "SQL",
        "['f', 'g', 'h']",
    ]


@pytest.mark.timeout(3 * LIMIT_S)  # the summary alone may take two
@pytest.mark.usefixtures("models")
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_twenty_pages_killed_in_the_middle_and_gone_on_with(tmp_path: Path, home: Path) -> None:
    """A small context makes many chunks of a report that is quick to read."""
    file, out = tmp_path / "report.pdf", tmp_path / "summary.json"
    write_pdf(file, pages(20, paragraphs=1))
    texts = [page.extract_text().replace("\n", " ") for page in pypdf.PdfReader(file).pages]
    assert len(texts) == 20
    command = [*NANO_LSP, "summarize", str(file), "--json", "--output", str(out), "--n-ctx", "2048"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith(b"parts: 3 of"):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    assert not out.exists()
    kept = next((home / "cache" / "summaries").iterdir())
    done = kept.read_text().splitlines()
    assert len(done) >= 3
    subprocess.run(command, check=True, timeout=2 * LIMIT_S, capture_output=True)
    found = json.loads(out.read_text())["statements"]
    assert 0 < len(found) <= 12
    for each in found:
        page = texts[int(each["place"].removeprefix("p. ")) - 1]
        numbers = re.findall(r"\d+", each["statement"])
        assert set(numbers) <= set(re.findall(r"\d+", page)), each
        assert is_supported(page, each["statement"])
    assert not kept.exists()


@pytest.mark.usefixtures("models")
@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux")
def test_everything_works_without_a_network(tmp_path: Path) -> None:
    prefix = without_network()
    said = run(
        "task", "Which language is it?", "--data", "fn main() {}", "--choice", "Python,Rust,SQL", prefix=prefix
    )
    assert said == "Rust\n"
    document = tmp_path / "report.md"
    document.write_text(as_markdown(pages(2, paragraphs=2)))
    found = json.loads(run("summarize", str(document), "--length", "short", "--json", prefix=prefix))["statements"]
    assert found
    for each in found:
        assert is_supported(each["text"], each["statement"])
        assert each["text"][:40] in document.read_text().splitlines()[int(each["place"].removeprefix("line ")) - 1]
    source = tmp_path / "a.py"
    source.write_text("def area(width, height):\n    return width * height\n")
    run("docstring", str(source), "--write", prefix=prefix)
    assert "Returns:" in source.read_text()
    assert "TODO" not in source.read_text()
    checked = subprocess.run([*NANO_LSP, "docstring", str(source), "--check"], check=False, timeout=LIMIT_S)
    assert checked.returncode == 0
    assert "area" in run("explain", f"{source}::area", prefix=prefix) or "width" in run("explain", str(source))
