"""What each subcommand of `%nano` does: the job it stands for, and how its result is shown."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nano_lsp.api.functions import docstring_job, read_docstring
from nano_lsp.assistant.job import Job
from nano_lsp.chat import Ask, Explain
from nano_lsp.code.cursor_context import CompletionInput
from nano_lsp.code.document import apply_edits, load_document
from nano_lsp.code.notebook import Cell, build_notebook_text
from nano_lsp.completion.completer import Complete
from nano_lsp.edits.cells import CellCode, FixCell, WriteCell, read_code, read_fix
from nano_lsp.edits.rewrite import WriteTest
from nano_lsp.errors import DocumentError, SchemaError
from nano_lsp.ipython import reports
from nano_lsp.ipython.arguments import SUBCOMMANDS, help_text
from nano_lsp.ipython.job_runner import JobRunner
from nano_lsp.ipython.shell_state import ShellState
from nano_lsp.ipython.streaming_display import CODE, MARKDOWN, TEXT, StreamingDisplay
from nano_lsp.summarize import summary
from nano_lsp.summarize.loaders import load_document_blocks
from nano_lsp.summarize.pipeline import write_summary
from nano_lsp.summarize.progress import Progress
from nano_lsp.summarize.summary import Form, Length
from nano_lsp.tasks import Answer, Task

Options = argparse.Namespace
_LANGUAGE = "python"


class Run:
    """One call of a magic.

    Args:
        name: of the subcommand.
        options: of it; `text` is what is none.
        body: of the cell; empty for a line.
        kernel: that it is in.
        work: carries out jobs.
    """

    def __init__(self, name: str, options: Options, body: str, kernel: ShellState, work: JobRunner) -> None:
        self.options = options
        self.body = body.strip("\n")
        self.text = "\n".join(part for part in (options.text, self.body) if part.strip())
        self.kernel = kernel
        self.work = work
        self.showing = StreamingDisplay(kernel.shell, options.format or _FORMS.get(name, TEXT))

    def ask(self, job: Job[Any], read: Callable[[str], str] | None = None) -> Any:  # noqa: ANN401 - of any job
        """The result of a job, shown while it grows."""
        return self.work.run(job, self.showing, read)

    def offer(self, code: str) -> None:
        """Put code where the user can run it."""
        self.kernel.shell.set_next_input(code.rstrip("\n"), replace=self.options.replace)

    def surroundings(self) -> Any:  # noqa: ANN401
        """What a question may know of the notebook."""
        asked = self.options
        return self.kernel.surroundings(
            self.text, values=asked.values, cells=asked.cells, output=asked.output, error=asked.error
        )

    def need_text(self, what: str) -> str:
        """The text of the line and of the cell.

        Raises:
            DocumentError: there is none.
        """
        if not self.text.strip():
            raise DocumentError(f"There is no {what}.", "See `%nano help`.")
        return self.text


def run(name: str, options: Options, body: str, kernel: ShellState, work: JobRunner) -> None:
    """Carry out a subcommand; interrupted, what it has shown stays.

    Raises:
        NanoError: it does not come off.
    """
    asked = Run(name, options, body, kernel, work)
    try:
        _RUNS[name](asked)
    except KeyboardInterrupt:
        asked.showing.stop()


def _code(asked: Run) -> None:
    request = asked.need_text("request")
    options = asked.options
    job = WriteCell(request, asked.surroundings(), options.think, options.max_tokens)
    found: CellCode = asked.ask(job, read_code)
    asked.showing.finish(found.code, parses=found.parses)
    if not found.parses:
        raise DocumentError("The model has no code for this that is Python.", "Say it in other words, or in parts.")
    asked.offer(found.code)


def _complete(asked: Run) -> None:
    code = asked.body or asked.need_text("code")
    cells = [Cell(cell, execution_count=i) for i, cell in enumerate(asked.kernel.cells())]
    text, offset, language = build_notebook_text([*cells, Cell(code)], len(cells), len(code))
    live = "\n".join(asked.kernel.live(code, values=asked.options.values))
    found = asked.ask(Complete(CompletionInput("notebook", text, offset, language, live + "\n" if live else "")))
    if not found.text.strip():
        raise DocumentError("The model has nothing to add.", "Write a little more of it.")
    asked.showing.finish(code + found.text)
    asked.offer(code + found.text)


def _explain(asked: Run) -> None:
    if asked.body:
        code = asked.body
    elif asked.options.text:
        code = asked.kernel.source(asked.options.text)
    else:
        cells = asked.kernel.cells()
        if not cells:
            raise DocumentError("No cell has run yet.", "Name a function, a class or a cell: `%nano explain In[1]`.")
        code = cells[-1]
    asked.showing.finish(asked.ask(Explain(code, _LANGUAGE), str))


def _doc(asked: Run) -> None:
    code = asked.kernel.source(asked.need_text("name"))
    found = asked.ask(docstring_job(code, asked.options.style))
    if not found:
        raise DocumentError("The docstring that is there holds, or the model has none that does.")
    documented = apply_edits(code, [each.edit for each in found])
    asked.showing.finish(read_docstring(documented), code=documented)
    asked.offer(documented)


def _fix(asked: Run) -> None:
    code, error = asked.kernel.last_error()
    found: CellCode = asked.ask(FixCell(code, error), _show_fix)
    if not found.code:
        asked.showing.finish(found.why)
        raise DocumentError("The model has no correction that holds.", "Ask about it: `%nano ask --error …`.")
    asked.showing.finish(_fixed(found), code=found.code, why=found.why)
    asked.offer(found.code)


def _show_fix(answer: str) -> str:
    return read_fix(answer).code if "```" in answer and read_code(answer) else ""


def _fixed(found: CellCode) -> str:
    return f"{found.code}\n\n# {found.why}" if found.why else found.code


def _test(asked: Run) -> None:
    code = asked.kernel.source(asked.need_text("name"))
    test = asked.ask(WriteTest(code, docstring_job(code, "auto").offset or 0, ""))
    if not test:
        raise DocumentError("The model has no test that is Python.", "Try a smaller function.")
    asked.showing.finish(test.rstrip("\n"))
    asked.offer(test)


def _ask(asked: Run) -> None:
    question = asked.surroundings().tell(asked.need_text("question"))
    options = asked.options
    form = options.format == CODE
    found = asked.ask(Ask(question, form, options.think, options.max_tokens), read_code if form else str)
    text = read_code(found.text) if form else found.text
    asked.showing.finish(text, warnings=list(found.warnings))


def _summarize(asked: Run) -> None:
    source = asked.need_text("text to summarize")
    path = Path(source.strip("\"'")).expanduser()
    with tempfile.TemporaryDirectory() as folder:
        if asked.body or not _is_file(path):
            text = asked.body or _as_text(asked.kernel.evaluate(source), source)
            path = Path(folder) / "text.txt"
            path.write_text(text, encoding="utf-8", errors="replace")
        document = load_document_blocks(path)

    @contextmanager
    def parts(total: int) -> Iterator[Callable[[], None]]:
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            asked.showing.note(f"Read {done} of {total} parts …")

        yield advance

    n = summary.N_STATEMENTS[Length(asked.options.length)]
    found = write_summary(asked.ask, document, n, Progress(None), parts)
    text = summary.render(found.statements, Form.BULLETS).rstrip("\n")
    asked.showing.finish(text, warnings=[note.text for note in found.notes], left_out=found.n_unsupported)


def _task(asked: Run) -> None:
    options = asked.options
    data = asked.kernel.evaluate(options.data) if options.data else ""
    choices = tuple(part.strip() for part in options.choice.split(",")) if options.choice else ()
    if choices and options.schema:
        raise SchemaError("The result has several types.", "Give one of --choice and --schema.")
    schema = _read_schema(asked) if options.schema else ""
    text = data if type(data) is str else _as_json(data)
    task = Task(asked.need_text("task"), text, choices, schema, options.think, options.max_tokens)
    task.check()
    found: Answer = asked.ask(task)
    value = found.value if isinstance(found.value, str) else json.dumps(found.value, indent=2, ensure_ascii=False)
    sure = {choice: round(probability, 4) for choice, probability in found.probabilities.items()}
    asked.showing.finish(value, value=found.value, probabilities=sure, warnings=list(found.warnings))


def _model(asked: Run) -> None:
    if asked.options.text:
        asked.work.use(asked.options.text, asked.showing)
    asked.showing.finish(reports.models(asked.work.model))


def _status(asked: Run) -> None:
    asked.showing.finish(reports.status(asked.work.model, asked.work.engine_status()))


def _stats(asked: Run) -> None:
    asked.showing.finish(reports.statistics())


def _help(asked: Run) -> None:
    name = asked.options.text
    if name and name not in SUBCOMMANDS:
        raise DocumentError(f"There is no subcommand {name!r}.", f"Choose one of: {', '.join(SUBCOMMANDS)}.")
    asked.showing.finish(help_text(name).rstrip("\n"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no path at all
        return False


def _as_text(value: object, name: str) -> str:
    if type(value) is str:
        return value
    if type(value) in {list, tuple} and all(type(each) is str for each in value):  # type: ignore[attr-defined]
        return "\n\n".join(value)  # type: ignore[arg-type]
    kind = type.__dict__["__name__"].__get__(type(value))
    raise DocumentError(f"{name} is of type {kind}, not text.", "Give a text, a list of texts, or a file.")


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DocumentError(
            f"The data is no text and no JSON: {error}.", "Turn it into text: --data str(x)"
        ) from error


def _read_schema(asked: Run) -> str:
    source = asked.options.schema
    path = Path(source).expanduser()
    try:
        value = json.loads(load_document(path).text) if _is_file(path) else asked.kernel.evaluate(source)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{source} is no JSON: {error}.", "Correct the file.") from error
    if type(value) is not dict:
        raise SchemaError(f"{source} is no JSON schema.", 'It is an object such as {"type": "integer"}.')
    return _as_json(value)


_FORMS = {"code": CODE, "complete": CODE, "test": CODE, "explain": MARKDOWN, "fix": CODE, "ask": MARKDOWN}
_FORMS["summarize"] = MARKDOWN
_RUNS: dict[str, Callable[[Run], None]] = {
    "code": _code,
    "complete": _complete,
    "explain": _explain,
    "doc": _doc,
    "fix": _fix,
    "test": _test,
    "ask": _ask,
    "summarize": _summarize,
    "task": _task,
    "model": _model,
    "status": _status,
    "stats": _stats,
    "help": _help,
}
