"""No copy, text, pickle or error shows a key."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixpanel_data import Secret, StorageEngine, migrate

KEY = "correct horse battery staple"

#: Keys that are none, with the error that says so.
WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "bytes": (KEY.encode(), TypeError, "must be a str or a Secret, not bytes"),
    "a bytearray": (bytearray(KEY.encode()), TypeError, "not bytearray"),
    "a list": ([KEY], TypeError, "not list"),
    "a path": (Path(KEY), TypeError, "Path"),
    "a number": (4711081547110815, TypeError, "not int"),
    "a lone surrogate": (f"{KEY}\ud800", ValueError, "UTF-8"),
    "empty": ("", ValueError, "empty"),
}
TAKERS: dict[str, Callable[[Path, Any], object]] = {
    "Secret": lambda path, key: Secret(key),
    "new": lambda path, key: StorageEngine(path.with_name("new.db"), encryption_key=key),
    "open": lambda path, key: StorageEngine(path, encryption_key=key),
    "open_existing": lambda path, key: StorageEngine.open_existing(path, encryption_key=key),
    "status": lambda path, key: migrate.status(path, encryption_key=key),
    "check": lambda path, key: migrate.check(path, encryption_key=key),
    "history": lambda path, key: migrate.history(path, encryption_key=key),
    "upgrade": lambda path, key: migrate.upgrade(path, encryption_key=key),
    "backup": lambda path, key: migrate.upgrade(path, encryption_key=key, backup=True),
    "downgrade": lambda path, key: migrate.downgrade(path, "0001", encryption_key=key),
}


def shown_by(error: BaseException) -> str:
    """Return what a traceback with variables shows of our own frames, and the errors themselves."""
    kept: list[BaseException | None] = [error]
    texts = []
    while kept and (current := kept.pop()) is not None:
        texts += [repr(current), repr(current.args), repr(vars(current))]
        summary = traceback.StackSummary.extract(
            traceback.walk_tb(current.__traceback__), capture_locals=True
        )
        texts += [repr(f.locals) for f in summary if "/mixpanel_data/" in f.filename]
        texts += [repr(getattr(current, "object", None))]
        kept += [current.__context__, current.__cause__]
    return "\n".join(texts)


@pytest.mark.parametrize("taker", TAKERS)
@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_a_key_is_refused_without_being_shown(
    wrong: str, taker: str, path: Path
) -> None:
    StorageEngine(path).close()
    before = path.read_bytes()
    key, kind, message = WRONG[wrong]
    with pytest.raises(kind, match=message) as caught:
        TAKERS[taker](path, key)
    shown = shown_by(caught.value)
    assert KEY not in shown
    assert "4711081547110815" not in shown
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "dump",
    [
        pickle.dumps,
        lambda secret: pickle.dumps(secret, protocol=0),
        lambda secret: pickle.dumps({"key": [secret]}),
        lambda secret: secret.__getstate__(),
        lambda secret: secret.__reduce__(),
        lambda secret: secret.__reduce_ex__(2),
    ],
)
def test_a_secret_is_not_pickled_and_says_why(dump: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError, match="cannot be pickled") as caught:
        dump(Secret(KEY))
    assert KEY not in shown_by(caught.value)


def test_a_secret_is_no_json_and_has_no_variables() -> None:
    for ask in (json.dumps, vars):
        with pytest.raises(TypeError):
            ask(Secret(KEY))


@pytest.mark.parametrize(
    "show",
    [str, repr, ascii, "{}".format, "{!r}".format, lambda s: "%s %r" % (s, s)],  # noqa: UP031
)
def test_no_text_of_a_secret_shows_it(show: Callable[[Secret], str]) -> None:
    assert KEY not in show(Secret(KEY))
    assert KEY not in show([Secret(KEY)])  # type: ignore[arg-type]


def test_a_copy_is_the_same_secret() -> None:
    secret = Secret(KEY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"key": secret})["key"] is secret
    assert Secret(secret).escaped() == secret.escaped()


@pytest.mark.parametrize(
    "url",
    [
        f"duckdb+mixpanel://user:{KEY}@host:port/a.db",
        f"no url://user:{KEY}@host/a.db",
        f"postgresql://user:{KEY}@host/a",
    ],
)
def test_a_url_that_cannot_be_used_is_not_shown_with_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="Use duckdb") as caught:
        migrate.status(url)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None
