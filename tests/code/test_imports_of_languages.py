"""Signatures of what a file imports from its workspace, in the languages that have it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nano_lsp.code.file_outline import imports_of, outline_of
from nano_lsp.code.languages import language_of
from nano_lsp.code.open_documents import OpenDocument
from nano_lsp.code.outline import Import, Outline
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.code.workspace import Workspace
from tests.code.language_samples import SAMPLES, Sample

PROJECT = {
    "web/src/cart.ts": """\
import { Item } from "./item.js";
/** A cart. */
export class Cart<T extends Item> {
  private items: T[] = [];
  _hidden() {}
  add(item: T): void { this.items.push(item); }
}
export default function total(cart: Cart<Item>): number { return 0; }
export const RATE = 3;
function own() {}
""",
    "web/src/item.ts": "export interface Item { name: string; price: number }\n",
    "web/src/shop/index.ts": 'export { Cart as Basket } from "../cart";\nexport * from "../item";\n',
    "web/src/old.js": "exports.parse = function (text, options) { return text; };\nconst own = 1;\n",
    "go/numbers/round.go": """\
package numbers

// Round rounds.
func Round(x float64, digits int) float64 { return x }
func own() {}
type Range struct { From, To int }
func (r Range) Size() int { return 0 }
""",
    "go/numbers/round_test.go": "package numbers\n\nfunc TestRound() {}\n",
    "go/numbers/sum.go": "package numbers\n\nfunc Sum(xs ...float64) float64 { return 0 }\n",
    "rs/src/lib.rs": "pub mod numbers;\nmod shapes;\n",
    "rs/src/numbers.rs": """\
pub fn round(x: f64) -> f64 { x }
fn own() {}
pub struct Range { pub from: i32, to: i32 }
impl Range {
    pub fn size(&self) -> i32 { 0 }
}
""",
    "rs/src/shapes/mod.rs": "pub trait Shape { fn area(&self) -> f64; }\n",
    "c/include/numbers.h": """\
#ifndef NUMBERS_H
#define NUMBERS_H
/* Rounds. */
double round_to(double x, int digits);
struct range { int from, to; };
typedef struct range range_t;
static int own(void) { return 0; }
#endif
""",
    "c/include/shape.hpp": """\
#pragma once
namespace shapes {
class Shape {
public:
    virtual double area(int scale) const = 0;
    void draw();
};
template <typename T> T twice(T x) { return x + x; }
}
""",
}
CART = """\
// web/src/cart.ts
export class Cart<T extends Item>
    add(item: T): void
"""
ITEM = "// web/src/item.ts\nexport interface Item {name: string; price: number}\n"
ROUND = """\
// go/numbers/round.go
func Round(x float64, digits int) float64
type Range struct {From, To int}
    func (r Range) Size() int
// go/numbers/sum.go
func Sum(xs ...float64) float64
"""
NUMBERS = """\
// rs/src/numbers.rs
pub fn round(x: f64) -> f64
pub struct Range {pub from: i32, to: i32}
    pub fn size(&self) -> i32
"""
FORM = "// rs/src/shapes/mod.rs\npub trait Shape\n    fn area(&self) -> f64\n"
PACKAGE = ROUND.replace("float64\ntype", "float64\nfunc own()\ntype")
HEADER = """\
// c/include/numbers.h
double round_to(double x, int digits)
struct range {int from, to;}
typedef struct range range_t
"""
SHAPE = """\
// c/include/shape.hpp
class Shape
    virtual double area(int scale) const = 0
    void draw()
