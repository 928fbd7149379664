"""What the code knows about a definition: a function, a class or a whole module, with facts for its documentation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from nano_lsp.code.decorators import OVERLOADS


class DefinitionKind(StrEnum):
    """Kind of a definition."""

    FUNCTION = "function"
    CLASS = "class"
    MODULE = "module"


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function, or an annotated field of a class."""

    name: str
    stars: str = ""
    annotation: str = ""
    is_unnamed: bool = False


@dataclass(frozen=True)
class Definition:
    """A function, a class or a whole module. Offsets are in code points.

    Attributes:
        kind: Kind of the definition.
        name: Qualified name: `Class.method` for a method; empty for a module.
        start: Start of the code, decorators included.
        end: End of the code.
        header: Source text from `def` or `class` to the colon; empty for a module.
        header_end: Offset after the colon.
        body_start: Offset of the first statement, the docstring included; the end of the text if there is none.
        indent: Indentation of the statements of the body.
        docstring: Start and end of the docstring's expression, its parentheses included; None without a docstring.
        parameters: Parameters of a function without `self` and `cls`, or annotated fields of a class.
        returns: Whether the function returns a value.
        yields: Whether the function is a generator.
        result: Annotation of the return value; empty without one.
        raises: Exceptions that the definition's own code raises and does not catch, in order.
        receiver: Name of the parameter that receives a method's object or class; empty if there is none.
        returns_nothing: Whether the code proves that a call returns no value: its body returns none, it is not a
            generator, and no decorator may change that.
        decorators: Dotted names that the decorators refer to, with `()` after one that is called.
        language: Name of its language. What follows is known of other languages than Python only.
        insert_at: Offset where a documentation comment goes if there is none.
        type_parameters: Names of the type parameters.
        fails: Whether an error is among the results, or raised without a name.
        panics: Whether its own code calls what ends the program unless it is recovered.
        unsafe: Whether callers have to keep conditions that the compiler does not check.
        is_public: Whether it is part of an interface, and so needs documentation.
        is_broken: Whether it has a syntax error.
    """

    kind: DefinitionKind
    name: str
    start: int
    end: int
    header: str = ""
    header_end: int = 0
    body_start: int = 0
    indent: str = ""
    docstring: tuple[int, int] | None = None
    parameters: tuple[Parameter, ...] = ()
    returns: bool = False
    yields: bool = False
    result: str = ""
    raises: tuple[str, ...] = ()
    receiver: str = ""
    returns_nothing: bool = False
    decorators: tuple[str, ...] = ()
    language: str = "python"
    insert_at: int = 0
    type_parameters: tuple[str, ...] = ()
    fails: bool = False
    panics: bool = False
    unsafe: bool = False
    is_public: bool = True
    is_broken: bool = False

    @property
    def is_overload(self) -> bool:
        """Whether it is an overload: one of several signatures, documented by the implementation's docstring."""
        return not OVERLOADS.isdisjoint(self.decorators)
