"""Clean-up in forked children, because DuckDB does not survive a fork."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable


def in_forked_children(function: Callable[[], object]) -> None:
    """Call a function in every child that Python forks from now on, before anything else."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def keep_from_destruction(item: object) -> None:
    """Never destroy an object that has a DuckDB connection, in this process.

    The destructor would wait for threads that did not survive the fork, or write the file.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
