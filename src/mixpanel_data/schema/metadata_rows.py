"""Metadata of tables as rows of the internal table, and what becomes of it when rows are added."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Row

from mixpanel_data.types import TableMetadata


def metadata_row(metadata: TableMetadata) -> dict[str, Any]:
    """Return metadata as columns of the internal table."""
    return {
        "type": metadata.type,
        "fetched_at": metadata.fetched_at.replace(tzinfo=None),
        "from_date": metadata.from_date and date.fromisoformat(metadata.from_date),
        "to_date": metadata.to_date and date.fromisoformat(metadata.to_date),
        "filter_events": metadata.filter_events,
        "filter_where": metadata.filter_where,
    }


def merge_metadata(before: Row[Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return metadata that covers the rows of a table and those that are added.

    An unknown date does not narrow the range of dates. A missing filter means that everything was
    fetched, so the union of a filter and none is none.
    """
    events, where = None, None
    if before.filter_events is not None and new["filter_events"] is not None:
        events = list(dict.fromkeys([*before.filter_events, *new["filter_events"]]))
    if before.filter_where is not None and new["filter_where"] is not None:
        where = combine_filters(before.filter_where, new["filter_where"])
    return {
        "fetched_at": max(before.fetched_at, new["fetched_at"]),
        "from_date": min(filter(None, (before.from_date, new["from_date"])), default=None),
        "to_date": max(filter(None, (before.to_date, new["to_date"])), default=None),
        "filter_events": events,
        "filter_where": where,
    }


def combine_filters(first: str, second: str) -> str:
    """Join two Mixpanel filter expressions with "or", unless the first contains the second."""
    if second == first or f"({second})" in first:
        return first
    return f"({first}) or ({second})"
