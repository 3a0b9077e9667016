"""A compromised worker can neither run code in the engine nor fill its memory."""

from __future__ import annotations

import os
import pickle
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pytest

from mixpanel_data import Sandbox, WorkerCrashedError
from mixpanel_data.database.sandbox.rules import Rules
from mixpanel_data.database.sandbox.worker import main, process, protocol, received_rows
from mixpanel_data.database.sandbox.worker.places import FilePlace
from tests.database.sandbox.workers.conftest import Opener
from tests.database.sandbox.workers.permissive import Permissive

HEADER = struct.Struct("!cQ")


def frame(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    return HEADER.pack(kind, len(body) if length is None else length) + body


def stream(*columns: Any, options: Any = None) -> bytes:
    batch = pa.record_batch(list(columns), names=[f"c{n}" for n in range(len(columns))])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def damaged() -> bytes:
    """Return rows whose offsets lead out of their bytes."""
    offsets = pa.py_buffer(struct.pack("<3i", 0, 1_000_000, 3))
    return stream(pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"abc")))


class Evil:
    """Makes a file where somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __reduce__(self) -> Any:
        return os.mkdir, (self._path,)


def keys_without_labels() -> bytes:
    """Return a map that has a key, whose label is NULL: Arrow itself ends a process over it."""
    keys = pa.DictionaryArray.from_arrays(pa.array([0], pa.uint8()), pa.array([None, "a"]))
    return stream(pa.MapArray.from_arrays([0, 1], keys, pa.array([1])))


def as_maps(value: Any) -> bytes:
    """Return rows that say of themselves that the value, a list of entries, is a map."""
    entries = pa.struct([("key", pa.int32()), ("value", pa.int32())])
    rows = stream(pa.array([value], pa.list_(pa.field("entries", entries))))
    source = pa.BufferReader(rows)
    pa.ipc.read_schema(source)
    schema = pa.schema([("c0", pa.map_(pa.int32(), pa.int32()))])
    return bytes(schema.serialize()) + rows[source.tell() :]


ROWS = stream(pa.array([1]))
END = frame(protocol.END, b"{}")

ANSWERS: dict[str, bytes] = {
    "an unknown kind": frame(b"!", b""),
    "a frame of an exabyte": frame(protocol.ROWS, b"", 1 << 60),
    "a frame longer than a result": frame(protocol.ROWS, b"", 1 << 30),
    "no Arrow": frame(protocol.ROWS, b"nonsense"),
    "nothing": frame(protocol.ROWS, b""),
    "an end without rows": END,
    "columns that change": frame(protocol.ROWS, ROWS)
    + frame(protocol.ROWS, stream(pa.array(["a"])))
    + END,
    "offsets out of bounds": frame(protocol.ROWS, damaged()) + END,
    "no UTF-8": frame(protocol.ROWS, stream(pa.array([b"\xff"]).view(pa.string()))) + END,
    "more rows than allowed": frame(protocol.ROWS, stream(pa.nulls(101))) + END,
    "a billion times nothing": frame(protocol.ROWS, stream(pa.nulls(1_000_000_000))) + END,
    "nothing in lists": frame(
        protocol.ROWS,
        stream(
            pa.ListArray.from_arrays(pa.array([0, 500_000_000], pa.int32()), pa.nulls(500_000_000))
        ),
    )
    + END,
    "runs": frame(
        protocol.ROWS,
        stream(
            pa.RunEndEncodedArray.from_arrays(pa.array([1_000_000], pa.int32()), pa.array(["x"]))
        ),
    )
    + END,
    "more rows in a batch than DuckDB reads at once": frame(
        protocol.ROWS, stream(pa.array([0] * 2049))
    )
    + END,
    "a key without a label": frame(protocol.ROWS, keys_without_labels()) + END,
    "NULL as a key": frame(protocol.ROWS, as_maps([{"key": None, "value": 1}])) + END,
    "NULL for an entry": frame(protocol.ROWS, as_maps([None])) + END,
    "labels with members": frame(
        protocol.ROWS,
        stream(pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([{"a": 1}]))),
    )
    + END,
    "a dense union of labels": frame(
        protocol.ROWS,
        stream(
            pa.UnionArray.from_dense(
                pa.array([0], pa.int8()),
                pa.array([0], pa.int32()),
                [pa.array(["a"]).dictionary_encode()],
            )
        ),
    )
    + END,
    "views": frame(protocol.ROWS, stream(pa.array(["x"], pa.string_view()))) + END,
    "compressed rows": frame(
        protocol.ROWS,
        stream(pa.array([0] * 50), options=pa.ipc.IpcWriteOptions(compression="zstd")),
    )
    + END,
    "compressed labels": frame(
        protocol.ROWS,
        stream(
            pa.array(["a" * 1000]).dictionary_encode(),
            options=pa.ipc.IpcWriteOptions(compression="lz4"),
        ),
    )
    + END,
    "a failure that is no JSON": frame(protocol.FAILED, b"{"),
    "a failure that is no object": frame(protocol.FAILED, b"[]"),
    "types that are no JSON": frame(protocol.ROWS, ROWS) + frame(protocol.END, b"x"),
    "half a frame": b"R\0\0",
}

#: A worker that opens nothing and gives the answer that is in a file.
HOSTILE = """
import os, sys, time
sys.path[:] = sys.argv[1:]
from mixpanel_data.database.sandbox.worker import protocol
protocol.receive(0, protocol.SMALL)
protocol.send(1, protocol.READY, b"")
protocol.receive(0, protocol.UNLIMITED)
with open({!r}, "rb") as file:
    os.write(1, file.read())
