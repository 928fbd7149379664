"""The data card as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def render_card(card: Mapping[str, Any]) -> str:
    """Render the data card (Gebru et al. 2021, "Datasheets for Datasets") for people.

    Args:
        card: Content of `card.json`.
    """
    recipe = card["recipe"]
    counts = [
        (split, kind, f"{n['cases']:,}", f"{n['tokens']:,}")
        for split, kinds in card["counts"].items()
        for kind, n in kinds.items()
    ]
    sources = [
        (
            each["name"],
            each["version"],
            each["license"] or "not stated",
            *(f"{sum(n[unit] for kinds in each['counts'].values() for n in kinds.values()):,}" for unit in UNITS),
        )
        for each in card["sources"]
        if any(each["counts"].values())
    ]
    against = [(name, digest) for name, digest in card["against"].items()]
    tokenizer = card["tokenizer"]
    parts = [
        f"# Data card: {recipe['name']}\n\n{recipe['description']}\n",
        f"Seed {card['seed']}, limit {card['limit'] or 'none'}, tokenizer of {tokenizer['model']} "
        f"({tokenizer['n_vocab']:,} tokens), made by nano-lsp {card['nano_lsp']}.\n",
        f"Cases may contain code and text of the sources word for word; their licenses hold. {_ORDER}\n",
        "## Cases\n\n" + _table(("split", "kind", "cases", "tokens"), counts),
        "## Sources\n\n" + _table(("source", "version", "license", "cases", "tokens"), sources),
        "## Left out\n\n" + _table(("reason", "number"), [(k, f"{n:,}") for k, n in card["left_out"].items()]),
        "## Compared with\n\nNo case shares 13 words in a row with these files.\n\n"
        + _table(("file", "SHA-256"), against),
        f"## Recipe\n\n```json\n{json.dumps(recipe, indent=2)}\n```\n",
    ]
    return "\n".join(parts)


UNITS = ("cases", "tokens")
_ORDER = "Duplicates and near duplicates (half of a MinHash sketch of 13-grams) are taken once."


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(titles), *map(tuple, rows)]
    if len(lines) == 1:
        return "None.\n"
    lines.insert(1, ("---",) * len(lines[0]))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
