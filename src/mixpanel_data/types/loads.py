"""What loads and exports return: the number of rows, and more beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

if TYPE_CHECKING:
    from typing_extensions import Self

NumberUnit = Literal["s", "ms", "us"]


class LoadResult(int):
    """What a load did. It is the number of rows by which the table grew, and can be used as that.

    Always ``read == added + replaced + duplicates + collisions + rejected``.

    Attributes:
        read: Rows that the data had.
        added: Rows by which the table grew.
        replaced: Rows that took the place of one that was in the table.
        duplicates: Rows that were left out, because the row of their key is the same event or
            profile.
        collisions: Events that were left out, though the event with their key is another one. Those
            that ``on_collision="keep"`` stores under a key of their own are added.
        rejected: Rows that cannot be stored and were left out.
        generated_ids: Events without an id, which got one.
        misfits: Values of properties that are NULL in their column, because its type cannot hold
            them. They are in the document.
        files: Files that were read.
        seconds: Seconds that the load took.

    Example:
        >>> result = LoadResult(3, read=5, duplicates=2)
        >>> result, result + 1, result.duplicates
        (3, 4, 2)
        >>> print(result.summary)
        3 rows added, 2 duplicates, in 0.0 s
    """

    read: int
    added: int
    replaced: int
    duplicates: int
    collisions: int
    rejected: int
    generated_ids: int
    misfits: int
    files: int
    seconds: float

    def __new__(
        cls,
        added: int,
        *,
        read: int,
        replaced: int = 0,
        duplicates: int = 0,
        collisions: int = 0,
        rejected: int = 0,
        generated_ids: int = 0,
        misfits: int = 0,
        files: int = 0,
        seconds: float = 0.0,
    ) -> Self:
        """Make a result of its parts."""
        result = super().__new__(cls, added)
        parts = {
            "read": read,
            "added": added,
            "replaced": replaced,
            "duplicates": duplicates,
            "collisions": collisions,
            "rejected": rejected,
            "generated_ids": generated_ids,
            "misfits": misfits,
            "files": files,
            "seconds": seconds,
        }
        result.__dict__.update(parts)
        return result

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse to change a result."""
        raise AttributeError(f"a LoadResult cannot be changed: {name}")

    def __reduce__(self) -> tuple[object, ...]:
        """Return what pickle and copy make the result of."""
        return _load_result, (dict(self.__dict__),)

    @property
    def summary(self) -> str:
        """What happened, in one line."""
        counts = [
            (self.replaced, "replaced"),
            (self.duplicates, "duplicate" if self.duplicates == 1 else "duplicates"),
            (self.collisions, "collision" if self.collisions == 1 else "collisions"),
            (self.rejected, "rejected"),
            (self.generated_ids, "without an id"),
            (self.misfits, "misfit" if self.misfits == 1 else "misfits"),
        ]
        told = [f"{count:,} {name}" for count, name in counts if count]
        rows = f"{self.added:,} {'row' if self.added == 1 else 'rows'} added"
        if self.files:
            rows += f" from {self.files:,} {'file' if self.files == 1 else 'files'}"
        return ", ".join([rows, *told, f"in {self.seconds:.1f} s"])


class ExportResult(int):
    """What an export wrote. It is the number of rows, and can be used as that.

    Attributes:
        path: The file, None for one that was open.
        format: Its format.
        bytes: Its size.
        seconds: Seconds that the export took.

    Example:
        >>> result = ExportResult(3, path=Path("a.csv"), format="csv", bytes=40, seconds=0.1)
        >>> result, result.path.name, result.bytes
        (3, 'a.csv', 40)
    """

    path: Path | None
    format: str
    bytes: int
    seconds: float

    def __new__(
        cls,
        rows: int,
        *,
        path: Path | None,
        format: str,  # noqa: A002
        bytes: int,  # noqa: A002
        seconds: float,
    ) -> Self:
        """Make a result of its parts."""
        result = super().__new__(cls, rows)
        result.path, result.format, result.bytes, result.seconds = path, format, bytes, seconds
        return result

    @property
    def rows(self) -> int:
        """Rows that were written."""
        return int(self)


def _load_result(parts: dict[str, Any]) -> LoadResult:
    return LoadResult(**parts)
