"""The evaluation of an adapter as one HTML page: no script, nothing from a network.

The template draws the plots as inline SVG: for one line chart and some bars, a plotting library is not worth its
dependencies, and those that make plots for web pages (plotly, bokeh, pygal) need scripts in the page.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template

from nano_lsp.forge.adapter_evaluation import GAINS, VERDICTS

WIDTH, HEIGHT = 640, 240
"""Size of the inner area of the loss curve, in SVG units."""
_MAX_POINTS = 400  # of a line; more are not seen


def render_report(evaluation: Mapping[str, Any]) -> str:
    """Render an evaluation for people.

    Args:
        evaluation: Content of `evaluation.json`.
    """
    training = evaluation["training"]
    return _template().render(
        evaluation=evaluation,
        verdict=VERDICTS[evaluation["taken"]],
        recipe=json.dumps(evaluation["recipe"], indent=2),
        curve=_loss_curve(training) if training and training["steps"] else None,
        bars={measure: _bars(evaluation["sets"][0]["cursor_kinds"], measure) for measure in GAINS},
        width=WIDTH,
        height=HEIGHT,
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(Path(__file__).with_name("report.html").read_text(encoding="utf-8"))


def _bars(kinds: Mapping[str, Any], measure: str) -> list[tuple[str, float, float]]:
    """Each kind with its figures before and after, in per cent."""
    return [
        (kind, row["before"], row["after"])
        for kind, rows in kinds.items()
        for row in rows
        if row["measure"] == measure
    ]


def _loss_curve(training: Mapping[str, Any]) -> dict[str, Any]:
    """Lines and axes of the loss curve, in SVG units."""
    lines = {
        "training": _thin(training["steps"], training["loss"]),
        "held out": _thin(training["heldout_steps"], training["heldout_loss"]),
    }
    points = [point for line in lines.values() for point in line]
    steps, losses = zip(*points, strict=True)
    x_ticks, y_ticks = _ticks(min(steps), max(steps)), _ticks(min(losses), max(losses))

    def at_x(step: float) -> float:
        return round((step - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * WIDTH, 1)

    def at_y(loss: float) -> float:
        return round((y_ticks[-1] - loss) / (y_ticks[-1] - y_ticks[0]) * HEIGHT, 1)

    return {
        "lines": {
            name: " ".join(f"{at_x(step)},{at_y(loss)}" for step, loss in line)
            for name, line in lines.items()
            if line
        },
        "ends": {name: (line[0][1], line[-1][1]) for name, line in lines.items() if line},
        "x_ticks": [(at_x(tick), f"{tick:,g}") for tick in x_ticks],
        "y_ticks": [(at_y(tick), f"{tick:g}") for tick in y_ticks],
    }


def _thin(steps: Sequence[float], losses: Sequence[float]) -> list[tuple[float, float]]:
    """The points of a line; of a long one, means of neighbours."""
    n = math.ceil(len(steps) / _MAX_POINTS) or 1
    groups = [(steps[i : i + n], losses[i : i + n]) for i in range(0, len(steps), n)]
    return [(sum(xs) / len(xs), sum(ys) / len(ys)) for xs, ys in groups]


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from below the lowest to above the highest value, at most seven of them."""
    size = (high - low) or max(1.0, abs(high))
    power = 10.0 ** math.floor(math.log10(size / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if size <= 5 * power * factor)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]
