"""Test frameworks: which one a project uses, where it keeps a test, and how a test begins.

What a project uses is read from its own files: `package.json`, `pom.xml` and `build.gradle`, `*.csproj`, `Gemfile`,
or the includes of the tests that it has.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nano_lsp.code.workspace import find_files
from nano_lsp.errors import DocumentError

_MAX_FILES = 400  # looked through for the includes of tests
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Framework:
    """A test framework.

    Attributes:
        title: Its name, as a model knows it.
        test: Expression that finds a test in code.
        imports: What a test file begins with; `{names}` are those of the framework that the test uses.
        names: The names that can be imported from the framework.
        hint: How a test is written in it, for the model.
    """

    title: str
    test: str
    imports: str = ""
    names: tuple[str, ...] = ()
    hint: str = ""


@dataclass(frozen=True)
class Placement:
    """Where a test goes, and how it begins.

    Attributes:
        framework: Key of the framework in `FRAMEWORKS`.
        target: Path of the test file; that of the code itself where tests belong to it.
        prelude: The lines that make the code under test known.
    """

    framework: str
    target: Path
    prelude: str = ""


_ASSERT = 'import assert from "node:assert/strict";\n'
FRAMEWORKS: Mapping[str, Framework] = {
    "vitest": Framework(
        "Vitest",
        r"\b(?:test|it)\(",
        'import {{ {names} }} from "vitest";\n',
        ("afterEach", "beforeEach", "describe", "expect", "it", "test", "vi"),
        "Use test() and expect().",
    ),
    "jest": Framework("Jest", r"\b(?:test|it)\(", hint="Use test() and expect()."),
    "mocha": Framework("Mocha", r"\bit\(", _ASSERT, hint="Use describe(), it() and node:assert."),
    "mocha with chai": Framework(
        "Mocha", r"\bit\(", 'import {{ expect }} from "chai";\n', hint="Use describe(), it(), and expect() of Chai."
    ),
    "node:test": Framework(
        "node:test",
        r"\b(?:test|it)\(",
        'import {{ {names} }} from "node:test";\n' + _ASSERT,
        ("describe", "it", "test"),
        "Use test() of node:test and node:assert.",
    ),
    "go test": Framework(
        "Go", r"func Test\w*\(t \*testing\.T\)", hint="Use the package testing only: func TestName(t *testing.T)."
    ),
    "cargo test": Framework("Rust", r"#\[(?:\w+::)*test\b", hint="Use #[test] functions."),
    "junit 5": Framework(
        "JUnit 5",
        r"@Test\b",
        "import static org.junit.jupiter.api.Assertions.*;\n\nimport org.junit.jupiter.api.Test;\n",
    ),
    "junit 4": Framework("JUnit 4", r"@Test\b", "import static org.junit.Assert.*;\n\nimport org.junit.Test;\n"),
    "testng": Framework(
        "TestNG", r"@Test\b", "import static org.testng.Assert.*;\n\nimport org.testng.annotations.Test;\n"
    ),
    "googletest": Framework("GoogleTest", r"\bTEST(?:_F)?\(", "#include <gtest/gtest.h>\n"),
    "catch2": Framework("Catch2", r"\bTEST_CASE\(", "#include <catch2/catch_test_macros.hpp>\n"),
    "doctest": Framework(
        "doctest", r"\bTEST_CASE\(", "#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n"
    ),
    "assert": Framework("C", r"\bassert\(", "#include <assert.h>\n", hint="Use assert() in a function main()."),
    "xunit": Framework("xUnit", r"\[(?:Fact|Theory)\b", "using Xunit;\n"),
    "nunit": Framework("NUnit", r"\[Test(?:Case)?\b", "using NUnit.Framework;\n"),
    "mstest": Framework("MSTest", r"\[TestMethod\b", "using Microsoft.VisualStudio.TestTools.UnitTesting;\n"),
    "rspec": Framework("RSpec", r"^\s*it\b", hint="Use RSpec.describe, it and expect."),
    "minitest": Framework(
        "Minitest", r"^\s*def test_", 'require "minitest/autorun"\n', hint="Subclass Minitest::Test."
    ),
    "busted": Framework("busted", r"\bit\(", hint="Use describe(), it() and assert."),
    "bats": Framework("Bats", r"^@test (?s:.*)\[ ", hint='Use @test, run and [ "$output" = … ], no other library.'),
}
_RUNNERS = ("vitest", "jest", "mocha")
_JAVASCRIPT = {"javascript", "typescript", "typescriptreact"}


def has_framework(language: str) -> bool:
    """Whether a test framework is known for a language other than Python."""
    return language in _JAVASCRIPT or language in _PLACES


def find_test_place(path: Path, root: Path, language: str, text: str, name: str) -> Placement:
    """The place of a test of a function.

    Args:
        path: Path of the code.
        root: The project's folder, or that of the code.
        language: Name of the code's language.
        text: The code.
        name: Qualified name of the function.

    Raises:
        DocumentError: No framework is known for the language, or a test could not reach the function.
    """
    find = _javascript if language in _JAVASCRIPT else _PLACES.get(language)
    if find is None:
        raise DocumentError(f"No test framework is known for {language}.", "Write the test by hand.")
    return find(path, root, text, name.partition(".")[0])


def _nearest(path: Path, root: Path, *names: str) -> Iterator[Path]:
    """The files with some names or endings in the folders from that of a file up to the root, nearest first."""
    for folder in (path.parent, *path.parent.parents):
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entry.name for entry in entries)
        except OSError:
            return
        yield from (folder / each for each in listed if each.endswith(names))
        if folder == root:
            return


def _read(path: Path) -> str:
    try:
        if path.stat().st_size <= _MAX_BYTES:
            return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        pass
    return ""


def _folder(root: Path, *names: str) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _javascript(path: Path, root: Path, text: str, name: str) -> Placement:
    manifests = [each for each in _nearest(path, root, "package.json") if each.name == "package.json"]
    framework, home = "node:test", manifests[0].parent if manifests else root
    for manifest in manifests:  # in a monorepo, the root's has the framework
        words = _words_of_package(manifest)
        uses = {each for each in _RUNNERS if re.search(rf"(?<![\w/-]){each}\b", words)}
        found = next((each for each in _RUNNERS if each in uses), None)
        if found:
            chai = re.search(r"(?<![\w/-])chai\b", words)
            framework, home = "mocha with chai" if found == "mocha" and chai else found, manifest.parent
            break
    typed = path.suffix in {".ts", ".tsx", ".mts", ".cts"}
    is_module = (
        typed or path.suffix == ".mjs" or re.search(r"^\s*(?:import|export)\b", text, re.MULTILINE) is not None
    )
    exported = rf"(?:async\s+)?(?:abstract\s+)?(?:function\s*\*?|class|const|let|var)\s+{re.escape(name)}\b"
    folder = _folder(path.parent, "__tests__") or (
        _folder(home, "test", "tests") if framework.startswith("mocha") else None
    )
    target = (folder or path.parent) / f"{path.stem}.test{path.suffix}"
    stem = path.stem if typed else path.name
    where = Path(os.path.relpath(path.with_name(stem), target.parent)).as_posix()
    where = where if where.startswith(".") else f"./{where}"
    if re.search(rf"\bexport\s+default\s+(?:{exported}|{re.escape(name)}\b)", text):
        return Placement(framework, target, f'import {name} from "{where}";\n')
    if re.search(rf"\bexport\s+{exported}|\bexport\s*\{{[^}}]*\b{re.escape(name)}\b", text):
        return Placement(framework, target, f'import {{ {name} }} from "{where}";\n')
    if not is_module and re.search(
        rf"\bexports\.{re.escape(name)}\b|\bmodule\.exports\s*=[^;]*\b{re.escape(name)}\b", text
    ):
        whole = re.search(rf"\bmodule\.exports\s*=\s*(?:{exported}|{re.escape(name)}\s*(?:;|$))", text, re.MULTILINE)
        return Placement(framework, target, f'const {name if whole else f"{{ {name} }}"} = require("{where}");\n')
    raise DocumentError(f"{name} is not exported, so that a test cannot import it.", "Export it.")


def _words_of_package(manifest: Path) -> str:
    """The dependencies and scripts of a `package.json`."""
    try:
        package = json.loads(_read(manifest))
    except ValueError:
        return ""
    lists = (
        [package.get(key) for key in ("dependencies", "devDependencies", "scripts")]
        if isinstance(package, dict)
        else []
    )
    return " ".join(f"{key} {value}" for each in lists if isinstance(each, dict) for key, value in each.items())


def _go(path: Path, _root: Path, text: str, _name: str) -> Placement:
    package = re.search(r"^package\s+(\w+)", text, re.MULTILINE)
    prelude = f'package {package[1] if package else "main"}\n\nimport "testing"\n'
    return Placement("go test", path.with_name(f"{path.stem}_test.go"), prelude)


def _rust(path: Path, _root: Path, _text: str, _name: str) -> Placement:
    return Placement("cargo test", path)


def _java(path: Path, root: Path, text: str, _name: str) -> Placement:
    builds = [_read(each) for each in _nearest(path, root, "pom.xml", "build.gradle", "build.gradle.kts")]
    marks = {
        "testng": r"\btestng\b",
        "junit 5": r"junit[-.]jupiter|useJUnitPlatform",
        "junit 4": r"\bjunit:junit\b|>junit<",
    }
    framework = next((key for key, mark in marks.items() for build in builds if re.search(mark, build)), "junit 5")
    package = re.search(r"^package\s+[\w.]+;", text, re.MULTILINE)
    parts = ["test" if part == "main" and path.parts[i - 1] == "src" else part for i, part in enumerate(path.parts)]
    return Placement(
        framework, Path(*parts).with_name(f"{path.stem}Test.java"), f"{package[0]}\n\n" if package else ""
    )


def _c_or_cpp(path: Path, root: Path, _text: str, _name: str) -> Placement:
    marks = {"googletest": "<gtest/gtest.h>", "catch2": "catch2/", "doctest": "doctest.h"}
    suffixes = (".cpp", ".cc", ".cxx", ".hpp", ".h", ".c")
    found: list[Path] = []
    for file in find_files(root, suffixes):
        found.append(file)
        if len(found) == _MAX_FILES:
            break
    tests = sorted(found, key=lambda file: "test" not in file.as_posix().lower())
    for file in tests:
        text = _read(file)
        framework = next((key for key, mark in marks.items() if mark in text), None)
        if framework:
            break
    else:
        framework = "assert" if path.suffix in {".c", ".h"} else "googletest"
    folder = _folder(root, "tests", "test") or path.parent
    header = next((each for each in (path.with_suffix(s) for s in (".hpp", ".hh", ".h")) if each.exists()), path)
    include = Path(os.path.relpath(header, folder)).as_posix()
    suffix = ".c" if framework == "assert" and path.suffix in {".c", ".h"} else ".cpp"
    return Placement(framework, folder / f"test_{path.stem}{suffix}", f'#include "{include}"\n')


def _csharp(path: Path, root: Path, text: str, _name: str) -> Placement:
    marks = {"xunit": "xunit", "nunit": "NUnit", "mstest": "MSTest"}
    for project in find_files(root, (".csproj",)):
        text_of_project = _read(project)
        framework = next((key for key, mark in marks.items() if f'Include="{mark}' in text_of_project), None)
        if framework:
            folder = project.parent
            break
    else:
        framework, folder = "xunit", path.parent
    namespace = re.search(r"^\s*namespace\s+([\w.]+)", text, re.MULTILINE)
    prelude = f"using {namespace[1]};\n" if namespace else ""
    return Placement(framework, folder / f"{path.stem}Tests.cs", prelude)


def _ruby(path: Path, root: Path, _text: str, _name: str) -> Placement:
    listed = "".join(_read(each) for each in _nearest(path, root, "Gemfile", ".gemspec"))
    is_rspec = "rspec" in listed or (root / ".rspec").exists() or (root / "spec").is_dir()
    is_minitest = "minitest" in listed or (root / "test").is_dir()
    framework = "rspec" if is_rspec or not is_minitest else "minitest"
    kind = "spec" if framework == "rspec" else "test"
    inner = _below(path, root, "lib", "app")
    folder = root / kind / inner.parent if (root / kind).is_dir() else path.parent
    relative = Path(os.path.relpath(path.with_suffix(""), folder)).as_posix()
    return Placement(framework, folder / f"{path.stem}_{kind}.rb", f'require_relative "{relative}"\n')


def _lua(path: Path, root: Path, text: str, name: str) -> Placement:
    module = ".".join(_below(path, root, "lua", "src").with_suffix("").parts).removesuffix(".init")
    returned = re.search(r"^return\s+(\w+)\s*$", text, re.MULTILINE)
    local = returned[1] if returned else name
    folder = _folder(root, "spec", "tests") or path.parent
    return Placement("busted", folder / f"{path.stem}_spec.lua", f'local {local} = require("{module}")\n')


def _bash(path: Path, root: Path, _text: str, _name: str) -> Placement:
    folder = _folder(root, "test", "tests") or path.parent
    relative = Path(os.path.relpath(path, folder)).as_posix()
    load = f'setup() {{\n  source "$BATS_TEST_DIRNAME/{relative}"\n}}\n'
    return Placement("bats", folder / f"{path.stem}.bats", load)


def _below(path: Path, root: Path, *folders: str) -> Path:
    """A path below the root, without a leading folder such as `lib`."""
    relative = Path(os.path.relpath(path, root))
    return Path(*relative.parts[1:]) if len(relative.parts) > 1 and relative.parts[0] in folders else relative


_PLACES: Mapping[str, Callable[[Path, Path, str, str], Placement]] = {
    "go": _go,
    "rust": _rust,
    "java": _java,
    "c": _c_or_cpp,
    "cpp": _c_or_cpp,
    "csharp": _csharp,
    "ruby": _ruby,
    "lua": _lua,
    "shellscript": _bash,
}
