"""The magics in an IPython shell in this process, with a scripted model."""

from __future__ import annotations

import atexit
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nano_lsp.api import close_assistants
from nano_lsp.assistant.fences import extract_code, fenced, text_after_code
from nano_lsp.edits.cells import NotebookContext
from nano_lsp.ipython.arguments import parse
from nano_lsp.ipython.completer import find_completions

interactiveshell = pytest.importorskip("IPython.core.interactiveshell", reason="pip install 'nano-lsp[jupyter]'")
Say = Callable[[dict[str, str]], None]
FIX = "```python\nx = 1 + 1\n```\n\nWhy: one was missing. More words."


class Shell:
    """An IPython shell without a terminal."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.ip = interactiveshell.InteractiveShell()
        self.ip.history_manager.enabled = False
        self.ip.colors = "nocolor"
        self._capsys = capsys
        self.replaced = False
        self.next = ""
        self.ip.set_next_input = self._set_next_input

    def _set_next_input(self, text: str, replace: bool = False) -> None:
        self.next, self.replaced = text, replace

    def run(self, code: str, *, keep: bool = True) -> str:
        """Run a cell and return its output."""
        self._capsys.readouterr()
        self.next = ""
        self.ip.run_cell(code, store_history=keep)
        found = self._capsys.readouterr()
        return re.sub(r"\x1b\[[\d;]*m", "", found.out + found.err)


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Say]:
    """Sets the answers of the scripted model, by the ends of prompts."""

    def write(replies: dict[str, str]) -> None:
        close_assistants()
        path = tmp_path / "script.json"
        path.write_text(json.dumps(replies))
        monkeypatch.setenv("NANO_LSP_MODEL", f"scripted:{path}")

    yield write
    close_assistants()


@pytest.fixture
def shell(say: Say, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    say({"assistant\n": "Hello there."})
    monkeypatch.delattr(sys, "last_value", raising=False)
    made = Shell(capsys)
    assert made.run("%load_ext nano_lsp") == ""
    yield made
    made.run("%unload_ext nano_lsp")
    assert "not found" in made.run("%nano help")
    atexit.unregister(made.ip.atexit_operations)  # a garbage collection for each shell, a second at the end of a run


def listen(monkeypatch: pytest.MonkeyPatch) -> list[NotebookContext]:
    """Records the notebook context of questions."""
    told: list[NotebookContext] = []

    def add_to(notebook: NotebookContext, question: str) -> str:
        told.append(notebook)
        return question

    monkeypatch.setattr(NotebookContext, "add_to", add_to)
    return told


@pytest.mark.parametrize("cell", ["%%nano a number x", "%%nano\na number x", "%nano code a number x"])
def test_code_goes_into_the_next_cell_and_is_not_run(shell: Shell, say: Say, cell: str) -> None:
    say({"a number x\nassistant\n": "```python\nx = 1\n```"})
    assert shell.run(cell).strip() == "x = 1"
    assert (shell.next, shell.replaced) == ("x = 1", False)
    assert "x" not in shell.ip.user_ns
    shell.run(cell.replace("%%nano", "%%nano -r").replace("code", "code -r"))
    assert shell.replaced == ("-r" in cell.replace("%%nano", "-r").replace("code", "-r"))


def test_invalid_python_is_resampled_and_not_offered(shell: Shell, say: Say) -> None:
    say({"assistant\n": "x = = 1"})
    assert "wrote no valid Python code" in shell.run("%%nano a number")
    assert shell.next == ""


def test_formats(shell: Shell) -> None:
    assert shell.run("%nano ask --format=text hi") == "Hello there.\n"
    assert shell.run("%nano ask -f markdown hi") == "Hello there.\n"
    assert json.loads(shell.run("%nano ask -f json hi"))["text"] == "Hello there."
    assert "invalid choice" in shell.run("%nano ask -f pdf hi")


def test_expressions_are_replaced_by_their_values(shell: Shell, say: Say) -> None:
    below = "{n} and {n + 1}?"
    say({f"{text}\nassistant\n": "Yes." for text in ("is 41 prime?", "is 7 local?", below)})
    shell.run("n = 41")
    assert shell.run("%nano ask is {n} prime?") == "Yes.\n"
    assert "Yes.\n" in shell.run("%%nano ask is {n} prime?")
    assert shell.run("def f(m):\n    %nano ask is $m local?\nf(7)") == "Yes.\n"
    assert shell.run(f"%%nano ask\n{below}") == "Yes.\n"  # as it was typed


def test_mentioned_variables_are_described_without_values(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = listen(monkeypatch)
    shell.run("rows = [1, 2, 3]\nother = 1\npassword = 'hunter2'")
    shell.run("%nano ask what are rows and the password?")
    shell.run("%nano ask --values what are rows and the password?")
    assert asked[0].kernel_variables == ("rows: list  # of 3 int", "password: str  # masked")
    assert asked[1].kernel_variables == ("rows: list = [1, 2, 3]", "password: str  # masked")


def test_cells_output_and_error_are_in_the_prompt_on_request(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    told = listen(monkeypatch)
    shell.run("a = 1")
    shell.run("a + 1")
    shell.run("1 / 0")
    shell.run("%nano ask hi")
    assert (told[0].cells, told[0].output, told[0].error) == ((), "", "")
    shell.run("%nano ask --in --out --error hi")
    assert told[1].cells == ("a = 1", "a + 1", "1 / 0")
    assert told[1].output == "Out[3]: int = 2"
    assert told[1].error.endswith("ZeroDivisionError: division by zero")


def test_fix(shell: Shell, say: Say) -> None:
    assert "no error to fix" in shell.run("%nano fix")
    shell.run("x = 1 +")
    shell.run("%nano nonsense")  # an error of the magics is none to fix
    say({"assistant\n": FIX})
    assert shell.run("%nano fix").strip() == "x = 1 + 1\n\n# one was missing."
    assert shell.next == "x = 1 + 1"
    shell.run("x = 1 + 1\ny = z")
    say({"assistant\n": "```python\nx = 1 + 1\ny = z\n```\nWhy: z is missing."})
    assert "found no valid fix" in shell.run("%nano fix")
    assert shell.next == ""


def test_the_prompt_of_a_fix_is_the_code_that_raised_and_its_error(shell: Shell, say: Say) -> None:
    shell.run("secret_plan = 'hunter2'")
    shell.run("def half(x):\n    return x / 0")
    shell.run("half(1)")
    from nano_lsp.ipython.magics import NanoMagics  # noqa: PLC0415 - needs IPython

    magics = shell.ip.magics_manager.registry[NanoMagics.__name__]
    code, error = magics._state.last_error()
    assert code.strip() == "def half(x):\n    return x / 0"
    assert error == "line 1: half(1)\nline 2: return x / 0\nZeroDivisionError: division by zero"


def test_explain(shell: Shell, say: Say) -> None:
    shell.run("def f(x):\n    return x")
    shell.run("class A:\n    limit = 3")
    for what in ("f", "A", "cell In[2]", "In[2]", "", "A.limit"):
        said = shell.run(f"%nano explain {what}")
        assert ("Hello there." in said) == (what != "A.limit"), what
    assert "Hello there." in shell.run("%%nano explain\nx = 1")


def test_doc_and_test(shell: Shell, say: Say) -> None:
    shell.run("def double(number):\n    return 2 * number")
    say({'"""': "Doubles a number.", "number: ": "To double.", "Returns:\n    ": "The double."})
    said = shell.run("%nano doc double --style google")
    assert shell.next.startswith('def double(number):\n    """')
    assert shell.next.endswith("return 2 * number")
    assert said.strip()
    say({"assistant\n": "def test_double():\n    assert double(2) == 4"})
    assert "def test_double" in shell.run("%nano test double")
    assert shell.next.endswith("test_double()")


