"""Evaluation problems, and files of them."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from nano_lsp.code.embedded import Part, find_part
from nano_lsp.code.languages import Language, language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.errors import EvaluationError

_NO_NAME = "problem.py"  # of problems whose file has none


@dataclass(frozen=True)
class Problem:
    """A document with a hole.

    Attributes:
        name: Unique name in the set of problems.
        kind: Kind of the hole.
        file_name: Name of the file; its suffix determines the language.
        prefix: Text before the hole.
        suffix: Text after the hole.
        reference: Original text of the hole.
        test: Program to append, which fails unless the hole is filled correctly; empty for none.
        imported: Signatures of what the document imports from its workspace; empty for none.
    """

    name: str
    kind: str
    file_name: str
    prefix: str
    suffix: str
    reference: str
    test: str = ""
    imported: str = ""

    @property
    def file_language(self) -> Language:
        """The language of the file; the whole text of a header tells C++ from C."""
        return language_of(self.file_name, text=self.prefix + self.reference + self.suffix)

    @property
    def language(self) -> Language:
        """The language of the code at the cursor."""
        return self.part_of(self.prefix + self.suffix).language

    def part_of(self, text: str) -> Part:
        """The part of the file, with any text inserted at the cursor, that is code of the cursor's language."""
        return find_part(text, len(self.prefix), self.file_language)

    def parse(self, text: str) -> SyntaxTree | None:
        """Parse the file with any text inserted at the cursor; None if its language has no grammar."""
        part = self.part_of(text)
        return SyntaxTree.parse(text, part.language, part.range_in(text))

    @property
    def document(self) -> str:
        """A short hash of the file that the hole is in: problems of one file are not independent of each other."""
        whole = self.prefix + self.reference + self.suffix
        file = whole if self.file_name == _NO_NAME else self.file_name
        return hashlib.blake2b(file.encode("utf-8", "replace"), digest_size=8).hexdigest()


class _Row(msgspec.Struct, omit_defaults=True):
    """A problem in a file: the fields of HumanEval-Infilling, and those that problems in other code need."""

    task_id: str
    prompt: str
    suffix: str
    canonical_solution: str
    test: str = ""
    entry_point: str = ""
    kind: str = ""
    file_name: str = _NO_NAME
    imported: str = ""


_ROWS = msgspec.json.Decoder(_Row)
_GIVE = "Give a HumanEval-Infilling file, or the problems.jsonl.gz of `nano-lsp forge data`."


def load_infilling(path: Path) -> list[Problem]:
    """Load problems of HumanEval-Infilling (Bavarian et al. 2022, arXiv 2207.14255), as JSON lines, gzipped or not.

    A row may have no test, and may have `kind`, `file_name` and `imported` as a problem has them (`to_row`).
    A hole of whole lines ends with a line break; in an editor that break is already after the cursor, in the line
    that the user has just opened. So it is moved to the suffix.

    Raises:
        EvaluationError: The file cannot be read or has other content.
    """
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines
        ):
            found = [_infilling(_ROWS.decode(line)) for line in lines if line.strip()]
    except (OSError, ValueError, EOFError, msgspec.MsgspecError) as error:
        raise EvaluationError(f"{path} contains no infilling problems: {error}.", _GIVE) from error
    if not found:
        raise EvaluationError(f"{path} is empty.", _GIVE)
    return found


def to_row(problem: Problem) -> str:
    """A problem without a test as a line of JSON, which `load_infilling` reads."""
    row = _Row(
        problem.name,
        problem.prefix,
        problem.suffix,
        problem.reference,
        kind=problem.kind,
        file_name=problem.file_name,
        imported=problem.imported,
    )
    return msgspec.json.encode(row).decode()


def _infilling(row: _Row) -> Problem:
    suffix, reference = row.suffix, row.canonical_solution
    if reference.endswith("\n"):
        reference, suffix = reference[:-1], "\n" + suffix
    kind = row.kind or row.task_id.split("/")[0].removesuffix("Infilling").removesuffix("InfillingLight")
    test = f"\n{row.test}\ncheck({row.entry_point})\n" if row.test else ""
    return Problem(
        name=row.task_id,
        kind=kind,
        file_name=row.file_name,
        prefix=row.prompt,
        suffix=suffix,
        reference=reference,
        test=test,
        imported=row.imported,
    )
