"""Measures what postprocessing leaves of right answers, without a model, in each language of a folder.

    python -m tests.bench.bench_answers FOLDER [--language go] [--points 300] [--seed 1] [--requested] [--show]

The answer at each cursor point is the text that was removed there, once alone and once followed by the code after it,
as models run on. Whatever is not shown exactly like the removed text, a postprocessing step has cut or dropped.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nano_lsp.code.cursor_context import find_cursor_context
from nano_lsp.completion.postprocess import PostprocessOptions, Postprocessor
from nano_lsp.evaluation.metrics import breaks_parse, group_by
from nano_lsp.evaluation.points import choose_languages, sample_points
from nano_lsp.evaluation.problems import Problem
from nano_lsp.schema import Completion, Counters, FinishReason, Token

_PIECE = re.compile(r"\n[ \t]*| {2,}| ?\w{1,8}| ?[^\w\s]{1,2}|\s")  # about the tokens of a model
_MORE_CHARS = 300  # of the code after the cursor


def show_answer(problem: Problem, answer: str, options: PostprocessOptions) -> str:
    """The text that is shown where the model answers with a text, each token almost certain."""
    document = problem.prefix + problem.suffix
    cursor = find_cursor_context(document, len(problem.prefix), problem.language, problem.parse(document))
    processor, tokens, text = Postprocessor(cursor, options), list[Token](), ""
    pieces = _PIECE.findall(answer)
    for i, piece in enumerate(pieces, 1):
        tokens.append(Token(hash(piece), piece.encode(), -0.01))
        text += piece
        if processor.hook(text, tokens, i == len(pieces)):
            break
    return processor.finish(Completion(text, tuple(tokens), FinishReason.STOP, Counters())).text


def judge(problem: Problem, shown: str) -> str:
    """How the shown text differs from the removed one."""
    shown, right = shown.rstrip(), problem.reference.rstrip()
    if breaks_parse(problem, shown):
        return "broken"
    if shown == right:
        return "exact"
    return "nothing" if not shown else "cut" if right.startswith(shown) else "other"


def measure(problems: Sequence[Problem], options: PostprocessOptions, *, runs_on: bool, show: bool) -> Counter[str]:
    """Numbers of points by how the shown text differs from the removed one."""
    counts: Counter[str] = Counter()
    for problem in problems:
        answer = problem.reference + (problem.suffix[:_MORE_CHARS] if runs_on else "\n")
        shown = show_answer(problem, answer, options)
        found = judge(problem, shown)
        counts[found] += 1
        if show and found != "exact":
            print(f"== {found}: {problem.name}\n{problem.prefix[-200:]}<[{problem.reference}]>{problem.suffix[:150]}")
            print(f"== shown: {shown!r}")
    return counts


def main() -> None:
    """Print a row for each language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", action="append", default=[], help="LSP language id; all by default")
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requested", action="store_true", help="explicitly requested instead of automatic")
    parser.add_argument("--show", action="store_true", help="print each text that is not exact")
    given = parser.parse_args()
    options = PostprocessOptions(automatic=not given.requested)
    sample = sample_points(given.folder, given.points, given.seed, choose_languages(given.language))
    for language, problems in group_by(sample.points, lambda problem: problem.language.name).items():
        for runs_on in (False, True):
            counts = measure(problems, options, runs_on=runs_on, show=given.show)
            rest = ", ".join(f"{number} {name}" for name, number in counts.most_common() if name != "exact")
            answer = "runs on" if runs_on else "ends"
            print(f"{language}, the answer {answer}: {counts['exact']} of {len(problems)} exact; {rest or 'all'}")


if __name__ == "__main__":
    main()
