"""A module."""


import builtins
import typing
from functools import lru_cache
from typing import overload as signature
from typing_extensions import overload  # backport


@lru_cache
def overload_factor(load):
    return load


@app.get("/overloads")
def show():
    return []


@overload  # this comment is no part of it
def first(a: int) -> int: ...


@typing.overload
def first(a: str) -> str: ...


@signature
def first(a: bytes) -> bytes: ...


def first(a):
    """Say it."""
    return a


class Box:
    """A box."""

    @property
    def width(self):
        return 1

    @width.setter
    def width(self, value):
        print(value)

    @width.deleter
    def width(self):
        print()

    @builtins.staticmethod  # takes no object
    def make(size):
        """Make one.

        Args:
            size: In metres.
        """
