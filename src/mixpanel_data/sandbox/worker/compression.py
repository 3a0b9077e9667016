"""Whether Arrow data is compressed: a worker never sends such, because it could become any size.

Arrow decompresses while it reads and cannot be told not to, so this looks into the description of
each batch before: a FlatBuffers table whose layout is in Arrow's ``format/Message.fbs``,
https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format.
"""

from __future__ import annotations

import struct

import pyarrow as pa

#: The number of a field in its table: a message's header, a dictionary's batch, a batch's codec.
_HEADER, _DATA, _COMPRESSION = 2, 1, 3


def is_compressed(stream: bytearray) -> bool:
    """Tell whether there is a compressed batch in an Arrow IPC stream.

    Raises:
        struct.error: A description is damaged.
        pyarrow.ArrowException: The stream is.
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
    """Return where a field of a table is, the table itself when it is not there."""
    (back,) = struct.unpack_from("<i", data, table)
    (size,) = struct.unpack_from("<H", data, table - back)
    entry = 4 + 2 * number
    if entry >= size:
        return table
    (offset,) = struct.unpack_from("<H", data, table - back + entry)
    return int(table + offset)