def test_complete(shell: Shell, say: Say) -> None:
    say({"def one():": "\n    return 1\n"})
    shell.run("%nano complete def one():")
    assert shell.next == "def one():\n    return 1"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ask what does pip install -e . do", "what does pip install -e . do"),
        ("ask --think what  does --in do", "what  does --in do"),
        ("ask -- --think is an option of what", "--think is an option of what"),
        ("ask why 'is it \"so", "why 'is it \"so"),
        ('complete print("a  b")', 'print("a  b")'),
        ('complete print(f"{n} of {{x}} for $price")', 'print(f"{n} of {{x}} for $price")'),
        ("complete -x + --y", "-x + --y"),
        ("task --choice a,b -e or -x", "-e or -x"),
    ],
)
def test_a_text_is_what_was_typed(line: str, text: str) -> None:
    assert parse(*line.split(" ", 1)).text == text


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("doc --style numpy load", ("load", "numpy")),
        ("doc load --style numpy", ("load", "numpy")),
        ("doc --style='numpy' load", ("load", "numpy")),
        ("doc load -style", ("load -style", "auto")),
    ],
)
def test_options_come_first_or_after_a_name(line: str, found: tuple[str, str]) -> None:
    options = parse(*line.split(" ", 1))
    assert (options.text, options.style) == found


