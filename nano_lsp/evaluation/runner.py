"""Runs an evaluation; each outcome is saved at once, so that an interrupted run can be resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from nano_lsp.code.cursor_context import CompletionInput, find_cursor_context
from nano_lsp.code.file_replacement import replace_file
from nano_lsp.completion.completer import Complete
from nano_lsp.completion.postprocess import PostprocessOptions
from nano_lsp.errors import EvaluationError
from nano_lsp.evaluation.metrics import Outcome, breaks_parse, saved_chars
from nano_lsp.evaluation.problems import Problem
from nano_lsp.evaluation.sandbox import ProgramStatus, run_program
from nano_lsp.schema import Completion

CompletionMethod = Callable[[Problem], Completion]
"""A completion method under evaluation; the text of its result is the text that would be shown."""


def run(
    problems: Sequence[Problem], complete: CompletionMethod, results: Path, conditions: dict[str, object]
) -> Iterator[Outcome]:
    """Complete and measure problems, except for those that the results already contain.

    Args:
        problems: The problems.
        complete: Completes one problem.
        results: JSON lines file of the results; its first line has the conditions.
        conditions: The model and settings of the run; a file with different conditions is refused.

    Yields:
        The outcomes in the order of the problems, including those of earlier runs.

    Raises:
        EvaluationError: The file cannot be written, or its run had different conditions.
    """
    try:
        known = _load_or_start(results, conditions)
        with results.open("a", encoding="utf-8") as stream:
            for problem in problems:
                outcome = known.get(problem.name)
                if outcome is None:
                    outcome = measure(problem, complete)
                    print(json.dumps(asdict(outcome)), file=stream, flush=True)
                yield outcome
    except OSError as error:
        raise EvaluationError(
            f"{results} cannot be written: {error.strerror}.", "Give another --results FILE."
        ) from error


def completion_of(problem: Problem, options: PostprocessOptions) -> Complete:
    """The completion of a problem, as an editor requests it."""
    text, offset = problem.prefix + problem.suffix, len(problem.prefix)
    language = problem.file_language.name
    completion_input = CompletionInput(problem.file_name, text, offset, language, problem.imported)
    return Complete(completion_input, options, speculative=False)


def load_outcomes(results: Path) -> list[Outcome]:
    """Load the outcomes of a run, without an incomplete last line.

    Raises:
        EvaluationError: The file cannot be read or has other content.
    """
    try:
        lines = results.read_text(encoding="utf-8").split("\n")
        json.loads(lines[0])["conditions"]
        return [Outcome(**json.loads(line)) for line in lines[1:-1] if line]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EvaluationError(
            f"{results} does not contain evaluation results: {error}.", "Give a file that `nano-lsp eval` wrote."
        ) from error


def measure(problem: Problem, complete: CompletionMethod) -> Outcome:
    """Complete one problem and compute its metrics."""
    started = time.perf_counter()
    completion = complete(problem)
    latency_ms = (time.perf_counter() - started) * 1e3
    document, language = problem.prefix + problem.suffix, problem.language
    cursor = find_cursor_context(document, len(problem.prefix), language, problem.parse(document))
    text = completion.text
    filled = problem.prefix + text + problem.suffix
    line = problem.reference.split("\n", 1)[0].rstrip()
    counters = completion.counters
    return Outcome(
        name=problem.name,
        kind=problem.kind,
        cursor_kind=cursor.kind.value,
        text=text,
        exact=text.rstrip() == problem.reference.rstrip(),
        passed=run_program(filled + problem.test) is ProgramStatus.PASSED if problem.test else None,
        reference_chars=len(line),
        saved_chars=saved_chars(text.split("\n", 1)[0].rstrip(), line),
        broken=breaks_parse(problem, text),
        prompt_tokens=counters.prompt_tokens,
        evaluated_tokens=counters.evaluated_tokens,
        generated_tokens=counters.generated_tokens,
        latency_ms=latency_ms,
        confidence=round(completion.confidence, 4),
        document=problem.document,
        language=language.name,
        unused_chars=len(text.rstrip()) - saved_chars(text.rstrip(), problem.reference.rstrip()),
    )


def _load_or_start(results: Path, conditions: dict[str, object]) -> dict[str, Outcome]:
    header = json.dumps({"conditions": conditions})
    if not results.exists() or not results.stat().st_size:
        results.parent.mkdir(parents=True, exist_ok=True)
        replace_file(results, f"{header}\n")
        return {}
    outcomes = load_outcomes(results)
    content = results.read_text(encoding="utf-8")
    if json.loads(content.split("\n", 1)[0]) != json.loads(header):
        raise EvaluationError(
            f"{results} is from a run with different conditions.", "Give another --results FILE, or remove it."
        )
    if not content.endswith("\n"):  # an incomplete line from an interrupted run
        replace_file(results, content[: content.rfind("\n") + 1])
    return {outcome.name: outcome for outcome in outcomes}
