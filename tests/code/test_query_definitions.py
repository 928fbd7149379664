"""Functions and classes of languages other than Python: their parameters, results and errors, found by queries."""

from __future__ import annotations

import pytest

from nano_lsp.code.definitions import (
    Definition,
    DefinitionKind,
    definition_at,
    find_definitions,
    is_sound,
    undocumented,
)
from nano_lsp.code.languages import LANGUAGES
from nano_lsp.code.syntax_tree import SyntaxTree


def parse(language: str, code: str) -> SyntaxTree:
    tree = SyntaxTree.parse(code, next(each for each in LANGUAGES if each.name == language))
    assert tree is not None
    return tree


def definitions(language: str, code: str) -> dict[str, Definition]:
    return {each.name: each for each in find_definitions(parse(language, code))}


def signature(each: Definition) -> str:
    """The facts of a definition in a line, such as `<T> a, b -> ! ValueError`."""
    flags = {"->": each.returns, "yields": each.yields, "fails": each.fails, "panics": each.panics}
    return " ".join(
        [
            *[f"<{', '.join(each.type_parameters)}>"] * bool(each.type_parameters),
            *[", ".join(parameter.name for parameter in each.parameters)] * bool(each.parameters),
            *(flag for flag, is_set in flags.items() if is_set),
            *["unsafe"] * each.unsafe,
            *[f"! {', '.join(each.raises)}"] * bool(each.raises),
        ]
    )


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("javascript", "function f(a, b = (x) => x, ...c) { return a }", "a, b, c ->"),
        ("javascript", "function f({ a, b }, [c], d) {}", "param0, param1, d"),
        ("javascript", "const f = async a => a", "a ->"),
        ("javascript", "const f = a => b => a", "a ->"),
        ("javascript", "const f = (a) => { [1].map(x => { return x }) }", "a"),
        ("javascript", "function f() { return; }", ""),
        ("javascript", "function* f() { yield 1 }", "yields"),
        ("javascript", "function f() { throw new a.TypeError('x') }", "! a.TypeError"),
        ("javascript", "function f() { try { throw new A() } catch (e) {} }", ""),
        ("javascript", "function f() { try { throw new A() } catch (e) { throw e } }", "! A"),
        ("javascript", "function f() { try { throw new A() } finally {} }", "! A"),
        ("javascript", "exports.f = function (größe) {}", "größe"),
        ("javascript", "/* note */ function f(a) {}", "a"),
        ("typescript", "function f<T extends U = V>(this: X, a?: T, b = 1, ...c: T[]): void {}", "<T> a, b, c"),
        ("typescript", "async function f(): Promise<void> { return g() }", ""),
        ("typescript", "async function f(): Promise<T> {}", "->"),
        ("typescript", "function f(a: unknown): asserts a is T {}", "a"),
        ("typescript", "function f(a: unknown): a is T {}", "a ->"),
        ("typescript", "function f(cb: (x: number) => void, { a }: O): number {}", "cb, param1 ->"),
        ("typescriptreact", "const f = <T,>(a: T): T => <b>{a}</b>", "<T> a ->"),
        ("go", "func f(a, b int, c ...string) (n int, err error) { return }", "a, b, c -> fails"),
        ("go", "func f[K any](m map[K]int, g func(k K) int, _ int) error { return nil }", "m, g fails"),
        ("go", "func f() { panic(1) }", "panics"),
        ("go", "func f() { g := func(a int) error { panic(1) }; g(1) }", ""),
        ("rust", "fn f<T: X>(mut a: &T, (b, c): (u8, u8), _: u8) -> io::Result<()> { Ok(()) }", "a, (b, c) fails"),
        ("rust", "fn f() -> Result<u8, E> { x(|a| panic!()) }", "-> fails"),
        ("rust", 'fn f(a: impl Fn(u8) -> u8) { assert!(a); panic!("x") }', "a panics"),
        ("rust", "unsafe fn f() -> ! {}", "unsafe"),
        ("c", "static int *f(char *a, void (*cb)(int x, void *y), int b[4], ...) {}", "a, cb, b, ... ->"),
        ("c", "void f(void);", ""),
        ("c", "int f(int, char *);", "->"),
        ("c", "static FORCE_INLINE void f(int a) {}", "a"),
        (
            "cpp",
            "template <typename T, int N = 3, class... R> auto f(T&& a = T(), R... r) -> int { }",
            "<T, N, R> a, r ->",
        ),
        ("cpp", "void f(std::function<void(int z)> cb, const X& = {});", "cb"),
        ("cpp", 'int f() { throw std::runtime_error("x"); }', "-> ! std::runtime_error"),
        ("cpp", 'void f() { throw Builder("a").with(1); throw A<B>(1); }', "! A"),
        ("cpp", "void f() { try { throw A(1); } catch (const A& e) {} }", ""),
        ("cpp", "void f() { try { throw A(1); } catch (const B& e) {} }", "! A"),
        ("cpp", "void f() { try { throw A(1); } catch (...) { throw; } }", "! A"),
        ("ruby", "def f(a, b = 1, *c, d:, e: 2, **g, &h); @a = 1; end", "a, b, c, d, e, g, h"),
        ("ruby", 'def f; raise A, "x"; raise "y"; raise B::C.new(1); end', "! A, RuntimeError, B::C"),
        ("ruby", "def f; raise A; rescue A => e; end", ""),
        ("ruby", "def f; raise A.b(1).c; raise a.b; end", ""),
        ("ruby", "def f; yield 1; a.map { |x| x }; end", "-> yields"),
        ("lua", 'function f(a, ...) error("x") return a end', "a, ... -> fails"),
        ("lua", "f = function(a) return end", "a"),
    ],
)
def test_facts_of_a_function(language: str, code: str, expected: str) -> None:
    (found,) = [each for each in find_definitions(parse(language, code)) if each.name == "f"]
    assert signature(found) == expected


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        (
            "java",
            "class A<T> {\n"
            "  <U> List<U> f(final int a, U... b) throws IOException { throw new a.B(1); }\n"
            "  A(int x) {}\n"
            "  void g(A this) { try { throw new E(); } catch (Exception e) { log(); } }\n"
            "}\n"
            "record R(int a, String b) {}\n",
            {"A": "<T>", "A.f": "<U> a, b -> ! IOException, a.B", "A.A": "x", "A.g": "", "R": "a, b"},
        ),
        (
            "csharp",
            "class A<T> {\n"
            "  async Task<U> F<U>(this string s, ref int a, int b = 1, params U[] c) { throw new System.X(); }\n"
            "  Task G() { try { throw new E(); } catch { } }\n"
            "  int P => x ?? throw new E();\n"
            "  void H(string s) { ArgumentNullException.ThrowIfNull(s); }\n"
            "}\n"
            "record R(int A, string B);\n",
            {
                "A": "<T>",
                "A.F": "<U> s, a, b, c -> ! System.X",
                "A.G": "",
                "A.H": "s ! ArgumentNullException",
                "R": "A, B",
            },
        ),
        (
            "cpp",
            "class A : public B {\n"
            "public:\n"
            "  A(int a);\n"
            "  ~A();\n"
            "  bool operator==(const A& o) const { return true; }\n"
            "  A(A&& a) = default;\n"
            "  operator int() const { return 1; }\n"
            "};\n"
            'extern "C" int h(int a);\n',
            {"A": "", "A.A": "a", "A.~A": "", "A.operator==": "o ->", "A.int": "->", "h": "a ->"},
        ),
        (
            "javascript",
            "export class A {\n  constructor(a) {}\n  get x() { return 1 }\n  set x(v) {}\n"
            "  static async *m() { yield 1 }\n}\n",
            {"A": "", "A.constructor": "a", "A.x": "v", "A.m": "yields"},
        ),
        (
            "ruby",
            "class A\n  def initialize(a)\n    a\n  end\n\n  def b=(v)\n    v\n  end\n\n  def c\n    @c\n"
            "  end\nend\n",
            {"A": "", "A.initialize": "a", "A.b=": "v", "A.c": "->"},
        ),
        ("go", "func (r *R[T]) F(a int) (int, error) { return a, nil }\n", {"R.F": "a -> fails"}),
    ],
)
def test_facts_of_members(language: str, code: str, expected: dict[str, str]) -> None:
    assert {name: signature(each) for name, each in definitions(language, code).items()} == expected


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("javascript", "function a() {}\nfunction _b() {}\nclass C {\n  #d() {}\n}\n", ["a", "C"]),
        ("typescript", "class A {\n  private b() {}\n  c() {\n    function d() {}\n  }\n}\n", ["A", "A.c"]),
        ("typescript", "function a(x: string): void\nfunction a(x: any) {}\n", ["a"]),
        ("go", "func A() {}\nfunc b() {}\nfunc TestX() {}\ntype c struct{}\nfunc (c *c) D() {}\n", ["A"]),
        (
            "rust",
            "pub fn a() {}\nfn b() {}\npub(crate) fn c() {}\npub trait T {\n    fn d();\n}\n",
            ["a", "T", "T.d"],
        ),
        (
            "java",
            "public class A {\n  public void b() {}\n  void c() {}\n  @Override public int d() {}\n}\n",
            ["A", "A.b"],
        ),
        ("c", "int a(int x);\nint a(int x) { return 1; }\nstatic int b(void) { return 1; }\n", ["a"]),
        ("cpp", "class A {\n  int b();\npublic:\n  int c();\nprivate:\n  int d();\n};\n", ["A", "A.c"]),
        (
            "csharp",
            "public class A {\n  public void B() {}\n  void C() {}\n  public override int D() => 1;\n}\n",
            ["A", "A.B"],
        ),
        (
            "ruby",
            "class A\n  def b; end\n  private\n  def c; end\n  public\n  def d; end\nend\n",
            ["A", "A.b", "A.d"],
        ),
        ("lua", "local function a() end\nfunction M.b() end\n", ["M.b"]),
    ],
)
def test_public_definitions_need_documentation(language: str, code: str, expected: list[str]) -> None:
    assert [each.name for each in undocumented(parse(language, code))] == expected


