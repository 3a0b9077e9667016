"""A set of weak references."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class WeakRegistry(Generic[_T]):
    """A set of objects that does not keep them alive.

    Unlike a ``WeakSet`` it has no callback for a destroyed object. Python would lose a Ctrl-C that
    arrives in such a callback.
    """

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[_T]] = {}

    def add(self, item: _T) -> None:
        """Add an object. It replaces a destroyed one that had the same address."""
        self._references[id(item)] = weakref.ref(item)

    def __iter__(self) -> Iterator[_T]:
        """Iterate over the objects that are still alive."""
        found = [reference() for reference in list(self._references.values())]
        return (item for item in found if item is not None)
