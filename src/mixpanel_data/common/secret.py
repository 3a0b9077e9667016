"""A text that no repr, log or traceback shows."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """A text that no repr, log or traceback shows, such as the key of a database.

    It cannot be pickled, and a copy of it is the same secret.

    Args:
        text: The text, or a secret already.

    Raises:
        TypeError: It is neither.
        ValueError: It is empty, or UTF-8 cannot express it.

    Example:
        >>> Secret("my key")
        Secret(...)
    """

    __slots__ = ("_bytes", "_problem")

    def __init__(self, text: str | Secret) -> None:
        self._take(text)
        del text  # the traceback of an error would have it
        self._require_usable()

    @classmethod
    def of(cls, text: str | Secret | None) -> Secret | None:
        """Return a secret where there is a text, None where there is none.

        What is wrong with it is said when it is used. Nobody has it in a variable any more then.
        """
        if text is None:
            return None
        secret = cls.__new__(cls)
        secret._take(text)
        return secret

    def _take(self, text: object) -> None:
        self._bytes = b""
        self._problem: Exception | None = None
        if isinstance(text, Secret):
            self._bytes, self._problem = text._bytes, text._problem
        elif not isinstance(text, str):
            kind = type(text).__name__
            self._problem = TypeError(f"A key must be a str or a Secret, not {kind}.")
        else:
            try:
                self._bytes = text.encode()
            except UnicodeEncodeError:  # it has the text in it
                self._problem = ValueError("The key holds what UTF-8 cannot express.")
        if not self._bytes and self._problem is None:
            self._problem = ValueError(
                "The key is empty. Leave it out for a database without encryption."
            )

    def _require_usable(self) -> None:
        if self._problem is not None:
            raise self._problem

    def __repr__(self) -> str:
        """Show nothing."""
        return "Secret(...)"

    def __copy__(self) -> Secret:
        """Return the same secret."""
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        """Return the same secret."""
        return self

    def __getstate__(self) -> NoReturn:
        """Refuse.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            "A secret cannot be pickled: whoever reads the pickle would read it. Hand the key to "
            "the other process in another way, such as its environment."
        )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse, as ``__getstate__`` does."""
        self.__getstate__()

    def escaped(self) -> str:
        """Return the text as DuckDB has to be given a key.

        DuckDB reads a key as the text of a BLOB, and repeats one that it cannot read in its error.

        Raises:
            TypeError: It was made of something else than a text.
            ValueError: It is empty, or UTF-8 cannot express it.
        """
        self._require_usable()
        return "".join(f"\\x{byte:02X}" for byte in self._bytes)

    def plain(self) -> str:
        """Return the text itself, for a parameter of a statement.

        Raises:
            TypeError: It was made of something else than a text.
            ValueError: It is empty, or UTF-8 cannot express it.
        """
        self._require_usable()
        return self._bytes.decode()