template <typename T> T twice(T x)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("project")
    for name, text in PROJECT.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    workspace = Workspace(root, tmp_path_factory.mktemp("store"))
    assert workspace.update() == len(PROJECT)
    return workspace


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("web/src/app.ts", 'import { Cart } from "./cart";', CART),
        ("web/src/app.tsx", 'import { Cart as Basket, missing } from "./cart.js";', CART),
        ("web/src/shop/app.ts", 'import { Basket } from ".";', CART),  # passed on
        ("web/src/app.js", 'import { Item } from "./shop";', ITEM),  # passed on with all others
        ("web/test/app.ts", 'import { Item } from "@/item";', ITEM),
        (
            "web/src/app.ts",
            'import sum from "./cart";',
            "// web/src/cart.ts\nexport default function total(cart: Cart<Item>): number\n",
        ),
        ("web/src/app.ts", 'import * as items from "./item";', ITEM),
        (
            "web/src/app.js",
            'const { parse } = require("./old");',
            "// web/src/old.js\nexports.parse = function (text, options)\n",
        ),
        ("web/src/app.js", 'const x = other("./old");\nimport "react";\nimport { a } from "react";', ""),
        ("go/app/main.go", 'package main\n\nimport (\n\t"fmt"\n\tn "example.com/shop/go/numbers"\n)\n', ROUND),
        ("go/numbers/mean.go", "package numbers\n", PACKAGE),
        ("go/app/main.go", 'package main\n\nimport "math/numbers"\n', ""),  # of the standard library
        ("rs/src/main.rs", "use crate::numbers::{round, Range};", NUMBERS),
        ("rs/src/main.rs", "use shapes::Shape as Form;\nuse std::fs;", ""),
        ("rs/src/main.rs", "use crate::shapes::Shape;", FORM),
        ("rs/src/shapes/circle.rs", "use super::Shape;\nuse super::super::numbers;", FORM + NUMBERS),
        ("rs/src/lib.rs", "mod numbers;", NUMBERS),
        ("other/src/main.rs", "use rs::numbers::*;", NUMBERS),
        ("c/src/main.c", '#include <stdio.h>\n#include "../include/numbers.h"\n', HEADER),
        ("c/src/main.c", '#ifdef A\n#include "numbers.h"\n#endif\n', HEADER),
        ("c/src/main.cpp", '#include "shape.hpp"\n', SHAPE),
        ("c/src/main.c", '#include "missing.h"\n', ""),
    ],
)
def test_the_signatures_of_what_a_file_imports(project: Workspace, name: str, code: str, expected: str) -> None:
    document = OpenDocument(str(project.root / name), language_of(name))
    document.update(code)
    document.look_up_imports(project, 10_000, len)
    assert document.imported == expected


def test_imports_are_those_of_the_language() -> None:
    def of(name: str, code: str) -> list[Import]:
        tree = SyntaxTree.parse(code, language_of(name))
        assert tree is not None
        return list(imports_of(tree))

    assert of("a.rs", "use a::{self, b::{c, d as e}, f::*};") == [
        Import("a", "", "a"),
        Import("c", "a::b", "c"),
        Import("e", "a::b", "d"),
        Import("*", "a::f"),
    ]
    assert of("a.js", "import d, { a as b } from './m';\nimport * as n from './m';\nexport * from './o';") == [
        Import("b", "./m", "a"),
        Import("d", "./m", "default"),
        Import("n", "./m"),
        Import("*", "./o", "*"),
    ]
    assert of("a.py", "from a import b as c") == [Import("c", "a", "b")]
    assert of("a.ts", "import a from 'b';\nexport { a as c, d };\nexport default a;\nexport * as e from './f';") == [
        Import("a", "b", "default"),
        Import("c", "", "a"),
        Import("d", "", "d"),
        Import("default", "", "a"),
        Import("e", "./f"),
    ]
    assert of("a.js", "module.exports = { a, b: c };\nmodule.exports = d;\nother.exports = e;") == [
        Import("a", "", "a"),
        Import("b", "", "c"),
        Import("default", "", "d"),
    ]
    assert of("a.java", "import a.B;\nimport static a.B.c;\nimport a.*;") == [
        Import("B", "a.B", "B"),
        Import("c", "a.B.c", "c"),
        Import("*", "a"),
    ]
    assert of("a.cs", "using A.B;\nusing C = A.D;") == [Import("*", "A.B"), Import("C", "A.D", "D")]
    assert of("a.rb", "require_relative 'a/b'\nrequire 'c'\nputs 'd'") == [Import("b", "./a/b"), Import("c", "c")]
    assert of("a.lua", "local a = require('b.c').d\nprint('e')") == [Import("b.c", "b.c")]
    assert of("a.sh", '. "$(dirname "$0")/a.sh"\nsource "${B}/c/d.sh"\nsource \'e.sh\'\necho f') == [
        Import("a.sh", "a.sh"),
        Import("c/d.sh", "c/d.sh"),
        Import("e.sh", "e.sh"),
    ]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.language)
