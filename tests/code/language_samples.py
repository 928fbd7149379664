"""A small file in each language with a grammar, and what its queries must find in it."""

from __future__ import annotations

from dataclasses import dataclass

from nano_lsp.code.definition_nodes import find_definition_nodes
from nano_lsp.code.languages import language_of
from nano_lsp.code.syntax_tree import SyntaxTree
from nano_lsp.lines import line_start


@dataclass(frozen=True)
class Sample:
    """A sample.

    Attributes:
        language: LSP language id.
        file_name: Name of the file.
        code: Its text.
        functions: Names of functions and methods, in order.
        classes: Names of classes and their like, in order.
        values: Names of other things, in order.
        literals: Beginnings of comments and strings, in order.
    """

    language: str
    file_name: str
    code: str
    functions: tuple[str, ...]
    classes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()


_ECMASCRIPT = """\
// Shapes.
import { round, max as largest } from "./numbers.js";
import defaults, * as every from './all.js';

export class Point extends Base {
  /** The distance from 0. */
  norm(scale = 1) {
    return Math.hypot(this.x, this.y) * scale;
  }
  static async load(path) {
    return new Point(await read(`${path}/p`));
  }
}

export default function area(width, height) {
  return width * height;
}
const double = (x) => {
  return x * 2;
};
exports.triple = function (x) {
  return x * 3;
};
const LIMIT = 10;
function* count() {
  yield 1;
}
"""

