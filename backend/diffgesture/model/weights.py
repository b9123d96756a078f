# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading safetensors with NumPy alone: a JSON header with a place for each tensor, then the numbers.

Every place is checked against the file before anything is read; the file's own sizes decide what is allocated.
Format: an 8-byte little-endian header length, the header, the data (safetensors 0.4).
"""

import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import CheckpointError
from ..reading import read_bytes

_DTYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "<i1",
    "U8": "<u1",
    "BOOL": "?",
}
_MAX_HEADER: Final = 16 << 20
_MAX_FILE: Final = 8 << 30


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Tensors by name, floating ones as float32. CheckpointError where the file is damaged or not finite."""
    content = read_bytes(path, "checkpoint", CheckpointError, _MAX_FILE)
    try:
        header, start = _header(content)
        places = [entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"]
        # Tensors that lie on one another would take more memory than the file has.
        if sum(end - begin for begin, end in places) > len(content) - start:
            raise ValueError("its tensors are larger than the file")
        weights = {
            name: _tensor(content, start, entry) for name, entry in header.items() if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError, OverflowError) as error:
        raise CheckpointError(
            f"The checkpoint {path.name} is damaged or incomplete ({error}). Copy or download it again."
        ) from error
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise CheckpointError(
                f"The checkpoint {path.name} contains NaN or infinity (in {name}). Take another checkpoint."
            )
    return weights


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(_MAX_HEADER, len(content) - 8):
        raise ValueError("it ends too early")
    header = json.loads(content[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("its header is not a table")
    return header, 8 + length


def _tensor(content: bytes, start: int, entry: Any) -> np.ndarray:
    dtype = np.dtype(_DTYPES[entry["dtype"]])
    shape = tuple(entry["shape"])
    begin, end = entry["data_offsets"]
    if not all(isinstance(n, int) and n >= 0 for n in (*shape, begin, end)):
        raise ValueError("its header has strange numbers")
    if end - begin != math.prod(shape) * dtype.itemsize or start + end > len(content):
        raise ValueError("it ends too early")
    values = np.frombuffer(content, dtype, math.prod(shape), start + begin).reshape(shape)
    return values.astype(np.float32) if dtype.kind == "f" else values.copy()
