"""How many rows a load discarded because another row has their key, and what is logged of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy import Table

from mixpanel_data.ingest.options import LoadOptions
from mixpanel_data.schema.tables import IDENTITY

logger = logging.getLogger("mixpanel_data")


@dataclass(frozen=True)
class DuplicateCounts:
    """How many rows were discarded because another row has their key.

    Attributes:
        rows: All of them, and the rows of the table that were replaced.
        replaced: Rows of the table in whose place another one is now.
        collisions: Those that differ from the row that was kept, so that they are no duplicates.
        example: The key of one of the collisions.
    """

    rows: int = 0
    replaced: int = 0
    collisions: int = 0
    example: str | None = None

    @property
    def duplicates(self) -> int:
        """Rows that were discarded and repeat the one that was kept."""
        return self.rows - self.replaced - self.collisions

    def of_one_load(self) -> DuplicateCounts:
        """Return the same counts where the rows that were replaced are of this load, too."""
        return DuplicateCounts(self.rows, collisions=self.collisions, example=self.example)

    def __add__(self, other: DuplicateCounts) -> DuplicateCounts:
        """Return the sum of both."""
        return DuplicateCounts(
            self.rows + other.rows,
            self.replaced + other.replaced,
            self.collisions + other.collisions,
            self.example or other.example,
        )


def identity_of(table: Table) -> list[str]:
    """Return the names of the columns that make an event the one it is."""
    return [column.name for column in table.columns if IDENTITY in column.info]


def log_duplicates(options: LoadOptions, discarded: DuplicateCounts) -> None:
    """Log what was discarded; key collisions as a warning, because they lose data."""
    name = options.name
    if discarded.rows:
        logger.info("%s: %d rows had a key that occurs already.", name, discarded.rows)
    if collisions := discarded.collisions:
        logger.warning(
            "%s: %d of the rows dropped for their %s differ from the row kept in %s, such as %r. "
            "They are not duplicates: check where their ids come from.",
            name,
            collisions,
            options.key,
            " or ".join(identity_of(options.table)),
            discarded.example,
        )
