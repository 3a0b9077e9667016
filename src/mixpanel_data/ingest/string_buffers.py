"""The buffers of an Arrow string array as NumPy arrays, to process all strings at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def string_data_and_offsets(
    texts: pa.StringArray,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.intp]]:
    """Return the bytes of all strings, one after another and not copied, and their offsets.

    The layout is https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-layout.

    Returns:
        The bytes, and where each string starts; the last offset is the end of the last string.

    Example:
        >>> data, starts = string_data_and_offsets(pa.array(["ab", "c"]))
        >>> bytes(data), starts.tolist()
        (b'abc', [0, 2, 3])
    """
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int32, len(texts) + 1, texts.offset * 4).astype(np.intp)
    content = b"" if data is None else data
    return np.frombuffer(content, np.uint8)[starts[0] : starts[-1]], starts - starts[0]
