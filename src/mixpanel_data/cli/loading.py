"""The command that loads exports."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, cast

import typer

from mixpanel_data.cli import databases, output
from mixpanel_data.cli.arguments import FormatOption, LockTimeoutOption
from mixpanel_data.cli.columns import parse_columns, tell_if_empty
from mixpanel_data.cli.exit_codes import ERROR, interruption, say
from mixpanel_data.cli.progress import progress_of_files
from mixpanel_data.common.choices import IfExists, OnCollision, OnConflict, OnError, TimeUnit

if TYPE_CHECKING:
    from mixpanel_data.storage import StorageEngine
    from mixpanel_data.types import LoadResult, TableMetadata, TableType


def load(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES...",
            help="Export files, folders, patterns or URLs; - for stdin.",
            show_default=False,
        ),
    ],
    into: Annotated[
        str,
        typer.Option(
            "--into", metavar="DB", help="The database, made if missing.", show_default=False
        ),
    ],
    table: Annotated[
        str, typer.Option("--table", metavar="NAME", help="The table.", show_default=False)
    ],
    *,
    profiles: Annotated[
        bool, typer.Option("--profiles", help="The files have profiles, not events.")
    ] = False,
    if_exists: Annotated[
        IfExists, typer.Option(help="What to do when the table exists.", case_sensitive=False)
    ] = "fail",
    replace_range: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="FIRST LAST",
            help="Put the events in the place of those of these days in the table, in UTC.",
            show_default=False,
        ),
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="What to do with a line that cannot be stored.")
    ] = "raise",
    rejects: Annotated[
        str | None,
        typer.Option(help="File for lines that are skipped, with reasons.", show_default=False),
    ] = None,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="Which of two rows with one id to keep.")
    ] = "ignore",
    on_collision: Annotated[
        OnCollision,
        typer.Option(help="What to do with an event that has the id of a different one."),
    ] = "drop",
    time_zone: Annotated[
        str | None,
        typer.Option(help="Zone of times that name none, by default UTC.", show_default=False),
    ] = None,
    time_unit: Annotated[TimeUnit, typer.Option(help="Unit of times that are numbers.")] = "auto",
    columns: Annotated[
        list[str] | None,
        typer.Option(
            help="Properties that get columns of their own, such as '$browser,amount:DOUBLE'.",
            show_default=False,
        ),
    ] = None,
    max_decompressed_bytes: Annotated[
        int | None,
        typer.Option(
            metavar="BYTES",
            help="Bytes that each archive may unpack to, by default a thousand times its size, "
            "and at least 64 MiB.",
            min=1,
            show_default=False,
        ),
    ] = None,
    form: FormatOption = None,
    lock_timeout: LockTimeoutOption = 0,
) -> None:
    """Load export files into a table, all of them or nothing.

    Example:
        mixpanel-data load export.jsonl.gz --into app.db --table events
    """
    from mixpanel_data.types import TableMetadata

    days = _days(replace_range, profiles=profiles, if_exists=if_exists, columns=columns)
    kind: TableType = "profiles" if profiles else "events"
    metadata = TableMetadata(kind, datetime.now(timezone.utc), *(days or ()))
    if rejects == "-":
        raise typer.BadParameter("--rejects needs a file.")
    if files.count("-") > 1:
        raise typer.BadParameter("stdin can be read once. Give one - only.")
    options: dict[str, Any] = {
        "on_error": on_error,
        "on_conflict": on_conflict,
        "rejects": rejects,
        "max_decompressed_bytes": max_decompressed_bytes,
    }
    of_events = {"time_zone": time_zone, "time_unit": time_unit, "on_collision": on_collision}
    if not profiles:
        options |= of_events
    elif time_zone is not None or time_unit != "auto" or on_collision != "drop":
        raise typer.BadParameter("--time-zone, --time-unit and --on-collision are for events.")
    wanted = parse_columns(columns or [])
    if days is None:
        options |= {"if_exists": if_exists, "property_columns": wanted}
    data = _sources(files)
    with _opened(into, lock_timeout) as storage:
        method = _method(storage, kind, days)

        def run() -> LoadResult:
            with progress_of_files(data) as progress:
                return method(table, data, metadata=metadata, progress_callback=progress, **options)

        result = _interruptible(storage, table, metadata, run)
        for column in wanted:
            tell_if_empty(storage, table, column)
    record = {"table": table} | {name: getattr(result, name) for name in _COUNTS}
    output.report(f"{table}: {result.summary}", record, form)


_COUNTS = (
    *("read", "added", "replaced", "duplicates", "collisions", "rejected", "generated_ids"),
    *("misfits", "files", "seconds"),
)


def _days(
    days: tuple[str, str] | None, *, profiles: bool, if_exists: IfExists, columns: list[str] | None
) -> tuple[str, str] | None:
    """Return the days to replace, None for none.

    Raises:
        typer.BadParameter: Another option contradicts them.
    """
    if days is None:
        return None
    if profiles:
        raise typer.BadParameter("--replace-range is for events. Leave out --profiles.")
    if if_exists != "fail":
        raise typer.BadParameter("--replace-range needs the table. Leave out --if-exists.")
    if columns:
        raise typer.BadParameter("--replace-range keeps the table's columns. Leave out --columns.")
    return days


def _sources(files: list[str]) -> list[Any]:
    """Return what to read: paths, URLs and patterns, and stdin.

    Raises:
        typer.Exit: There is nothing in stdin: the command before has failed, most likely.
    """
    found: list[Any] = []
    for name in files:
        if name == "-":
            found.append(_stdin())
        else:  # a path that is there is never taken for a pattern, nor for data
            found.append(Path(name) if Path(name).exists() else name)
    return found


def _stdin() -> IO[bytes]:
    data = cast(io.BufferedReader, sys.stdin.buffer)
    if not data.peek(1):
        say("Error: stdin is empty. Nothing was loaded.")
        raise typer.Exit(ERROR)
    return data


def _method(
    storage: StorageEngine, kind: str, days: tuple[str, str] | None
) -> Callable[..., LoadResult]:
    if days is not None:
        return partial(storage.replace_range, from_date=days[0], to_date=days[1])
    methods = {"events": storage.load_events_export, "profiles": storage.load_profiles_export}
    return cast("Callable[..., LoadResult]", methods[kind])


@contextmanager
def _opened(into: str, lock_timeout: float) -> Iterator[StorageEngine]:
    """Open a database, or make one, which goes again when nothing gets into it."""
    from mixpanel_data.database import paths
    from mixpanel_data.storage import StorageEngine

    found = databases.located(into)
    path = found.place if isinstance(found.place, Path) else None
    is_new = path is not None and not paths.exists(path)
    options = found.options(lock_timeout)
    try:
        with StorageEngine(found.place, **options) as storage:
            yield storage
    except BaseException:
        if path is not None and is_new:
            _remove_if_empty(path, options)
        raise


def _remove_if_empty(path: Path, options: dict[str, Any]) -> None:
    """Remove a new database that has no table but internal ones."""
    from mixpanel_data.common.sidecars import wal_of
    from mixpanel_data.exceptions import MixpanelDataError
    from mixpanel_data.storage import StorageEngine

    tables = "SELECT count(*) FROM duckdb_tables() WHERE NOT starts_with(table_name, '_')"
    with (
        suppress(MixpanelDataError, OSError),  # somebody else has it by now
        StorageEngine.open_existing(path, **options) as storage,
    ):
        if storage.execute_scalar(tables) == 0:
            for file in (wal_of(path.resolve()), path.resolve()):
                file.unlink(missing_ok=True)


def _interruptible(
    storage: StorageEngine,
    table: str,
    metadata: TableMetadata,
    run: Callable[[], LoadResult],
) -> LoadResult:
    """Run a load, and tell after Ctrl-C what became of it.

    Raises:
        typer.Exit: After Ctrl-C.
    """
    from mixpanel_data.exceptions import MixpanelDataError

    try:
        return run()
    except KeyboardInterrupt:
        try:
            is_loaded = storage.get_metadata(table).fetched_at == metadata.fetched_at
        except MixpanelDataError:
            is_loaded = False
        how, code = interruption()
        say(f"{how} after all was loaded." if is_loaded else f"{how}: nothing was loaded.")
        raise typer.Exit(code) from None
