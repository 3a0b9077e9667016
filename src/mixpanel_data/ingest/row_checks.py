"""What all rows of one load go through, whatever they come as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mixpanel_data.ingest.bad_rows import BadRows
from mixpanel_data.ingest.clock import Clock
from mixpanel_data.ingest.identities import Identities


@dataclass
class RowChecks:
    """The state of one load that its rows share.

    Attributes:
        clock: Reads their times.
        bad: Takes those that cannot be stored.
        identities: Gives ids to events that have none.
        is_part: Whether the rows are a part of others, with which they are finished.
        property_columns: Names the columns that the table makes of the documents. What rows have
            under these names, being from such a table themselves, is left out.
        max_decompressed_bytes: Bytes that an archive may unpack to; None for a thousand times its
            size.
    """

    clock: Clock = field(default_factory=Clock)
    bad: BadRows = field(default_factory=BadRows)
    identities: Identities = field(default_factory=Identities)
    is_part: bool = False
    property_columns: Callable[[], frozenset[str]] = frozenset
    max_decompressed_bytes: int | None = None

    def finished(
        self, batch: pa.RecordBatch, is_local: npt.NDArray[np.bool_] | None = None
    ) -> pa.RecordBatch:
        """Return a batch as it is stored: all events with an id, all times in UTC.

        Args:
            batch: Rows that were checked.
            is_local: Which of the event times are of the clock's time zone; None for none.

        Raises:
            TimeUnitError: The times of the load are of different units.
        """
        if self.is_part:
            return batch
        self.clock.require_one_unit()
        position = batch.schema.get_field_index("event_time")
        if position < 0:
            return batch
        batch = self.identities.completed(batch)
        if is_local is None or not is_local.any():
            return batch
        times = np.array(batch.column(position).cast(pa.int64()))
        times[is_local] = self.clock.all_to_utc(times[is_local])
        cells = pa.array(times, pa.int64()).view(pa.timestamp("us"))
        return batch.set_column(position, batch.schema.field(position), cells)