SAMPLES = (
    Sample(
        "python",
        "shapes.py",
        '''\
# Shapes.
import math


class Point:
    """A point."""

    @property
    def norm(self) -> float:
        return math.hypot(self.x, self.y)


async def area(width: int, height: int) -> int:
    return f"{width}" * height
''',
        ("norm", "area"),
        ("Point",),
        (),
        ("# Shapes.", '"""A point.', 'f"{width}"'),
    ),
    Sample(
        "javascript",
        "shapes.js",
        _ECMASCRIPT + "const View = () => <b title='x'>text</b>;\n",
        ("norm", "load", "area", "double", "triple", "count", "View"),
        ("Point",),
        ("LIMIT",),
        ("// Shapes.", '"./numbers', "'./all", "/** The", "`${path}", "'x'", "text"),
    ),
    Sample(
        "typescript",
        "shapes.ts",
        _ECMASCRIPT
        + """\
export interface Shape {
  name: string;
  area(scale: number): number;
}
type Side = "left" | "right";
enum Color { Red, Green }
export declare function load(path: string): Promise<Shape>;
abstract class Solid { abstract volume(): number; }
namespace Units { export const cm = 1; }
export const half = (x: number): number => {
  return x / 2;
};
""",
        ("norm", "load", "area", "double", "triple", "count", "area", "load", "volume", "half"),
        ("Point", "Shape", "Color", "Solid"),
        ("LIMIT", "name", "Side", "cm"),
        ("// Shapes.", '"./numbers', "'./all", "/** The", "`${path}", '"left', '"right'),
    ),
    Sample(
        "typescriptreact",
        "view.tsx",
        """\
import { Point } from "./point";

interface Properties { point: Point }

export function View({ point }: Properties): JSX.Element {
  return <b className="point">{point.x} over {/* all */ point.y}</b>;
}
export const Other = (): JSX.Element => <i>it</i>;
""",
        ("View", "Other"),
        ("Properties",),
        ("point",),
        ('"./point', '"point"', " over ", "/* all", "it"),
    ),
    Sample(
        "go",
        "shapes.go",
        """\
// Package shapes has shapes.
package shapes

import (
	"fmt"
	n "example.com/project/numbers"
)

// Point is a point.
type Point struct {
	X, Y float64
}

type Shape interface {
	Area(scale int) (float64, error)
}

type Side int

const Limit = 10

// Norm is the distance from 0.
func (p *Point) Norm(scale float64) float64 {
	return n.Hypot(p.X, p.Y) * scale
}

func Area(width, height int) int {
	fmt.Println(`raw`, 'r')
	return width * height
}
""",
        ("Area", "Norm", "Area"),
        ("Point", "Shape"),
        ("Side", "Limit"),
        ("// Package", '"fmt', '"example', "// Point", "// Norm", "`raw", "'r'"),
    ),
    Sample(
        "rust",
        "shapes.rs",
        """\
//! Shapes.
use crate::numbers::{self, round as rounded};

/// A point.
#[derive(Clone)]
pub struct Point<'a> {
    x: f64,
    name: &'a str,
}

pub enum Side {
    Left,
}

pub trait Shape {
    fn area(&self, scale: i32) -> f64;
}

impl<'a> Shape for Point<'a> {
    fn area(&self, scale: i32) -> f64 {
        println!("area {}", '"');
        0.0
    }
}

pub const LIMIT: i32 = 10;

macro_rules! twice { ($x:expr) => { $x * 2 }; }

mod tests {
    fn works() {}
}
""",
        ("area", "area", "works"),
        ("Point", "Side", "Shape", "Point", "tests"),
        ("LIMIT", "twice"),
        ("//! Shapes.", "/// A point", '"area', "'\"'"),
    ),
    Sample(
        "java",
        "Point.java",
        """\
package shapes;

import shapes.numbers.Rounder;

/** A point. */
public class Point implements Shape {
    private final double x = 1;

    public Point(double x) {
        this.x = x;
    }

    /** The area. */
    @Override
    public double area(int scale) {
        char c = 'c';
        return Rounder.round("text");
    }
}

interface Shape {
    double area(int scale);
}

record Pair(int a, int b) {}

enum Side { LEFT }
""",
        ("Point", "area", "area"),
        ("Point", "Shape", "Pair", "Side"),
        ("x", "LEFT"),
        ("/** A point", "/** The area", "'c'", '"text'),
    ),
    Sample(
        "c",
        "shapes.c",
        """\
/* Shapes. */
#include <math.h>
#include "shapes.h"

#define LIMIT 10

struct point {
    double x;
};

typedef struct {
    int n;
} pair;

static const char *name_of(const struct point *p) {
    return "point";  // always
}

double norm(struct point p, int scale);

#ifdef DEBUG
int check(void) {
    return 'c';
}
#endif
""",
        ("name_of", "norm", "check"),
        ("point", "pair"),
        ("LIMIT",),
        ("/* Shapes", "<math", '"shapes', '"point', "// always", "'c'"),
    ),
    Sample(
        "cpp",
        "shapes.hpp",
        """\
// Shapes.
#pragma once
#include "numbers.hpp"

namespace shapes {

/// A point.
class Point : public Shape {
public:
    explicit Point(double x) : x_(x) {}
    double norm(int scale) const;
    const std::string &name() const { return name_; }
    ~Point();

private:
    double x_;
};

template <typename T>
T twice(T x) {
    return x + x;
}

double Point::norm(int scale) const {
    return R"(raw)" "text";
}

using Pair = std::pair<int, int>;

}  // namespace shapes
""",
        ("Point", "norm", "name", "~Point", "twice", "Point::norm"),
        ("Point",),
        ("Pair",),
        ("// Shapes", '"numbers', "/// A point", 'R"(raw', '"text', "// namespace"),
    ),
    Sample(
        "csharp",
        "Point.cs",
        """\
using System;
using Shapes.Numbers;

namespace Shapes
{
    /// <summary>A point.</summary>
    public class Point : IShape
    {
        private readonly double x = 1;
        public string Name { get; set; }

        public Point(double x) { this.x = x; }

        public double Area(int scale) => x * scale;

        public override string ToString()
        {
            return $"at {x}" + @"\\" + 'c';
        }
    }

    public interface IShape { double Area(int scale); }
    public record Pair(int A, int B);
    public enum Side { Left }
}
""",
        ("Point", "Area", "ToString", "Area"),
        ("Point", "IShape", "Pair", "Side"),
        ("x", "Name", "Left"),
        ("/// <summary", '$"at', '@"', "'c'"),
    ),
    Sample(
        "ruby",
        "shapes.rb",
        """\
# Shapes.
require_relative "numbers"

module Shapes
  LIMIT = 10

  class Point < Base
    def initialize(x)
      @x = x
    end

    # The area.
    def area(scale = 1)
      "#{@x} #{scale}"
    end

    def self.load(path)
      path =~ /p/
    end
  end
end
""",
        ("initialize", "area", "load"),
        ("Shapes", "Point"),
        ("LIMIT",),
        ("# Shapes", '"numbers', "# The area", '"#{@x}', "/p/"),
    ),
    Sample(
        "shellscript",
        "shapes.sh",
        """\
#!/usr/bin/env bash
source ./numbers.sh
LIMIT=10

# The area.
area() {
  local width=$1
  echo "$(( width * $2 ))" 'px'
}

function load {
  cat <<EOF
text
EOF
}
""",
        ("area", "load"),
        (),
        ("LIMIT",),
        ("#!/usr", "# The area", '"$((', "'px", "text"),
    ),
    Sample(
        "lua",
        "shapes.lua",
        """\
-- Shapes.
local numbers = require("numbers")
local Point = {}
local LIMIT = 10

--- The area.
function Point.area(width, height)
  return width * height
end

function Point:norm()
  return [[raw]] .. 'x'
end

local function twice(x)
  return x * 2
end

Point.half = function(x)
  return x / 2
end

return Point
""",
        ("Point.area", "Point:norm", "twice", "Point.half"),
        (),
        ("numbers", "Point", "LIMIT"),
        ("-- Shapes", '"numbers', "--- The", "[[raw", "'x"),
    ),
)


def build_document(name: str, n_lines: int) -> tuple[str, int]:
    """A document of a language, and an offset at the beginning of a line in a function in its middle."""
    code = next(sample.code for sample in SAMPLES if sample.language == name)
    tree = SyntaxTree.parse(code, language_of("", name))
    assert tree is not None
    found = [each for each in find_definition_nodes(tree, max_depth=2) if each.whole.parent == tree.root]
    definitions = "\n\n".join(tree.text_of(each.whole) for each in found) + "\n\n"
    text = code[: tree.offset(found[0].whole.start_byte)] + definitions * (n_lines // definitions.count("\n") + 1)
    tree = SyntaxTree.parse(text, language_of("", name))
    assert tree is not None
    for each in find_definition_nodes(tree):
        if each.kind == "function" and each.body and each.body.start_byte > len(text) // 2:
            start, end = tree.offset(each.body.start_byte), tree.offset(each.node.end_byte)
            if "\n" in text[start:end]:
                return text, text.index("\n", start) + 1
            if "\n" in text[tree.offset(each.node.start_byte) : start]:  # a body without braces, of one line
                return text, line_start(text, start)
    raise ValueError(f"The sample of {name} has no function of several lines.")