def test_each_outline_has_the_definitions_in_one_line(sample: Sample) -> None:
    tree = SyntaxTree.parse(sample.code, language_of(sample.file_name, text=sample.code))
    assert tree is not None
    symbols = outline_of(tree).symbols
    if sample.language != "ruby":  # whose class is within a module
        assert {each.name for each in symbols} >= set(sample.classes)
    assert all(each.name and each.code and "\n" not in each.code for each in symbols)
    assert all(member.code and "\n" not in member.code for each in symbols for member in each.members)
    assert not any("*/" in each.code or "//" in each.code.replace("://", "") for each in symbols)


def test_files_of_other_languages_are_updated_when_they_are_saved(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "store")
    (tmp_path / "a.ts").write_text("export function f(a: number) {}\n")
    (tmp_path / "a.php").write_text("function f() {}\n")
    workspace.read([tmp_path / "a.ts", tmp_path / "a.php"])
    outline = workspace.outline("a.ts")
    assert outline is not None
    assert [each.code for each in outline.symbols] == ["export function f(a: number)"]
    assert workspace.outline("a.php") is None
    (tmp_path / "a.ts").unlink()
    workspace.read([tmp_path / "a.ts"])
    assert workspace.outline("a.ts") is None


def test_manifests_name_the_module_and_the_crate(tmp_path: Path) -> None:
    files = {
        "go.mod": "module shop\n\ngo 1.22\n",
        "shop.go": "package shop\nfunc Open(name string) error { return nil }\n",
        "carts/cart.go": "package carts\nfunc Sum(a int) int { return a }\n",
        "log/log.go": "package log\nfunc Own() {}\n",
        "rs/Cargo.toml": '[package]\nname = "my-crate"\n',
        "rs/src/lib.rs": "pub mod a;\npub fn top() {}\n",
        "rs/src/a.rs": "pub struct A { pub x: i32 }\n",
    }
    workspace = write_project(tmp_path, files)
    assert signatures(workspace, "cmd/main.go", 'package main\nimport "shop"\n') == (
        "// shop.go\nfunc Open(name string) error\n"
    )
    assert signatures(workspace, "cmd/main.go", 'package main\nimport "shop/carts"\n') == (
        "// carts/cart.go\nfunc Sum(a int) int\n"
    )
    assert signatures(workspace, "rs/tests/it.rs", "use my_crate::top;\nuse my_crate::a::A;\n") == (
        "// rs/src/lib.rs\npub fn top()\n// rs/src/a.rs\npub struct A {pub x: i32}\n"
    )


