"""The worker process: opens a database and answers the queries of one engine.

A statement uses up the resources of this process only: it is checked, planned and run under the
limits in :mod:`~mixpanel_data.database.sandbox.worker.confinement`. The protocol between the two
processes is in :mod:`~mixpanel_data.database.sandbox.worker.protocol`.
"""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any, Protocol

import duckdb
import orjson
import pyarrow as pa

from mixpanel_data.database.opener import OpenDatabase
from mixpanel_data.database.sandbox.limits import Sandbox
from mixpanel_data.database.sandbox.result_limits import capped, first_rows, stream
from mixpanel_data.database.sandbox.results import untold_types
from mixpanel_data.database.sandbox.rules import Rules
from mixpanel_data.database.sandbox.worker import protocol
from mixpanel_data.database.sandbox.worker.confinement import confine, die_with
from mixpanel_data.database.statement_policy import prefixed
from mixpanel_data.dialect.driver.errors import driver_errors
from mixpanel_data.exceptions import (
    CatalogueUnavailableError,
    MixpanelDataError,
    ResultTooLargeError,
    SandboxError,
)

#: Maximum length of an error message: DuckDB includes the value that it could not convert.
_MESSAGE = 10_000

_FILE_SIZE = "SELECT TRY(parse_formatted_bytes(current_setting('max_temp_directory_size')))"


class Judge(Protocol):
    """Decides what may run."""

    def check(self, sql: str) -> None:
        """Raise unless a statement may run."""
        ...


def main(rules: Callable[[OpenDatabase, Sandbox], Judge] = Rules) -> None:
    """Serve over standard input and output until the engine closes the pipe.

    Standard error is a pipe to which nothing is written: it tells that the engine is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the engine to decide
    requests, answers, lifeline = _pipes()
    die_with(lifeline)
    with suppress(EOFError, BrokenPipeError):
        serve(requests, answers, confine, rules)


def serve(
    requests: int,
    answers: int,
    confine: Callable[[int, int | None], None],
    rules: Callable[[OpenDatabase, Sandbox], Judge] = Rules,
) -> None:
    """Open a database and answer queries.

    Args:
        requests: The pipe to read from.
        answers: The pipe to write to.
        confine: Called with the limits of a query's memory and of its temporary files.
        rules: Makes the judge of the statements.

    Raises:
        EOFError: The engine closed the pipe.
    """
    _, body = protocol.receive(requests, protocol.SMALL)
    opening: protocol.Opening = pickle.loads(body)  # noqa: S301 (from the engine)
    try:
        opened = opening.place.open(opening.config)
    except CatalogueUnavailableError as error:
        protocol.send(answers, protocol.FAILED, _json({"opening": error.problem}))
        return
    except MixpanelDataError as error:
        protocol.send(answers, protocol.FAILED, _json({"opening": error.message}))
        return
    memory, sandbox = opening.memory, opening.sandbox
    del opening, body  # they contain secrets
    judge = rules(opened, sandbox)
    _warm_up(opened, sandbox, judge)
    with closing(opened.cursor()) as cursor:
        ((file_size,),) = cursor.execute(_FILE_SIZE).fetchall()
    confine(memory, file_size)
    last: protocol.Frame = (protocol.READY, b"")
    with closing(opened):
        while True:
            # The last frame is sent when all that the statement used is closed.
            protocol.send(answers, *last)
            _, body = protocol.receive(requests, protocol.UNLIMITED)
            for last in _answer(opened, sandbox, judge, body):
                if last[0] == protocol.ROWS:
                    protocol.send(answers, *last)


def _pipes() -> tuple[int, int, int]:
    """Return the standard streams, moved away from where libraries would use them."""
    pipes = os.dup(0), os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    os.close(nowhere)
    return pipes


def _warm_up(opened: OpenDatabase, sandbox: Sandbox, judge: Judge) -> None:
    """Load everything that a query needs, so that it does not count as the query's memory."""
    request = protocol.Request("", "SELECT count(*) FROM range(1000000) WHERE ? = 1", (1,))
    body = pickle.dumps(request)
    for _ in _answer(opened, sandbox, judge, body):
        pass


def _answer(
    opened: OpenDatabase, sandbox: Sandbox, judge: Judge, body: bytearray | bytes
) -> Iterator[protocol.Frame]:
    """Yield the frames that answer a query."""
    try:
        request: protocol.Request = pickle.loads(body)  # noqa: S301 (from the engine)
        with driver_errors():
            judge.check(request.sql)
            with closing(opened.cursor()) as cursor:
                yield from _run(cursor, request, sandbox)
    except SandboxError as error:
        yield protocol.FAILED, _json({"refused": error.refused, "advice": error.advice})
    except ResultTooLargeError as error:
        yield protocol.FAILED, _json({"too_large": error.unit})
    except duckdb.Error as error:
        name = type(error).__name__
        yield protocol.FAILED, _json({"driver": name, "message": str(error)[:_MESSAGE]})
    except (MemoryError, pa.ArrowMemoryError) as error:
        said = f"{type(error).__name__}: {error}"[:_MESSAGE]
        yield protocol.FAILED, _json({"driver": "OutOfMemoryException", "message": said})
    except pa.ArrowException as error:
        said = f"Arrow cannot hold the result: {error}"[:_MESSAGE]
        yield protocol.FAILED, _json({"driver": "NotImplementedException", "message": said})
    except Exception as error:  # any other failure in the libraries
        said = f"{type(error).__name__}: {error}"[:_MESSAGE]
        yield protocol.FAILED, _json({"crashed": said})


def _run(
    cursor: duckdb.DuckDBPyConnection, request: protocol.Request, sandbox: Sandbox
) -> Iterator[protocol.Frame]:
    words, sql, parameters, most_rows = request
    if words:
        plan: Any = cursor.execute(prefixed(cursor, words, sql), parameters)
        description, reader = plan.description, plan.to_arrow_reader(protocol.BATCH)
    else:
        description, reader = stream(cursor, sql, parameters, protocol.BATCH)
    yield protocol.ROWS, _stream(reader.schema)
    for batch in capped(first_rows(reader, most_rows), sandbox, sql):
        yield protocol.ROWS, _stream(reader.schema, batch)
    types = untold_types(description)
    yield protocol.END, _json({str(number): name for number, name in types.items()})


def _stream(schema: pa.Schema, *batches: pa.RecordBatch) -> memoryview:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return memoryview(sink.getvalue())


def _json(facts: dict[str, Any]) -> bytes:
    return orjson.dumps(facts)