@pytest.mark.parametrize(
    ("language", "code", "comment"),
    [
        ("javascript", "/** One. */\nexport const f = () => {}\n", "/** One. */"),
        ("javascript", "/* note */\nfunction f() {}\n", None),
        ("javascript", "/** @file one */\nfunction f() {}\n", None),
        ("javascript", "/** Copyright (c) 2020 X */\nfunction f() {}\n", None),
        ("javascript", "/** One. */\n// eslint-disable-next-line x\nfunction f() {}\n", "/** One. */"),
        ("javascript", "/** One. */\n\nfunction f() {}\n", None),
        ("javascript", "g(); /** One. */\nfunction f() {}\n", None),
        ("javascript", "/** One. */ function f() {}\n", "/** One. */"),
        ("javascript", "class A {\n  /** One. */ g() {}\n  f() {}\n}\n", None),
        ("javascript", "/** One. */\n/* two */ function f() {}\n", "/** One. */"),
        ("typescript", "class A {\n  /** One. */\n  @Dec()\n  f() {}\n}\n", "/** One. */"),
        ("go", "// F is one,\n// or two.\n//\n//go:noinline\nfunc f() {}\n", "// F is one,\n// or two.\n//"),
        ("go", "//go:build linux\nfunc f() {}\n", None),
        ("go", "// Copyright 2020 X\nfunc f() {}\n", None),
        ("rust", "/// One.\n#[inline]\n// note\nfn f() {}\n", "/// One."),
        ("rust", "#[inline]\n/// One.\nfn f() {}\n", "/// One."),
        ("rust", "// note\nfn f() {}\n", None),
        ("java", "class A {\n  /** One. */\n  @B\n  void f() {}\n}\n", "/** One. */"),
        ("c", "/* note */\nint f(void);\n", None),
        ("c", "/** @file */\nint f(void);\n", None),
        ("c", "int a; /**< that */\nint f(void);\n", None),
        ("c", "//! One.\n//! Two.\nint f(void);\n", "//! One.\n//! Two."),
        (
            "csharp",
            "class A {\n  /// <summary>One.</summary>\n  [B]\n  void f() {}\n}\n",
            "/// <summary>One.</summary>",
        ),
        ("ruby", "# frozen_string_literal: true\ndef f; end\n", None),
        ("ruby", "# One.\n# rubocop:disable X\ndef f; end\n", "# One."),
        ("lua", "--- One.\n-- Two.\nfunction f() end\n", "--- One.\n-- Two."),
        ("lua", "-- note\nfunction f() end\n", None),
    ],
)
def test_the_comment_that_documents_a_function(language: str, code: str, comment: str | None) -> None:
    for text in (code, code.replace("\n", "\r\n")):
        (found,) = [each for each in find_definitions(parse(language, text)) if each.name.endswith("f")]
        shown = text[slice(*found.docstring)].replace("\r\n", "\n") if found.docstring else None
        assert shown == comment


