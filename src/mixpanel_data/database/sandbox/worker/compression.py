"""Detects compressed Arrow data, which a worker never sends: it could decompress to any size.

Arrow always decompresses while it reads, so this module first looks at the metadata of each batch:
a FlatBuffers table whose layout is in Arrow's ``format/Message.fbs``,
https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format.
"""

from __future__ import annotations

import struct

import pyarrow as pa

#: Numbers of fields in their tables: a message's header, a dictionary's batch, a batch's codec.
_HEADER, _DATA, _COMPRESSION = 2, 1, 3


def is_compressed(stream: bytearray) -> bool:
    """Tell whether there is a compressed batch in an Arrow IPC stream.

    Raises:
        struct.error: The metadata of a batch is damaged.
        pyarrow.ArrowException: The stream is damaged.
    """
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(stream)):
        if message.type != "schema":
            metadata = memoryview(message.metadata)
            batch = _follow(metadata, _field(metadata, _follow(metadata, 0), _HEADER))
            if message.type == "dictionary":
                batch = _follow(metadata, _field(metadata, batch, _DATA))
            if _field(metadata, batch, _COMPRESSION) != batch:
                return True
    return False


def _follow(data: memoryview, position: int) -> int:
    (offset,) = struct.unpack_from("<I", data, position)
    return int(position + offset)


def _field(data: memoryview, table: int, number: int) -> int:
    """Return the position of a field of a table, that of the table if it has no such field."""
    (back,) = struct.unpack_from("<i", data, table)
    (size,) = struct.unpack_from("<H", data, table - back)
    entry = 4 + 2 * number
    if entry >= size:
        return table
    (offset,) = struct.unpack_from("<H", data, table - back + entry)
    return int(table + offset)