FORMS = {
    "name.ts": "class Cart { add(item: string): void {} }\nexport default Cart;\n",
    "list.ts": "function a(x: number) {}\nfunction own() {}\nexport { a, a as default };\n",
    "all.ts": 'export * as ns from "./list";\n',
    "star.ts": 'export * from "./list";\n',
    "again.ts": 'import Cart from "./name";\nexport { Cart as Basket };\n',
    "declared.ts": "export declare function load(path: string): void;\n",
    "many.ts": (
        "export function f(a: string): void;\nexport function f(a: number): void;\nexport function f(a: any) {}\n"
    ),
    "common.js": "function a(x) {}\nfunction own() {}\nmodule.exports = { a };\n",
    "whole.js": "class Cart { add(item) {} }\nmodule.exports = Cart;\n",
}
A, LOADED = (
    "// list.ts\nfunction a(x: number)\n",
    "// declared.ts\nexport declare function load(path: string): void\n",
)
CLASS = "// name.ts\nclass Cart\n    add(item: string): void\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ('import Cart from "./name";', CLASS),
        ('import { Basket } from "./again";', CLASS),
        ('import { a } from "./list";', A),
        ('import a from "./list";', A),
        ('import * as list from "./list";', A),
        ('import { ns } from "./all";', A),
        ('import * as star from "./star";', A),
        ('const { a } = await import("./list");', A),
        ('const list = await import("./list");', A),
        ('import { load } from "./declared";', LOADED),
        (
            'import { f } from "./many";',
            "// many.ts\nexport function f(a: string): void; export function f(a: number): void\n",
        ),
        ('const common = require("./common");', "// common.js\nfunction a(x)\n"),
        ('const { a } = require("./common");', "// common.js\nfunction a(x)\n"),
        ('const Cart = require("./whole");', "// whole.js\nclass Cart\n    add(item)\n"),
    ],
)
def test_each_form_of_an_import_of_ecmascript(tmp_path: Path, code: str, expected: str) -> None:
    assert signatures(write_project(tmp_path, FORMS), "app.ts", code) == expected


BY_NAME = {
    "src/main/java/com/shop/Cart.java": """package com.shop;
public class Cart {
    public static final int LIMIT = 10;
    private int total;
    public static int round(double price) { return 0; }
}
""",
    "src/main/java/com/shop/Own.java": "package com.shop;\nclass Own {}\n",
    "src/Shop.Core/Carts/Cart.cs": """namespace Shop.Carts;
public class Cart
{
    public int Sum(int n) { return n; }
    private int Own() { return 0; }
}
""",
    "gem/lib/shop/cart.rb": """module Shop
  class Cart < Base
    def add(item, count: 1)
    end
  end
end
""",
    "plugin/lua/shop/init.lua": (
        "local M = {}\nfunction M.open(path)\n  return path\nend\nlocal function own()\nend\nreturn M\n"
    ),
    "bin/lib/log.sh": "LEVEL=1\nlog() {\n  echo $1\n}\n",
}
JAVA = "// src/main/java/com/shop/Cart.java\n"
JAVA_CLASS = (
    f"{JAVA}public class Cart\n    public static final int LIMIT = 10\n    public static int round(double price)\n"
)
CSHARP = "// src/Shop.Core/Carts/Cart.cs\npublic class Cart\n    public int Sum(int n)\n"
RUBY = "# gem/lib/shop/cart.rb\nmodule Shop\n    class Cart < Base\n        def add(item, count: 1)\n"
LUA = "-- plugin/lua/shop/init.lua\nfunction M.open(path)\n"
SCRIPT = "# bin/lib/log.sh\nLEVEL=1\nlog()\n"


@pytest.mark.parametrize(
    ("name", "code", "expected"),
    [
        ("src/test/java/ATest.java", "import com.shop.Cart;", JAVA_CLASS),
        ("src/test/java/ATest.java", "import com.shop.*;", JAVA_CLASS),
        (
            "src/test/java/ATest.java",
            "import static com.shop.Cart.round;",
            f"{JAVA}public static int round(double price)\n",
        ),
        ("src/test/java/ATest.java", "import java.util.List;", ""),
        ("app/Program.cs", "using Shop.Carts;", CSHARP),
        ("app/Program.cs", "using static Shop.Carts.Cart;", CSHARP),
        ("app/Program.cs", "using Basket = Shop.Carts.Cart;", CSHARP),
        ("app/Program.cs", "using System.Text;\nusing Other.Carts;", ""),
        ("gem/lib/shop.rb", "require_relative 'shop/cart'", RUBY),
        ("gem/test/a_test.rb", 'require "shop/cart"', RUBY),
        ("gem/test/a_test.rb", 'require "json"', ""),
        ("a.lua", 'local shop = require("shop")', LUA),
        ("a.lua", 'require("shop").open(require("missing"))', LUA),
        ("bin/run.sh", '. "$(dirname "$0")/lib/log.sh"', SCRIPT),
        ("bin/run.sh", "source lib/log.sh", SCRIPT),
        ("run.sh", "source ./bin/lib/log.sh", SCRIPT),
        ("run.sh", "source /etc/profile", ""),
    ],
)
def test_files_found_by_name_in_other_languages(tmp_path: Path, name: str, code: str, expected: str) -> None:
    assert signatures(write_project(tmp_path, BY_NAME), name, code) == expected


