"""Objects for as long as others keep them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class WeakRegistry(Generic[_T]):
    """A set of objects that does not keep them alive.

    Unlike a ``WeakSet`` it calls nothing when one of them goes. Python would lose a Ctrl-C that it
    notices in such a call.
    """

    def __init__(self) -> None:
        self._references: dict[int, weakref.ref[_T]] = {}

    def add(self, item: _T) -> None:
        """Add an object. It takes the place of one that had the same address before."""
        self._references[id(item)] = weakref.ref(item)

    def __iter__(self) -> Iterator[_T]:
        """Iterate over those that are left."""
        found = [reference() for reference in list(self._references.values())]
        return (item for item in found if item is not None)
