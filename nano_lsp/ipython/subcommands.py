"""The subcommands of `%nano`: each runs a job and displays its result."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nano_lsp.api import docstring_job, read_docstring
from nano_lsp.assistant.checkpoint import Checkpoint
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
from nano_lsp.summarize.summary import Form, Length
from nano_lsp.tasks import Answer, Task

Options = argparse.Namespace
_LANGUAGE = "python"


class MagicCall:
    """One call of a magic; `options.text` is the rest of its line, `body` is empty for a line magic."""

    def __init__(self, name: str, options: Options, body: str, state: ShellState, runner: JobRunner) -> None:
        self.options = options
        self.body = body.strip("\n")
        self.text = "\n".join(part for part in (options.text, self.body) if part.strip())
        self.state = state
        self.runner = runner
        self.display: StreamingDisplay = StreamingDisplay(state.shell, options.format or _FORMS.get(name, TEXT))

    def run_job(self, job: Job[Any], read: Callable[[str], str] | None = None) -> Any:  # noqa: ANN401 - of any job
        """Run a job with streamed output, and return its result."""
        return self.runner.run(job, self.display, read)

    def set_next_input(self, code: str) -> None:
        """Put code into the next cell, or into this one with `--replace`."""
        self.state.shell.set_next_input(code.rstrip("\n"), replace=self.options.replace)

    def notebook_context(self) -> Any:  # noqa: ANN401
        """The parts of the notebook that the options add to the prompt."""
        options = self.options
        return self.state.notebook_context(
            self.text, values=options.values, cells=options.cells, output=options.output, error=options.error
        )

    def require_text(self, what: str) -> str:
        """The text of the line and of the cell.

        Raises:
            DocumentError: The text is empty.
        """
        if not self.text.strip():
            raise DocumentError(f"There is no {what}.", "See `%nano help`.")
        return self.text


def run(name: str, options: Options, body: str, state: ShellState, runner: JobRunner) -> None:
    """Run a subcommand; after an interrupt, the output so far stays.

    Raises:
        NanoError: The subcommand failed.
    """
    call = MagicCall(name, options, body, state, runner)
    try:
        _SUBCOMMANDS[name](call)
    except KeyboardInterrupt:
        call.display.stop()


def _code(call: MagicCall) -> None:
    request = call.require_text("request")
    options = call.options
    job = WriteCell(request, call.notebook_context(), options.think, options.max_tokens)
    cell: CellCode = call.run_job(job, read_code)
    call.display.finish(cell.code, parses=cell.parses)
    if not cell.parses:
        raise DocumentError("The model wrote no valid Python code.", "Rephrase the request, or split it into parts.")
    call.set_next_input(cell.code)


def _complete(call: MagicCall) -> None:
    code = call.body or call.require_text("code")
    cells = [Cell(cell, execution_count=i) for i, cell in enumerate(call.state.cells())]
    text, offset, language = build_notebook_text([*cells, Cell(code)], len(cells), len(code))
    context = "\n".join(call.state.describe_variables(code, values=call.options.values))
    completion_input = CompletionInput("notebook", text, offset, language, context + "\n" if context else "")
    completion = call.run_job(Complete(completion_input))
    if not completion.text.strip():
        raise DocumentError("The model has no completion.", "Write a little more of the code.")
    call.display.finish(code + completion.text)
    call.set_next_input(code + completion.text)


def _explain(call: MagicCall) -> None:
    if call.body:
        code = call.body
    elif call.options.text:
        code = call.state.source(call.options.text)
    else:
        cells = call.state.cells()
        if not cells:
            raise DocumentError("No cell has run yet.", "Name a function, a class or a cell: `%nano explain In[1]`.")
        code = cells[-1]
    call.display.finish(call.run_job(Explain(code, _LANGUAGE), str))


def _doc(call: MagicCall) -> None:
    code = call.state.source(call.require_text("name"))
    docstrings = call.run_job(docstring_job(code, call.options.style))
    if not docstrings:
        raise DocumentError("The docstring is up to date, or the model wrote no valid one.")
    documented = apply_edits(code, [each.edit for each in docstrings])
    call.display.finish(read_docstring(documented), code=documented)
    call.set_next_input(documented)


def _fix(call: MagicCall) -> None:
    code, error = call.state.last_error()
    cell: CellCode = call.run_job(FixCell(code, error), _show_fix)
    if not cell.code:
        call.display.finish(cell.why)
        raise DocumentError("The model found no valid fix.", "Ask about the error: `%nano ask --error …`.")
    call.display.finish(_fixed(cell), code=cell.code, why=cell.why)
    call.set_next_input(cell.code)


def _show_fix(answer: str) -> str:
    return read_fix(answer).code if "```" in answer and read_code(answer) else ""


def _fixed(cell: CellCode) -> str:
    return f"{cell.code}\n\n# {cell.why}" if cell.why else cell.code


def _test(call: MagicCall) -> None:
    code = call.state.source(call.require_text("name"))
    test = call.run_job(WriteTest(code, docstring_job(code, "auto").offset or 0, ""))
    if not test:
        raise DocumentError("The model wrote no valid Python test.", "Try a smaller function.")
    call.display.finish(test.rstrip("\n"))
    call.set_next_input(test)


def _ask(call: MagicCall) -> None:
    question = call.notebook_context().add_to(call.require_text("question"))
    options = call.options
    as_code = options.format == CODE
    answer = call.run_job(Ask(question, as_code, options.think, options.max_tokens), read_code if as_code else str)
    text = read_code(answer.text) if as_code else answer.text
    call.display.finish(text, warnings=list(answer.warnings))


def _summarize(call: MagicCall) -> None:
    source = call.require_text("text to summarize")
    path = Path(source.strip("\"'")).expanduser()
    with tempfile.TemporaryDirectory() as folder:
        if call.body or not _is_file(path):
            text = call.body or _as_text(call.state.evaluate(source), source)
            path = Path(folder) / "text.txt"
            path.write_text(text, encoding="utf-8", errors="replace")
        document = load_document_blocks(path)

    @contextmanager
    def parts(total: int) -> Iterator[Callable[[], None]]:
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            call.display.note(f"Read {done} of {total} parts …")

        yield advance

    n = summary.N_STATEMENTS[Length(call.options.length)]
    found = write_summary(call.run_job, document, n, Checkpoint(None), parts)
    text = summary.render(found.statements, Form.BULLETS).rstrip("\n")
    call.display.finish(text, warnings=[note.text for note in found.notes], left_out=found.n_unsupported)


def _task(call: MagicCall) -> None:
    options = call.options
    data = call.state.evaluate(options.data) if options.data else ""
    choices = tuple(part.strip() for part in options.choice.split(",")) if options.choice else ()
    if choices and options.schema:
        raise SchemaError("The result has several types.", "Give one of --choice and --schema.")
    schema = _read_schema(call) if options.schema else ""
    text = data if type(data) is str else _as_json(data)
    task = Task(
        prompt=call.require_text("task"),
        data=text,
        choices=choices,
        schema=schema,
        think=options.think,
        max_tokens=options.max_tokens,
    )
    task.check()
    answer: Answer = call.run_job(task)
    value = answer.value
    if not isinstance(value, str):
        value = json.dumps(value, indent=2, ensure_ascii=False)
    probabilities = {choice: round(probability, 4) for choice, probability in answer.probabilities.items()}
    call.display.finish(value, value=answer.value, probabilities=probabilities, warnings=list(answer.warnings))


def _model(call: MagicCall) -> None:
    if call.options.text:
        call.runner.switch_model(call.options.text, call.display)
    call.display.finish(reports.models(call.runner.model))


def _help(call: MagicCall) -> None:
    name = call.options.text
    if name and name not in SUBCOMMANDS:
        raise DocumentError(f"There is no subcommand {name!r}.", f"Choose one of: {', '.join(SUBCOMMANDS)}.")
    call.display.finish(help_text(name).rstrip("\n"))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # not a valid path
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
            f"The data cannot be converted to JSON: {error}.", "Convert it to text: --data str(x)"
        ) from error


def _read_schema(call: MagicCall) -> str:
    source = call.options.schema
    path = Path(source).expanduser()
    try:
        value = json.loads(load_document(path).text) if _is_file(path) else call.state.evaluate(source)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{source} is not valid JSON: {error}.", "Correct the file.") from error
    if type(value) is not dict:
        raise SchemaError(f"{source} is not a JSON schema.", 'Give an object such as {"type": "integer"}.')
    return _as_json(value)


_FORMS = {
    **dict.fromkeys(("code", "complete", "test", "fix"), CODE),
    **dict.fromkeys(("explain", "ask", "summarize"), MARKDOWN),
}
_SUBCOMMANDS: dict[str, Callable[[MagicCall], None]] = {
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
    "status": lambda call: call.display.finish(reports.status(call.runner.model, call.runner.engine_status())),
    "stats": lambda call: call.display.finish(reports.statistics()),
    "help": _help,
}