def test_paths_of_rust_begin_with_a_module_of_the_file_or_in_a_folder_of_crates(tmp_path: Path) -> None:
    files = {
        "Cargo.toml": '[package]\nname = "shop"\n',
        "src/lib.rs": "mod cart;\npub use cart::Cart;\n",
        "src/cart.rs": "pub struct Cart;\nimpl Cart {\n    fn own(&self) {}\n    pub fn open(&self) {}\n}\n",
        "tests/common/mod.rs": "pub fn setup() {}\n",
    }
    workspace = write_project(tmp_path, files)
    shown = "// src/cart.rs\npub struct Cart\n    pub fn open(&self)\n"
    assert signatures(workspace, "src/main.rs", "use shop::Cart;") == shown
    assert signatures(workspace, "src/lib.rs", "mod cart;\nuse cart::Cart;") == shown
    assert signatures(workspace, "src/lib.rs", "use cart::Cart;") == ""
    assert signatures(workspace, "tests/it.rs", "mod common;") == "// tests/common/mod.rs\npub fn setup()\n"


@pytest.mark.skipif("sys.platform == 'win32'", reason="symbolic links")
def test_a_manifest_is_not_read_through_a_link_out_of_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module shop\n")
    workspace = write_project(tmp_path, {"carts/cart.go": "package carts\nfunc Sum(a int) int { return a }\n"})
    code = 'package main\nimport "shop/carts"\n'
    (workspace.root / "cmd").mkdir()
    (workspace.root / "go.mod").symlink_to(tmp_path / "go.mod")
    assert signatures(workspace, "cmd/main.go", code) == ""
    (workspace.root / "go.mod").unlink()
    (workspace.root / "go.mod").write_text("module shop\n")
    assert signatures(workspace, "cmd/main.go", code) == "// carts/cart.go\nfunc Sum(a int) int\n"


def test_modules_that_pass_on_the_names_of_each_other_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"m{i}.ts": 'export * from "./index";\n' for i in range(30)}
    files["index.ts"] = "".join(f'export * from "./m{i}";\n' for i in range(30))
    workspace = write_project(tmp_path, files)
    read: list[str] = []
    outline = workspace.outline

    def read_outline(name: str) -> Outline | None:
        read.append(name)
        return outline(name)

    monkeypatch.setattr(workspace, "outline", read_outline)
    assert signatures(workspace, "z.ts", 'import { missing } from ".";') == ""
    assert sorted(read) == sorted(files)


def test_a_header_for_c_and_cpp_has_its_prototypes(tmp_path: Path) -> None:
    header = """\
#ifdef __cplusplus
extern "C" {
#endif
int size(int scale);
#ifdef __cplusplus
}
#endif
"""
    workspace = write_project(tmp_path, {"include/a.h": header})
    for name in ("a.c", "a.cpp"):
        assert signatures(workspace, name, '#include "a.h"\n') == "// include/a.h\nint size(int scale)\n"


def write_project(folder: Path, files: dict[str, str]) -> Workspace:
    for name, text in files.items():
        path = folder / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    workspace = Workspace(folder / "project", folder / "store")
    workspace.update()
    return workspace


def signatures(workspace: Workspace, name: str, code: str) -> str:
    document = OpenDocument(str(workspace.root / name), language_of(name))
    document.update(code)
    document.look_up_imports(workspace, 10_000, len)
    return document.imported