"""


@pytest.fixture
def answering(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[bytes], Any]:
    """A function that runs a statement in a worker that gives the answer it was told."""

    def answer(content: bytes) -> Any:
        (tmp_path / "answer").write_bytes(content)
        bootstrap = HOSTILE.format(str(tmp_path / "answer"))
        with monkeypatch.context() as patch:
            patch.setattr(process, "BOOTSTRAP", bootstrap)
            return opened(max_rows=100, timeout=20).execute_rows("SELECT 1")

    return answer


def test_the_hostile_worker_works_while_it_follows_the_protocol(
    answering: Callable[[bytes], Any],
) -> None:
    assert answering(frame(protocol.ROWS, ROWS) + END) == [(1,)]


@pytest.mark.parametrize("name", ANSWERS)
def test_messages_against_the_protocol_are_refused(
    answering: Callable[[bytes], Any], name: str
) -> None:
    with pytest.raises(WorkerCrashedError):
        answering(ANSWERS[name])


@pytest.mark.parametrize("kind", [protocol.ROWS, protocol.END, protocol.FAILED])
def test_nothing_that_a_worker_sends_is_unpickled(
    answering: Callable[[bytes], Any], kind: bytes, tmp_path: Path
) -> None:
    with pytest.raises(WorkerCrashedError):
        answering(frame(kind, pickle.dumps(Evil(tmp_path / "evil"))))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "text", ["INTEGER) AS a, (SELECT 42", "ENUM('x'", "nothing", "ENUM(" * 2000, "DATE -- "]
)
def test_a_type_that_contains_other_sql_is_left_out(
    answering: Callable[[bytes], Any], text: str
) -> None:
    types = frame(protocol.END, orjson.dumps({"0": text, "9": "DATE"}))
    assert answering(frame(protocol.ROWS, ROWS) + types) == [(1,)]


def test_a_type_without_the_number_of_a_column_is_refused(
    answering: Callable[[bytes], Any],
) -> None:
    with pytest.raises(WorkerCrashedError, match="without a number"):
        answering(frame(protocol.ROWS, ROWS) + frame(protocol.END, orjson.dumps({"x": "DATE"})))


def test_an_error_of_an_unknown_class_is_an_error_of_duckdb(
    answering: Callable[[bytes], Any],
) -> None:
    failure = orjson.dumps({"driver": "connect", "message": "?"})
    with pytest.raises(Exception, match=r"\?") as caught:
        answering(frame(protocol.FAILED, failure))
    assert type(caught.value.__cause__) is duckdb.Error


# The worker's side, in a thread of this process


class Served:
    """A worker in a thread, which has no limits of its own."""

    def __init__(self, opening: protocol.Opening, rules: Any = Rules) -> None:
        self.limits: list[tuple[int, int | None]] = []
        there, self.requests = os.pipe()
        self.answers, back = os.pipe()
        self._descriptors = [there, self.requests, self.answers, back]

        def confine(memory: int, file_size: int | None) -> None:
            self.limits.append((memory, file_size))

        def serve() -> None:
            with suppress(EOFError):
                main.serve(there, back, confine, rules)

        self._thread = threading.Thread(target=serve)
        self._thread.start()
        protocol.send(self.requests, protocol.OPEN, pickle.dumps(opening))

    def receive(self) -> tuple[bytes, bytes]:
        kind, body = protocol.receive(self.answers, 1 << 30)
        return kind, bytes(body)

    def ask(self, sql: Any, parameters: Any = ()) -> list[tuple[bytes, bytes]]:
        protocol.send(
            self.requests, protocol.QUERY, pickle.dumps(protocol.Request("", sql, parameters))
        )
        frames = [self.receive()]
        while frames[-1][0] == protocol.ROWS:
            frames.append(self.receive())
        return frames

    def close(self) -> None:
        os.close(self.requests)
        self._thread.join(10)
        for descriptor in self._descriptors:
            with suppress(OSError):
                os.close(descriptor)


def opening(path: Path, **limits: Any) -> protocol.Opening:
    sandbox = Sandbox(worker=True, **limits)
    config = {"arrow_lossless_conversion": True, **sandbox.settings}
    return protocol.Opening(FilePlace(path, None).sent(), config, 1_000_000_000, sandbox)


@pytest.fixture
def served(file: Path) -> Iterator[Served]:
    serving = Served(opening(file, max_rows=1000, max_bytes=100_000))
    yield serving
    serving.close()


def test_a_worker_says_that_it_is_ready_once_it_is_limited(served: Served) -> None:
    assert served.receive() == (protocol.READY, b"")
    ((memory, file_size),) = served.limits
    assert memory == 1_000_000_000
    assert file_size == pytest.approx(1_000_000_000, rel=0.01)


def test_an_answer_is_the_columns_then_the_rows_then_the_end(served: Served) -> None:
    served.receive()
    columns, rows, end = served.ask("SELECT ? AS a, 'x'::ENUM('x') AS b", (42,))
    read = received_rows.Rows()
    read.add(bytearray(columns[1]))
    assert read.count == 0
    read.add(bytearray(rows[1]))
    assert read.result({}).table.to_pylist() == [{"a": 42, "b": "x"}]
    assert end == (protocol.END, orjson.dumps({"1": "ENUM('x')"}))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("COPY numbers TO 'x'", {"refused": "COPY statements"}),
        ("SELECT nothing", {"driver": "BinderException"}),
        ("SELECT * FROM range(2000)", {"too_large": "rows"}),
        ("SELECT repeat('x', 200000)", {"too_large": "bytes"}),
        (42, {"crashed": "TypeError"}),
    ],
)
def test_a_failure_says_what_is_wrong(served: Served, sql: Any, said: dict[str, str]) -> None:
    served.receive()
    kind, body = served.ask(sql)[-1]
    assert kind == protocol.FAILED
    found = orjson.loads(body)
    assert {name: found[name][: len(value)] for name, value in said.items()} == said


def test_a_memory_error_of_python_is_an_out_of_memory_error(file: Path) -> None:
    class Hungry(Permissive):
        def check(self, sql: str) -> None:
            raise MemoryError("no more")

    serving = Served(opening(file), Hungry)
    serving.receive()
    ((kind, body),) = serving.ask("SELECT 1")
    serving.close()
    assert kind == protocol.FAILED
    assert orjson.loads(body) == {
        "driver": "OutOfMemoryException",
        "message": "MemoryError: no more",
    }


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    serving = Served(opening(tmp_path / "nothing.db"))
    kind, body = serving.receive()
    serving.close()
    assert kind == protocol.FAILED
    assert "nothing.db" in orjson.loads(body)["opening"]