def test_a_definition_is_found_at_its_code_and_at_its_comment() -> None:
    code = "/** One. */\nfunction f() {\n  const g = () => 1;\n}\n\nh();\n"
    tree = parse("javascript", code)
    for text, name in (("One", "f"), ("function", "f"), ("=> 1", "f.g"), ("h()", "")):
        assert definition_at(tree, code.index(text)).name == name
    assert definition_at(tree, len(code)).kind is DefinitionKind.MODULE


@pytest.mark.parametrize(
    ("language", "code", "sound"),
    [
        ("javascript", "function f(a) { return ( }\n", False),
        ("javascript", "function f(a) {}\nfunction g( {\n", True),
        ("c", "static FORCE_INLINE int f(int a) { return 1; }\n", True),
        ("c", "int f(int a MACRO) { return 1; }\n", False),
    ],
)
def test_syntax_errors_that_matter(language: str, code: str, sound: bool) -> None:
    tree = parse(language, code)
    assert is_sound(tree, next(find_definitions(tree))) is sound


def test_a_definition_that_does_not_begin_its_line_is_left_out() -> None:
    assert definitions("javascript", "const a = 1; function f() {}\nexport default function (a) {}\n").keys() == {
        "default"
    }


def test_text_that_is_not_unicode_has_no_definitions() -> None:
    tree = parse("go", "func f(a int) {} // \ud800\n")
    assert list(find_definitions(tree)) == []
    assert definition_at(tree, 0).kind is DefinitionKind.MODULE