def test_an_option_within_a_text_is_noted(shell: Shell) -> None:
    assert "Options come first: %nano ask --think" in shell.run("%nano ask is it so --think")
    assert "not an option of `ask`" in shell.run("%nano ask --thnk is it so")
    assert shell.run("%nano ask -- --think is it so") == "Hello there.\n"


@pytest.mark.parametrize("code", ['print(f"{n} of {{x}}")', 'x = f"{n} costs $price"', 'a = r"\\d{n}"\n\nb("a  b")'])
def test_code_is_not_expanded(shell: Shell, say: Say, code: str) -> None:
    say({code: "  # done"})
    shell.run("n, price = 3, 9")
    shell.run(f"%%nano complete\n{code}")
    assert shell.next == code + "  # done"
    if "\n" not in code:
        shell.run(f"%nano complete {code}")
        assert shell.next == code + "  # done"


@pytest.mark.parametrize(
    "request_",
    [
        "fix the dates in df",
        "test whether df has missing values",
        "summarize the sales of each city",
        "complete the table with the missing rows",
        "explain in a comment what df holds",
        "doc strings of all functions as a list",
        "model the sales as a line",
        "status of each order as a bar chart",
        "help me to sort df",
    ],
)
@pytest.mark.parametrize("form", ["%%nano {}", "%%nano {}\n", "%%nano {}\nwith care"])
def test_a_request_that_begins_like_a_subcommand(shell: Shell, say: Say, request_: str, form: str) -> None:
    say({"assistant\n": "```python\nx = 1\n```"})
    said = shell.run(form.format(request_))
    assert shell.next == "x = 1"
    assert f"The subcommand is: %nano {request_.split(maxsplit=1)[0]}" in said


def test_a_cell_says_which_subcommand_it_has_run(shell: Shell) -> None:
    shell.run("def slugify(x):\n    return x")
    said = shell.run("%%nano test slugify")
    assert "Running the subcommand test. To request code instead: %%nano code test slugify" in said
    assert "Running the subcommand ask" in shell.run("%%nano ask the user for a number")
    assert shell.run("%%nano explain\nx = 1") == "Hello there.\n"
    assert "no error to fix" in shell.run("%%nano fix")
    assert "%nano SUBCOMMAND" in shell.run("%%nano")


def test_a_question_in_a_string_is_unchanged(shell: Shell) -> None:
    shell.run("text = '''\n%nano ask why?\n'''")
    assert shell.ip.user_ns["text"] == "\n%nano ask why?\n"
    assert shell.run("if True:\n    %nano ask why is it so?") == "Hello there.\n"


def test_a_fence_is_longer_than_those_in_the_code() -> None:
    code = 'def f():\n    """Use\n    ```python\n    f()\n    ```\n    """'
    assert fenced(code, "python").startswith("````python\n")
    for answer in (fenced(code), f"Here:\n```python\n{code}\n```\nWhy: it was."):
        assert extract_code(answer) == code
    assert text_after_code(f"```\n{code}\n```\nWhy: it was.") == "\nWhy: it was."
    assert extract_code("```py\nx = 1```\nWhy: so.") == "x = 1"


def test_task_and_summary_of_expressions(shell: Shell) -> None:
    assert "no value" in shell.run("%nano task --data nothing --choice a,b is it?")
    assert "not text" in shell.run("%nano summarize 3")
    assert "not a JSON schema" in shell.run("%nano task --schema [1] x")
    shell.run("x = 1")
    assert shell.run("%nano task --data x --choice a,b is it?").strip() in {"a", "b"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "no subcommand 'nonsense'"),
        ("explain nothing_there", "no name 'nothing_there'"),
        ("explain len", "no Python source"),
        ("explain data", "no source"),
        ("explain In[99]", "no cell In[99]"),
        ("doc made", "is not there"),
        ("doc data --style word", "no source"),
        ("test", "no name"),
        ("ask", "no question"),
        ("ask --max-tokens many hi", "not a number"),
        ("ask --max-tokens", "expected one argument"),
        ("fix the dates in df", "%nano code fix the dates in df"),
        ("status please", "takes no text"),
        ("model unheard", "unheard"),
        ("help unheard", "no subcommand"),
        ("summarize nowhere.md", "no value"),
    ],
)
def test_invalid_input_is_reported_without_a_traceback(shell: Shell, line: str, words: str) -> None:
    shell.run("data = [1]\nexec('def made(): pass')")
    before = dict(shell.ip.user_ns)
    said = shell.run(f"%nano {line}", keep=False)
    assert words in said
    assert "Traceback" not in said
    assert "nano_lsp/" not in said
    assert shell.ip.user_ns == before


