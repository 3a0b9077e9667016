"""Compressed data: told by content, streamed, stopped when it swells, and named when damaged."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixpanel_data.exceptions import ExportFileError
from mixpanel_data.ingest import decompression
from mixpanel_data.ingest.byte_stream import stream_of_chunks, stream_of_file
from mixpanel_data.ingest.decompression import decompressed
from mixpanel_data.ingest.framing import documents_in
from tests.examples import examples

Pack = Callable[[bytes], bytes]


def zstd(data: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as stream:
        stream.write(data)
    return bytes(packed.getvalue())


def zipped(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return packed.getvalue()


def halves(pack: Pack) -> Pack:
    return lambda data: pack(data[: len(data) // 2]) + pack(data[len(data) // 2 :])


PACKS: dict[str, Pack] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip, members": halves(gzip.compress),
    "gzip, padded": lambda data: gzip.compress(data) + bytes(20),
    "bzip2": bz2.compress,
    "bzip2, streams": halves(bz2.compress),
    "zstd": zstd,
    "zstd, frames": halves(zstd),
    "zip": lambda data: zipped(("a.jsonl", data)),
    "gzip in gzip": lambda data: gzip.compress(gzip.compress(data)),
    "gzip in zip": lambda data: zipped(("a.jsonl.gz", gzip.compress(data))),
    "zip in gzip": lambda data: gzip.compress(zipped(("a.jsonl", data))),
}
SINGLE = ["gzip", "bzip2", "zstd", "zip", "gzip in zip"]


def unpacked(packed: bytes, most: int | None = None) -> list[tuple[str, bytes]]:
    stream = stream_of_file("data", io.BytesIO(packed))
    found = decompressed(stream, max_decompressed_bytes=most)
    return [(each.name, each.read()) for each in found]


def noise(size: int) -> bytes:
    import random

    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("data", [b"", b"{}", b"[1]\n" * 3, noise(300_000)], ids=len)
def test_everything_comes_back(pack: str, data: bytes) -> None:
    assert [found for _, found in unpacked(PACKS[pack](data))] == [data]


@pytest.mark.parametrize("pack", PACKS)
def test_streams_that_cannot_seek_are_read_as_well(pack: str) -> None:
    packed = PACKS[pack](b'{"a": 1}\n')
    pieces = (packed[at : at + 3] for at in range(0, len(packed), 3))
    found = [each.read() for each in decompressed(stream_of_chunks("data", pieces))]
    assert found == [b'{"a": 1}\n']


def test_members_of_a_zip_come_one_after_another_without_hidden_ones() -> None:
    packed = zipped(
        ("days/", b""),
        ("days/1.jsonl", b"1"),
        ("__MACOSX/days/._1.jsonl", b"x"),
        (".git/config", b"x"),
        ("2.jsonl.gz", gzip.compress(b"2")),
    )
    assert unpacked(packed) == [("data/days/1.jsonl", b"1"), ("data/2.jsonl.gz", b"2")]


@pytest.mark.parametrize("packed", [zipped(), zipped(("a/", b""), ("._a", b"x"))])
def test_a_zip_without_data_is_an_error(packed: bytes) -> None:
    with pytest.raises(ExportFileError, match="data: no data file is in this archive"):
        unpacked(packed)


def test_three_levels_are_refused() -> None:
    packed = gzip.compress(gzip.compress(gzip.compress(b"{}")))
    with pytest.raises(ExportFileError, match="compressed more than 2 times"):
        unpacked(packed)


@pytest.mark.parametrize("pack", SINGLE)
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.99])
def test_truncated_archives_are_named(pack: str, part: float) -> None:
    packed = PACKS[pack](noise(100_000))
    with pytest.raises(
        ExportFileError,
        match=r"^data.*: (the .* ends early or is damaged|cannot be unpacked here): ",
    ):
        unpacked(packed[: int(len(packed) * part)])


@pytest.mark.parametrize("pack", ["gzip", "bzip2", "zip"])
def test_what_stands_before_the_damage_is_handed_out(pack: str) -> None:
    digits = noise(1_000_000).hex().encode()
    lines = b"".join(b'{"n": "%s"}\n' % digits[at : at + 50] for at in range(0, len(digits), 50))
    packed = bytearray(PACKS[pack](lines))
    packed[len(packed) // 2 :] = bytes(len(packed) - len(packed) // 2)
    if pack == "zip":
        packed = bytearray(PACKS[pack](lines))
        packed[len(packed) // 2] ^= 0xFF
    found: list[bytes] = []

    def read() -> None:
        for stream in decompressed(stream_of_file("data", io.BytesIO(bytes(packed)))):
            for block in documents_in(stream):
                found.extend(block.documents)

    with pytest.raises(ExportFileError, match="damaged"):
        read()
    assert len(found) > 5_000


@examples(150)
@given(st.sampled_from(SINGLE), st.data())
def test_damage_raises_nothing_else(pack: str, data: st.DataObject) -> None:
    packed = bytearray(PACKS[pack](b'{"event": "a", "properties": {}}\n' * 20))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        unpacked(bytes(packed))
    except ExportFileError as error:
        assert error.source.startswith("data")  # noqa: PT017


@examples(150)
@given(st.sampled_from([b"\x1f\x8b\x08", b"BZh9", b"\x28\xb5\x2f\xfd", b"PK\3\4"]), st.binary())
def test_garbage_behind_a_beginning_raises_nothing_else(magic: bytes, rest: bytes) -> None:
    with pytest.raises(ExportFileError):
        unpacked(magic + rest)


@pytest.mark.parametrize("pack", SINGLE)
def test_a_bomb_is_stopped(pack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "ALWAYS_ALLOWED", 1_000_000)
    monkeypatch.setattr(decompression, "MAX_RATIO", 100)
    packed = PACKS[pack](bytes(20_000_000))
    most = max(1_000_000, 100 * len(packed))
    with pytest.raises(ExportFileError, match=f"^data: unpacks to more than {most:,} bytes"):
        unpacked(packed)


def test_a_bomb_in_a_bomb_is_measured_by_the_outer_one() -> None:
    packed = gzip.compress(gzip.compress(bytes(100_000_000)))
    assert len(packed) < 20_000
    with pytest.raises(ExportFileError, match="unpacks to more than 67,108,864 bytes"):
        unpacked(packed)


def test_members_of_a_zip_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zipped(*((f"{n}.jsonl", bytes(400)) for n in range(3)))
    assert len(unpacked(packed, 1200)) == 3
    with pytest.raises(ExportFileError, match="more than 1,199 bytes"):
        unpacked(packed, 1199)


def test_the_caller_can_raise_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompression, "ALWAYS_ALLOWED", 1000)
    monkeypatch.setattr(decompression, "MAX_RATIO", 100)
    packed = gzip.compress(bytes(1_100_000))
    with pytest.raises(ExportFileError, match="raise max_decompressed_bytes") as caught:
        unpacked(packed)
    assert caught.value.details["max_decompressed_bytes"] < 1_100_000
    assert len(unpacked(packed, 1_100_000)[0][1]) == 1_100_000


def _tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jsonl"))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("packed", "advice"),
    [
        (lzma.compress(b"{}"), "xz -d"),
        (_tar(), "tar -x"),
        (gzip.compress(_tar()), "tar -x"),
        (b"7z\xbc\xaf\x27\x1c", "7z x"),
        (b"Rar!\x1a\x07\x01\x00", "unrar x"),
        (b"\x04\x22\x4d\x18", "lz4 -d"),
    ],
    ids=["xz", "tar", "tar.gz", "7z", "rar", "lz4"],
)
def test_other_formats_are_named(packed: bytes, advice: str) -> None:
    with pytest.raises(ExportFileError, match=f"^data: this is an? .*{advice}"):
        unpacked(packed)


def test_a_password_is_named() -> None:
    packed = bytearray(zipped(("a.jsonl", b"{}")))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        packed[packed.index(header) + flags] |= 1
    with pytest.raises(ExportFileError, match=r"data/a.jsonl: .*encrypted.*Unpack it first"):
        unpacked(bytes(packed))


def test_errors_of_the_stream_below_pass_through() -> None:
    packed = iter([gzip.compress(noise(50_000))[:20_000]])

    def read(size: int) -> bytes:
        for piece in packed:
            return piece
        raise ConnectionResetError(104, "gone")

    from mixpanel_data.ingest.byte_stream import ByteStream

    (stream,) = decompressed(ByteStream("data", read))
    with pytest.raises(ConnectionResetError):
        stream.read()
