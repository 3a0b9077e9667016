"""What the site makes of docstrings: their roles and examples, as mkdocstrings knows them.

The docstrings have Sphinx's roles, such as ``:meth:`execute_df```, which an editor shows as they
are. Griffe, which reads them for the site, expects links in Markdown, and calls a section with
prompts "Examples".
"""

from __future__ import annotations

import re
from typing import Any

import griffe

import mixpanel_data

_ROLE = re.compile(r":(?:meth|class|func|mod|attr|exc):`~?([\w.]+)`")
_EXAMPLE = re.compile(r"^([ ]*)Example:$", re.MULTILINE)


def link(name: str) -> str:
    """Return a link to something public, or its name in the type of code."""
    short = name.removeprefix("mixpanel_data.")
    if short in mixpanel_data.__all__ or short == "migrate":
        return f"[`{short}`][mixpanel_data.{short}]"
    if hasattr(mixpanel_data.StorageEngine, short):
        return f"[`{short}`][mixpanel_data.StorageEngine.{short}]"
    return f"`{name}`"


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one docstring."""
        if obj.docstring:
            text = _EXAMPLE.sub(r"\1Examples:", obj.docstring.value)
            obj.docstring.value = _ROLE.sub(lambda match: link(match[1]), text)
