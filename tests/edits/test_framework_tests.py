"""Tests in the framework of a project: which one it is, where the test goes, and what of an answer is taken."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from nano_lsp.code.document import apply_edits
from nano_lsp.code.languages import LANGUAGES, language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.edits.framework_tests import WriteFrameworkTest
from nano_lsp.edits.frameworks import Placement, find_test_place, has_framework
from nano_lsp.edits.rewrite import Fix, Simplify
from nano_lsp.errors import DocumentError
from tests.scripted_answers import run

CODE = {
    "javascript": "export function add(a, b) {\n  return a + b;\n}\n",
    "typescript": "export function add(a: number, b: number) {\n  return a + b;\n}\n",
    "go": "package sums\n\nfunc add(a, b int) int {\n\treturn a + b\n}\n",
    "rust": "pub fn add(a: u8, b: u8) -> u8 {\n    a + b\n}\n",
    "java": "package x.y;\n\nclass Sums {\n  static int add(int a, int b) { return a + b; }\n}\n",
    "c": "int add(int a, int b) { return a + b; }\n",
    "cpp": "int add(int a, int b) { return a + b; }\n",
    "csharp": "namespace X;\n\nclass Sums {\n  int add(int a, int b) => a + b;\n}\n",
    "ruby": "def add(a, b)\n  a + b\nend\n",
    "lua": "local M = {}\n\nfunction M.add(a, b)\n  return a + b\nend\n\nreturn M\n",
    "shellscript": "add() {\n  echo $(($1 + $2))\n}\n",
}


def place(root: Path, file: str, files: dict[str, str], name: str = "add", code: str = "") -> Placement:
    for each, text in {**files, file: ""}.items():
        (root / each).parent.mkdir(parents=True, exist_ok=True)
        (root / each).write_text(text)
    language = language_of(file).name
    return find_test_place(root / file, root, language, code or CODE[language], name)


@pytest.mark.parametrize(
    ("file", "files", "framework", "target"),
    [
        ("src/a.js", {"package.json": '{"devDependencies": {"vitest": "1"}}'}, "vitest", "src/a.test.js"),
        ("src/a.ts", {"package.json": '{"devDependencies": {"ts-jest": "1", "jest": "1"}}'}, "jest", "src/a.test.ts"),
        ("src/a.ts", {"package.json": "{}", "src/__tests__/x": ""}, "node:test", "src/__tests__/a.test.ts"),
        ("a.js", {"package.json": '{"scripts": {"test": "mocha"}}', "test/x": ""}, "mocha", "test/a.test.js"),
        (
            "a.js",
            {"package.json": '{"devDependencies": {"mocha": "1", "chai": "1"}}'},
            "mocha with chai",
            "a.test.js",
        ),
        ("a.js", {"package.json": "not JSON"}, "node:test", "a.test.js"),
        (
            "p/a.js",
            {"p/package.json": "{}", "package.json": '{"devDependencies": {"jest": "1"}}'},
            "jest",
            "p/a.test.js",
        ),
        ("x/a.go", {}, "go test", "x/a_test.go"),
        ("src/a.rs", {}, "cargo test", "src/a.rs"),
        (
            "src/main/java/x/A.java",
            {"pom.xml": "<artifactId>junit-jupiter</artifactId>"},
            "junit 5",
            "src/test/java/x/ATest.java",
        ),
        ("A.java", {"build.gradle": "testImplementation 'junit:junit:4.13'"}, "junit 4", "ATest.java"),
        ("A.java", {"build.gradle.kts": 'testImplementation("org.testng:testng:7")'}, "testng", "ATest.java"),
        ("a.cpp", {"tests/t.cpp": "#include <gtest/gtest.h>\n"}, "googletest", "tests/test_a.cpp"),
        ("a.cpp", {"test/t.cc": "#include <catch2/catch_all.hpp>\n"}, "catch2", "test/test_a.cpp"),
        ("a.cpp", {"t.cpp": '#include "doctest.h"\n'}, "doctest", "test_a.cpp"),
        ("a.c", {}, "assert", "test_a.c"),
        ("A.cs", {"T/T.csproj": '<PackageReference Include="NUnit" />'}, "nunit", "T/ATests.cs"),
        ("A.cs", {"T/T.csproj": '<PackageReference Include="MSTest.TestFramework" />'}, "mstest", "T/ATests.cs"),
        ("A.cs", {"T/T.csproj": '<PackageReference Include="xunit" />'}, "xunit", "T/ATests.cs"),
        ("lib/x/a.rb", {"Gemfile": "gem 'rspec'\n", "spec/y": ""}, "rspec", "spec/x/a_spec.rb"),
        ("a.rb", {"Gemfile": "gem 'minitest'\n"}, "minitest", "a_test.rb"),
        ("lua/x/a.lua", {"spec/y": ""}, "busted", "spec/a_spec.lua"),
        ("a.sh", {"test/x": ""}, "bats", "test/a.bats"),
    ],
)
def test_the_framework_is_the_one_that_the_project_uses(
    tmp_path: Path, file: str, files: dict[str, str], framework: str, target: str
) -> None:
    found = place(tmp_path, file, files)
    assert (found.framework, found.target) == (framework, tmp_path / target)


@pytest.mark.parametrize(
    ("code", "prelude"),
    [
        ("export async function add() {}", 'import { add } from "./a.js";\n'),
        ("export default class add {}", 'import add from "./a.js";\n'),
        ("const add = 1;\nexport { add };", 'import { add } from "./a.js";\n'),
        ("exports.add = () => {};", 'const { add } = require("./a.js");\n'),
        ("module.exports = { add, b };", 'const { add } = require("./a.js");\n'),
        ("module.exports = function add() {};", 'const add = require("./a.js");\n'),
    ],
)
def test_a_test_imports_what_the_code_exports(tmp_path: Path, code: str, prelude: str) -> None:
    assert place(tmp_path, "a.js", {}, code=code).prelude == prelude


def test_what_a_test_cannot_reach_is_said(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="add is not exported"):
        place(tmp_path, "a.js", {}, code="function add() {}\n")
    with pytest.raises(DocumentError, match="No test framework is known"):
        find_test_place(tmp_path / "a.sql", tmp_path, "sql", "", "")
    assert {each.name for each in LANGUAGES if each.grammar_module and not has_framework(each.name)} == {"python"}


def written(job: WriteFrameworkTest, answer: str) -> str:
    edits = run(job.run, lines(answer))
    return edits[0].text if edits else ""


def lines(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


@pytest.mark.parametrize(
    ("language", "framework", "prelude", "answer", "expected"),
    [
        (
            "javascript",
            "vitest",
            'import { add } from "./a.js";\n',
            """
            import { add } from './sums';
            import { describe, it } from "vitest";
            import fs from "node:fs";

            function add(a, b) {
              return a + b;
            }

            test("adds", () => {
              expect(add(1, 2)).toBe(3);
            });
            """,
            """
            import { expect, test } from "vitest";
            import { add } from "./a.js";

            test("adds", () => {
              expect(add(1, 2)).toBe(3);
            });
            """,
        ),
        (
            "javascript",
            "node:test",
            'const { add } = require("./a.js");\n',
            'test("adds", () => {\n  assert.equal(add(1, 2), 3);\n});\n',
            """
            const { test } = require("node:test");
            const assert = require("node:assert/strict");
            const { add } = require("./a.js");

            test("adds", () => {
              assert.equal(add(1, 2), 3);
            });
            """,
        ),
        (
            "go",
            "go test",
            'package sums\n\nimport "testing"\n',
            """
            package main

            import (
            \t"fmt"
            \t"reflect"
            \t"testing"
            )

            func TestAdd(t *testing.T) {
            \tif !reflect.DeepEqual(add(1, 2), 3) {
            \t\tt.Fatal("add")
            \t}
            }
            """,
            """
            package sums

            import "testing"
            import "reflect"

            func TestAdd(t *testing.T) {
            \tif !reflect.DeepEqual(add(1, 2), 3) {
            \t\tt.Fatal("add")
            \t}
            }
            """,
        ),
        (
            "ruby",
            "rspec",
            'require_relative "../lib/a"\n',
            'require "rspec"\nrequire_relative "a"\n\nRSpec.describe "add" do\n  it "adds" do\n'
            "    expect(add(1, 2)).to eq(3)\n  end\nend\n",
            'require_relative "../lib/a"\n\nRSpec.describe "add" do\n  it "adds" do\n'
            "    expect(add(1, 2)).to eq(3)\n  end\nend\n",
        ),
        (
            "c",
            "assert",
            '#include "a.h"\n',
            "#include <assert.h>\n#include <stdio.h>\n\nint main(void) {\n  assert(add(1, 2) == 3);\n}\n",
            '#include <assert.h>\n#include "a.h"\n#include <stdio.h>\n\nint main(void) {\n'
            "  assert(add(1, 2) == 3);\n}\n",
        ),
        (
            "shellscript",
            "bats",
            'setup() {\n  source "$BATS_TEST_DIRNAME/../a.sh"\n}\n',
            '@test "adds" {\n  run add 1 2\n  [ "$output" = 3 ]\n}\n',
            '#!/usr/bin/env bats\n\nsetup() {\n  source "$BATS_TEST_DIRNAME/../a.sh"\n}\n\n'
            '@test "adds" {\n  run add 1 2\n  [ "$output" = 3 ]\n}\n',
        ),
    ],
)
def test_an_answer_becomes_a_test_file(
    language: str, framework: str, prelude: str, answer: str, expected: str
) -> None:
    job = WriteFrameworkTest(CODE[language], "add", language, framework, prelude)
    assert written(job, answer) == lines(expected)


def test_a_test_class_has_the_name_of_its_file() -> None:
    answer = (
        "import org.junit.jupiter.api.Test;\n\npublic class Tests {\n  @Test\n"
        "  void adds() { assertEquals(3, Sums.add(1, 2)); }\n}\n"
    )
    text = written(
        WriteFrameworkTest(CODE["java"], "Sums.add", "java", "junit 5", "package x.y;\n\n", "SumsTest"), answer
    )
    assert text.startswith("package x.y;\n\nimport static org.junit.jupiter.api.Assertions.*;\n\nimport org.junit")
    assert text.count("import org.junit.jupiter.api.Test;") == 1
    assert "public class SumsTest {" in text


def test_a_method_is_called_on_its_class() -> None:
    job = WriteFrameworkTest(CODE["java"], "Sums.add", "java", "junit 5", "package x.y;\n\n", "SumsTest")
    for call, expected in (("Sums.add(1, 2)", True), ("add(1, 2)", False)):
        answer = f"class SumsTest {{\n  @Test\n  void adds() {{ assertEquals(3, {call}); }}\n}}\n"
        assert bool(written(job, answer)) is expected


def test_a_test_in_rust_goes_into_the_code() -> None:
    answer = (
        "#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn adds() {\n"
        "        assert_eq!(add(1, 2), 3);\n    }\n}\n"
    )
    for code in (CODE["rust"], CODE["rust"].replace("\n", "\r\n")):
        (edit,) = run(WriteFrameworkTest(code, "add", "rust", "cargo test").run, answer)
        after = apply_edits(code, [edit])
        assert after.replace("\r\n", "\n") == CODE["rust"] + "\n" + answer
        more = "#[test]\nfn adds_zero() {\n    assert_eq!(add(0, 2), 2);\n}\n"
        (edit,) = run(WriteFrameworkTest(after, "add", "rust", "cargo test").run, more)
        again = apply_edits(after, [edit])
        assert again.count("mod tests") == 1
        assert again.startswith(code)
        tree = SyntaxTree.parse(again, language_of("a.rs"))
        assert tree is not None
        assert tree.n_errors() == 0


@pytest.mark.parametrize(
    "answer", ["", "no code", "test('x', () => {\n", "function add(a, b) {}\n", "test('x', () => { other(); });\n"]
)
def test_what_is_no_test_is_not_taken(answer: str) -> None:
    assert written(WriteFrameworkTest(CODE["javascript"], "add", "javascript", "jest"), answer) == ""


@pytest.mark.parametrize(
    ("language", "code", "answer", "after"),
    [
        ("javascript", CODE["javascript"], "function add(a, b) { return b + a; }", None),
        ("javascript", CODE["javascript"], "export function add(a, b) {\n  return b + a;\n}", "b + a"),
        ("javascript", CODE["javascript"], "export function add(a) {\n  return a;\n}", None),
        ("javascript", CODE["javascript"], "export function sum(a, b) {\n  return a;\n}", None),
        ("javascript", CODE["javascript"], "export function add(a, b) {\n  return (a;\n}", None),
        ("go", CODE["go"], "func add(a, b int) int {\n\treturn b + a\n}", "b + a"),
        ("java", CODE["java"], "static int add(int a, int b) { return b + a; }", "b + a"),
        ("java", CODE["java"], "static int add(int a) { return a; }", None),
        ("cpp", CODE["cpp"], "int add(int a, int b) { return b + a; }", "b + a"),
    ],
)
def test_a_function_keeps_its_name_and_parameters(language: str, code: str, answer: str, after: str | None) -> None:
    start, end = code.index("add"), code.index("}") if language == "java" else code.rindex("}")
    fix = Fix(code, code.index("return"), code.index("return") + 1, "odd", language)
    for job in (fix, Simplify(code, start, end + 1, language)):
        edits = run(job.run, answer)
        assert (after is not None) == bool(edits)
        assert after is None or after in apply_edits(code, edits)
