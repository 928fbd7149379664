"""How often the true next edit is among the places and the candidates that are found in the code, without a model.

Run `python -m tests.bench.bench_edit_places FOLDER` with a folder of git clones. Sessions are sampled from their
histories as in `nano-lsp eval --next-edit`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from statistics import mean, median

from nano_lsp.evaluation.edit_runner import replay
from nano_lsp.evaluation.edit_sessions import EditSession, sample_sessions
from nano_lsp.next_edit.candidates import find_candidates
from nano_lsp.next_edit.evidence import prior_log_odds
from nano_lsp.next_edit.place import Place
from nano_lsp.next_edit.places import find_places
from nano_lsp.next_edit.renames import Source

_SILENT = 0.95  # share of the cases without an edit


def search(session: EditSession, n_changes: int) -> tuple[list[Place], list[Place]]:
    """The places and the candidates after the first changes of a session."""
    edits, texts = replay(session, n_changes)
    sources = [Source(name, text) for name, text in texts.items()]
    return (find_places(edits, sources), find_candidates(edits, sources)) if edits else ([], [])


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n_found, n_numbers, silent, best = [0, 0], [[], []], [], []  # type: ignore[var-annotated]
    sessions = sample_sessions(options.folder, options.limit, options.seed)
    for session in sessions:
        n, path = len(session.changes), session.changes[-1].path
        (_, texts), (_, final) = replay(session, n - 1), replay(session, n)

        def is_exact(place: Place, path: str = path, text: str = texts[path], wanted: str = final[path]) -> bool:
            return place.document == path and place.apply(text) == wanted

        found = search(session, n - 1)
        for i, places in enumerate(found):
            n_found[i] += any(map(is_exact, places))
            n_numbers[i].append(len(places))
        likeliest = max(found[1], key=prior_log_odds, default=None)
        if likeliest:
            best.append((prior_log_odds(likeliest), is_exact(likeliest)))
        silent.append(max(map(prior_log_odds, search(session, n)[1]), default=float("-inf")))
    for i, name in enumerate(("places", "candidates")):
        print(
            f"the true edit among the {name}: {100 * n_found[i] / len(sessions):.1f} % of {len(sessions)} sessions; "
            f"{name}: median {median(n_numbers[i])}, mean {mean(n_numbers[i]):.2f}"
        )
    threshold = sorted(silent)[math.ceil(_SILENT * len(silent)) - 1]
    shown = [exact for log_odds, exact in best if log_odds > threshold]
    share, exact = 100 * len(shown) / len(sessions), 100 * sum(shown) / max(1, len(shown))
    print(f"without the model, silent in {100 * _SILENT:.0f} %: {share:.1f} % shown, of these {exact:.0f} % exact")


if __name__ == "__main__":
    main()
