"""What a URL may say beside DuckDB's settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError
from sqlalchemy.util import asbool

from mixpanel_data.common.nearest import did_you_mean


def _truth(text: Any) -> bool:
    if not isinstance(text, (str, bool)):  # several values
        raise TypeError
    return asbool(text)


def _seconds(text: Any) -> float:
    seconds = float(text)
    if not seconds >= 0:
        raise ValueError
    return seconds


#: The options, what makes a value of a text, and what to write.
_OPTIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "read_only": (_truth, "true or false"),
    "lock_timeout": (_seconds, "seconds, or 0 not to wait"),
    "foreign_keys": (_truth, "on or off"),
}

OPTIONS = frozenset(_OPTIONS)

_NO_KEY = (
    "A key does not belong into a URL or settings. Use StorageEngine(path, encryption_key=…) and "
    "its engine, or set MIXPANEL_DATA_ENCRYPTION_KEY."
)

#: What SQLAlchemy or this dialect passes on to ``connect()``.
_INNER = frozenset({"database", "lake", "url_config"})

_ARGUMENTS = OPTIONS | _INNER | {"config", "preload_extensions", "register_filesystems"}


def split_options(url: URL) -> tuple[dict[str, Any], URL]:
    """Take the dialect's own options out of a URL.

    Returns:
        Their values, and the URL with the settings of DuckDB only.

    Raises:
        ArgumentError: A value is none, or it asks for a sandbox.
    """
    if "sandbox" in url.query:
        raise ArgumentError(
            "A URL cannot open a sandbox. Use StorageEngine(path, sandbox=True) and its engine."
        )
    return _converted(url.query, " of the URL"), url.difference_update_query(list(_OPTIONS))


def _converted(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    found = {}
    for name, (convert, allowed) in _OPTIONS.items():
        if name in given:
            try:
                found[name] = convert(given[name])
            except (TypeError, ValueError):
                message = f"{name}{where} is {given[name]!r}. Use {allowed}."
                raise ArgumentError(message) from None
    return found


def require_file(url: URL) -> None:
    """Refuse a URL that names a server, and settings that it has twice.

    Raises:
        ArgumentError: What to write instead.
    """
    if url.host or url.username or url.port:
        name = url.database or url.host or ""
        raise ArgumentError(
            f"DuckDB has no server, and a URL with two slashes names one. Use "
            f"{url.drivername}:///{name} for a file, with a fourth slash for an absolute path."
        )
    for name, value in url.query.items():
        if not isinstance(value, str):
            raise ArgumentError(f"{name} is {len(value)} times in the URL. Write it once.")


def checked_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``connect()``, the options among them converted.

    Raises:
        ArgumentError: There is none of that name, or not with that value.
    """
    for name in options:
        if name == "encryption_key":
            raise ArgumentError(_NO_KEY)
        if name not in _ARGUMENTS:
            raise ArgumentError(
                f"connect_args has no {name!r}.{_meant(name, _ARGUMENTS - _INNER)} Settings of "
                'DuckDB belong into its config: connect_args={"config": {"threads": 2}}.'
            )
    for name in ("config", "url_config"):
        if not isinstance(options.get(name, {}), Mapping):
            raise ArgumentError(f"{name} is {options[name]!r}. Use a dict of DuckDB's settings.")
    return {**options, **_converted(options, " of connect_args")}


def explained(name: str, known: Iterable[str]) -> str:
    """Say of a setting that DuckDB does not know what to write instead."""
    if name == "encryption_key":
        return _NO_KEY
    if name in OPTIONS:
        return (
            f"{name} is no setting of DuckDB. Write it beside config, as connect_args="
            f"{{{name!r}: …}}, or in the URL, as ?{name}=…."
        )
    meant = _meant(name, known) or (
        f" Beside {', '.join(sorted(OPTIONS))}, a URL takes the settings of DuckDB, "
        "which duckdb_settings() lists."
    )
    return f"DuckDB has no setting {name!r}.{meant}"


def _meant(name: str, known: Iterable[str]) -> str:
    advice = did_you_mean(name, known)
    return f" {advice}" if advice else ""