def test_code_below_a_subcommand_that_takes_none_is_refused(shell: Shell) -> None:
    assert "`fix` takes no code below it" in shell.run("%%nano fix\nraise ValueError", keep=False)


def test_a_model_that_is_missing_and_one_that_fails(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANO_LSP_MODEL", "nano")
    said = shell.run("%nano ask hi")
    assert "nano-lsp model pull nano" in said
    assert "Traceback" not in said
    monkeypatch.setenv("NANO_LSP_N_CTX", "many")
    assert "n_ctx" in shell.run("%nano status")


@pytest.mark.parametrize("code", ["raise ValueError", "while True: pass"])
def test_objects_whose_code_raises_or_hangs_are_not_touched(shell: Shell, code: str) -> None:
    body = "\n".join(f"    def {name}(self, *_):\n        {code}" for name in ("__repr__", "__len__", "__getattr__"))
    shell.run(f"class Odd:\n{body}\nodd = Odd()")
    for line in ("ask --values what is odd?", "explain odd", "explain Odd", "summarize odd", "code use odd"):
        said = shell.run(f"%nano {line}")
        assert "Traceback" not in said
    assert "Hello there." in shell.run("%nano ask --values --in what is odd?")


def test_a_huge_data_frame_is_described_in_one_line(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas", reason="pip install pandas")
    told = listen(monkeypatch)
    shell.run("import pandas as pd\nimport numpy as np\ndf = pd.DataFrame(np.zeros((200_000, 300)))")
    shell.run("%nano ask what is df?")
    (line,) = told[0].kernel_variables
    assert line.startswith("df: DataFrame  # 200000 rows; columns: 0 float64")
    assert len(line) < 400


def test_nothing_of_the_kernel_changes(shell: Shell) -> None:
    shell.run("x = 1")
    shell.run("x + 1")

    def state() -> tuple[object, ...]:
        manager = shell.ip.history_manager
        return (
            shell.ip.execution_count,
            dict(shell.ip.user_ns),
            list(manager.input_hist_raw),
            list(manager.input_hist_parsed),
            dict(manager.output_hist),
        )

    before = state()
    for line in ("ask hi", "code x", "explain In[2]", "status", "model", "stats", "help", "nonsense", "fix"):
        shell.run(f"%nano {line}", keep=False)
        assert state() == before, line


def test_help(shell: Shell) -> None:
    said = shell.run("%nano help")
    assert said == shell.run("%nano")
    assert "%nano task" in said
    assert "--style" in shell.run("%nano help doc")
    assert "summarize" in shell.ip.magics_manager.magics["line"]["nano"].__doc__


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("%nano ex", ["explain"]),
        ("%nano explain lo", ["load", "look"]),
        ("%nano doc load --st", ["--style"]),
        ("%nano ask -f m", ["markdown"]),
        ("%%nano --th", ["--think"]),
        ("%nano help su", ["summarize"]),
        ("%nano ask wor", []),
    ],
)
def test_completions(line: str, found: list[str]) -> None:
    assert find_completions(line, ["load", "look", "_private"]) == (found if "--th" not in line else [])


def test_the_shell_completes_while_the_magics_are_loaded(shell: Shell) -> None:
    completer = pytest.importorskip("IPython.core.completer")

    def completions() -> list[str]:
        with completer.provisionalcompleter():
            return [each.text for each in shell.ip.Completer.completions("%nano ex", 8)]

    assert completions().count("explain") == 1
    shell.run("%unload_ext nano_lsp")
    assert "explain" not in completions()
    shell.run("%load_ext nano_lsp")
    assert completions().count("explain") == 1
