"""Writes a test in the framework that the project uses, for languages other than Python."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from nano_lsp.assistant.context import FeatureContext
from nano_lsp.assistant.fences import extract_code
from nano_lsp.assistant.job import Job
from nano_lsp.assistant.language_names import title_of
from nano_lsp.assistant.prompts import cut_code
from nano_lsp.code.definitions import find_definitions
from nano_lsp.code.document import TextEdit, apply_edits
from nano_lsp.code.languages import Language, language_of
from nano_lsp.code.syntax_tree import SyntaxTree, breaks_parse
from nano_lsp.edits.code_requests import MAX_CODE_TOKENS, ask_again, code_request
from nano_lsp.edits.frameworks import FRAMEWORKS, Framework
from nano_lsp.lines import indent_text, line_break_of, line_start

_IMPORT = re.compile(
    r"(?:import|package|use|using|#include|#define|require|require_relative|from|load|source|namespace)\b.*"
    r"|(?:const|let|var|local)\s.*\brequire\b.*",
    re.DOTALL,
)
_EXTRA_TOKENS = 384  # a test with a table of cases
_BY_CLASS = {"javascript", "typescript", "typescriptreact", "java", "csharp", "ruby"}
"""Languages where a method cannot be called without the name of its class."""
_CONSTRUCTORS = {"constructor", "initialize"}
_CLASS = re.compile(r"\bclass\s+(\w+)")


@dataclass(frozen=True)
class WriteFrameworkTest(Job[list[TextEdit]]):
    """Write a test of a function in a test framework.

    Attributes:
        text: The code.
        name: Qualified name of the function.
        language: Language of the code.
        framework: Key of the framework in `FRAMEWORKS`.
        prelude: The lines that make the code known in the test file.
        stem: Name of the test file, without its ending; the name of its class where it has one.
    """

    text: str
    name: str
    language: str
    framework: str
    prelude: str = ""
    stem: str = ""

    async def run(self, context: FeatureContext) -> list[TextEdit]:
        """An insertion into a new file, or for Rust into the code; none if no attempt parses."""
        language, framework = language_of("", self.language), FRAMEWORKS[self.framework]
        tree = SyntaxTree.parse(self.text, language)
        definition = next((each for each in find_definitions(tree) if each.name == self.name), None) if tree else None
        if tree is None or definition is None:
            return []
        code = textwrap.dedent(self.text[line_start(self.text, definition.start) : definition.end])
        around = [
            each.header
            for each in find_definitions(tree)
            if each.start < definition.start and each.end > definition.end
        ]
        shown = cut_code("\n".join([*around, code]), context.tokenizer, MAX_CODE_TOKENS)
        task = (
            f"Write one short {framework.title} test of this {title_of(self.language)} code. {framework.hint}".strip()
        )
        if self.prelude:
            task += f" The test file begins with: {' '.join(self.prelude.split())}"
        request = code_request(context, task, shown, self.language, _EXTRA_TOKENS)
        for attempt in (request, ask_again(request)):
            answer = extract_code((await context.generate(attempt)).text)
            edit = self._in_code(tree, answer) if self.framework == "cargo test" else self._in_file(answer, language)
            if edit is not None:
                return [edit]
        return []

    def _in_file(self, answer: str, language: Language) -> TextEdit | None:
        framework = FRAMEWORKS[self.framework]
        imports, body = self._parts(answer, language)
        if self.stem and _CLASS.search(body) and language.name in {"java", "csharp"}:
            body = _CLASS.sub(f"class {self.stem}", body, count=1)
        text = self._laid_out(framework, imports, body)
        return TextEdit(0, 0, text) if self._is_test(text, body, language) else None

    def _in_code(self, tree: SyntaxTree, answer: str) -> TextEdit | None:
        """The insertion of Rust tests into the module of tests, or with a new one at the end of the code."""
        found = re.search(r"\bmod\s+\w+\s*\{(.*)\}\s*$", answer, re.DOTALL)
        inner = textwrap.dedent(found[1] if found else answer).strip("\n")
        imports, body = self._parts(inner, tree.language)
        newline = line_break_of(self.text)
        existing = re.search(r"^#\[cfg\(test\)\]\s*mod\s+\w+\s*\{(?:\r\n|\n|\r)", self.text, re.MULTILINE)
        tests = indent_text("\n\n".join(filter(None, ["\n".join(imports), body])), "    ")
        if existing:
            edit = TextEdit(existing.end(), existing.end(), f"{indent_text(body, '    ')}\n\n".replace("\n", newline))
        else:
            start = "" if self.text.endswith("\n") else "\n"
            module = f"{start}\n#[cfg(test)]\nmod tests {{\n    use super::*;\n\n{tests}\n}}\n"
            edit = TextEdit(len(self.text), len(self.text), module.replace("\n", newline))
        after = tree.edited(apply_edits(self.text, [edit]))
        is_valid = after is not None and not breaks_parse(tree, after)
        return edit if is_valid and self._is_test(body, body, tree.language) else None

    def _parts(self, answer: str, language: Language) -> tuple[list[str], str]:
        """The imports of an answer that are needed, and its code without a copy of the function."""
        tree = SyntaxTree.parse(answer, language)
        own = self.name.rpartition(".")[2]
        copies = (
            {each.start for each in find_definitions(tree) if each.name in {self.name, own}} if tree else set[int]()
        )
        imports, parts = list[str](), list[str]()
        for part, start in _parts_of(tree) if tree else ():
            if _IMPORT.fullmatch(part):
                listed = re.findall(r'"[^"]+"', part) if part.startswith("import (") else []  # Go
                imports += [f"import {path}" for path in listed] or [part.rstrip()]
            elif not copies & set(range(start, start + len(part))):
                parts.append(part)
        body = "\n\n".join(parts).strip("\n")
        return [each for each in imports if self._is_needed(each, body)], body

    def _is_needed(self, statement: str, body: str) -> bool:
        """Whether an import is neither in the beginning of the file already nor of what the test does not use."""
        head = self.prelude + FRAMEWORKS[self.framework].imports
        words = re.findall(r"\w+", statement)
        known = set(re.findall(r"\w{2,}", head)) | {self.name.partition(".")[0], "super"}
        if statement.startswith(("package", "namespace", "load", "source", "#define")) or statement.strip() in head:
            return False
        last = re.findall(r"\w+", re.sub(r"\.\w+(?=[\"'>])", "", statement))[-1:]
        return not (known & set(words[1:])) and (
            statement.startswith("#") or any(re.search(rf"\b{w}\b", body) for w in last)
        )

    def _laid_out(self, framework: Framework, imports: list[str], body: str) -> str:
        names = ", ".join(name for name in framework.names if re.search(rf"\b{name}\s*[.(]", body))
        head = framework.imports.format(names=names)
        if "require(" in self.prelude:  # CommonJS
            head = re.sub(r'^import (.*) from (".*");$', r"const \1 = require(\2);", head, flags=re.MULTILINE)
        if self.prelude.startswith("package"):
            head = self.prelude + head
        else:
            head += self.prelude
        extra = "\n".join(imports)
        blank = "#!/usr/bin/env bats\n\n" if self.framework == "bats" else ""
        return f"{blank}{head}{extra}{chr(10) * bool(extra)}{chr(10) * bool(head or extra)}{body}\n"

    def _is_test(self, text: str, body: str, language: Language) -> bool:
        owner, _, own = self.name.rpartition(".")
        used = [owner.rpartition(".")[2]] * (language.name in _BY_CLASS and bool(owner))
        used += [own] * (own not in _CONSTRUCTORS)
        tree = SyntaxTree.parse(text, language)
        is_test = re.search(FRAMEWORKS[self.framework].test, body, re.MULTILINE) is not None
        uses = all(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", body) for name in used)
        return is_test and uses and tree is not None and (tree.n_errors() == 0 or self.framework == "bats")


def _parts_of(tree: SyntaxTree) -> Iterator[tuple[str, int]]:
    """The parts of a file between blank lines at its top level, as (text, offset); imports each for itself."""
    start: int | None = None
    end = 0
    for node in tree.root.children:
        first, last = tree.offset(node.start_byte), tree.offset(node.end_byte)
        text = tree.text[first:last]
        between = tree.text[end:first] if start is not None else ""
        if start is not None and (
            between.count("\n") > 1 or _IMPORT.fullmatch(text) or _IMPORT.fullmatch(tree.text[start:end])
        ):
            yield tree.text[start:end], start
            start = None
        start = first if start is None else start
        end = last
    if start is not None:
        yield tree.text[start:end], start
