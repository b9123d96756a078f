# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what ``pyarrow.serialize`` of version 0.14 wrote, without pyarrow (newer ones cannot read it).

A stream holds three int32 counts (tensors, arrays, buffers), padding to 8 bytes, an Arrow IPC stream of one record
batch with one union-typed column, and the arrays as Arrow tensor messages at multiples of 64 bytes. The column
is a tree: unions whose children are named by the number of a Python type, lists, and for dictionaries lists of
(key, value) structs. Nothing but numbers, strings, lists, dictionaries and arrays is ever made; pickled objects
are refused. Sources: ``cpp/src/arrow/python/serialize.cc`` and ``format/*.fbs`` of Arrow 0.14.
"""

import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from .flatbuffer import FlatbufferError, Table

_SCHEMA, _RECORD_BATCH, _TENSOR = 1, 3, 4
_TENSOR_ALIGNMENT: Final = 64
# Python types as serialize.cc numbers them.
_BOOL, _INT, _PY2_INT, _BYTES, _STRING, _HALF, _FLOAT, _DOUBLE, _DATE64 = range(9)
_LIST, _DICT, _TUPLE, _SET, _TENSOR_INDEX, _ARRAY_INDEX, _BUFFER_INDEX = range(9, 16)
_SCALARS: Final = (_BOOL, _INT, _PY2_INT, _BYTES, _STRING, _HALF, _FLOAT, _DOUBLE, _DATE64)
_MAX_DEPTH: Final = 40


class StreamError(Exception):
    """The bytes are not such a stream, or are damaged; the message ends a sentence that names the place."""


def deserialize(data: bytes) -> Any:
    """The object written by ``pyarrow.serialize(value).to_buffer()`` of pyarrow 0.14.

    Arrays are read-only views of ``data``. Raises StreamError.
    """
    try:
        return _deserialize(memoryview(data))
    except (FlatbufferError, struct.error, IndexError, ValueError, OverflowError, RecursionError) as error:
        raise StreamError(f"the stored object is damaged ({error})") from error


def _deserialize(data: memoryview) -> Any:
    num_tensors, num_arrays, num_buffers = struct.unpack_from("<3i", data)
    if num_tensors or num_buffers or not 0 <= num_arrays <= len(data) // _TENSOR_ALIGNMENT:
        raise StreamError("the stored object is not of the form that pyarrow 0.14 writes")
    schema = _message(data, 16, _SCHEMA)
    fields = schema.header.tables(1)
    if len(fields) != 1:
        raise StreamError("the stored object has not exactly one column")
    batch = _message(data, schema.body, _RECORD_BATCH)
    position = batch.body + batch.body_length
    if struct.unpack_from("<i", data, position)[0] != 0:
        raise StreamError("the stored object has more than one record batch")
    column = _ColumnReader(data[batch.body : position], batch.header).read(fields[0], 0)
    position += 4
    arrays = []
    for _ in range(num_arrays):
        array, position = _tensor(data, -(-position // _TENSOR_ALIGNMENT) * _TENSOR_ALIGNMENT)
        arrays.append(array)
    return column.value(0, _Making(arrays, len(data)))


@dataclass
class _Making:
    """What making the value needs: the arrays, and how many more values there may be.

    Each value takes at least a byte in an honest stream; lists that share their items could make any number.
    """

    arrays: list[np.ndarray]
    remaining: int


@dataclass(frozen=True)
class _Message:
    """An IPC message: its header table, where its body begins and how long that is."""

    header: Table
    body: int
    body_length: int


def _message(data: memoryview, position: int, kind: int) -> _Message:
    (length,) = struct.unpack_from("<i", data, position)
    end = position + 4 + length
    if length <= 0 or end > len(data):
        raise StreamError(f"the stored object is damaged (no message at byte {position})")
    message = Table.root_of(data[position + 4 : end])
    header, body_length = message.table(2), message.scalar(3, "q")
    if header is None or message.scalar(1, "B") != kind or not 0 <= body_length <= len(data) - end:
        raise StreamError(f"the stored object is damaged (unexpected message at byte {position})")
    return _Message(header, end, body_length)


def _tensor(data: memoryview, position: int) -> tuple[np.ndarray, int]:
    message = _message(data, position, _TENSOR)
    tensor, body = message.header, message.body
    dtype = _dtype(tensor.scalar(0, "B"), tensor.table(1))
    shape = tuple(dimension.scalar(0, "q") for dimension in tensor.tables(2))
    strides = tensor.numbers(3, "q")
    start, size = tensor.struct(4, "qq")
    if min(shape, default=0) < 0 or start < 0 or size < 0 or body + start + size > len(data):
        raise StreamError(f"the stored object is damaged (array at byte {position} is cut off)")
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > size:
        raise StreamError(f"the stored object is damaged (array at byte {position} has too few bytes)")
    flat = np.frombuffer(data, dtype, int(np.prod(shape, dtype=object)), body + start)
    column_major = len(shape) > 1 and strides and strides[0] < strides[-1]
    array = flat.reshape(shape, order="F" if column_major else "C")
    return array, body + start + size


def _dtype(kind: int, description: Table | None) -> np.dtype:
    """The dtype of an Arrow number type: 2 integer, 3 floating point."""
    if description is not None and kind == 2:
        bits, signed = description.scalar(0, "i"), description.scalar(1, "?")
        if bits in (8, 16, 32, 64):
            return np.dtype(f"<{'i' if signed else 'u'}{bits // 8}")
    if description is not None and kind == 3:
        precision = description.scalar(0, "h")
        if 0 <= precision <= 2:
            return np.dtype(("<f2", "<f4", "<f8")[precision])
    raise StreamError("the stored object is damaged (numbers of an unknown type)")


@dataclass
class _Column:
    """One node of the column tree. ``kind`` is scalar, list, struct or union."""

    kind: str
    children: "list[_Column]" = field(default_factory=list)
    codes: list[int] = field(default_factory=list)  # of a union: the Python type of each child
    valid: np.ndarray | None = None
    types: np.ndarray | None = None
    offsets: np.ndarray | None = None
    values: Any = None

    def value(self, index: int, making: _Making) -> Any:
        """The Python value of row ``index``; a union row of a list type is the whole list."""
        if self.kind == "union":
            return self._union_value(index, making)
        if self.kind == "list":
            assert self.offsets is not None
            start, end = int(self.offsets[index]), int(self.offsets[index + 1])
            if not 0 <= start <= end:
                raise StreamError("the stored object is damaged (a list has a negative length)")
            return [self.children[0].value(row, making) for row in range(start, end)]
        if self.kind == "struct":
            return tuple(child.value(index, making) for child in self.children)
        return self.values[index]

    def _union_value(self, index: int, making: _Making) -> Any:
        assert self.types is not None
        assert self.offsets is not None
        making.remaining -= 1
        if making.remaining < 0:
            raise StreamError("the stored object is damaged (it unfolds to more values than it has bytes)")
        if self.valid is not None and not self.valid[index]:
            return None
        number, row = int(self.types[index]), int(self.offsets[index])
        if not 0 <= number < len(self.children) or row < 0:
            raise StreamError("the stored object is damaged (a value of no type)")
        code, value = self.codes[number], self.children[number].value(row, making)
        if code in _SCALARS:
            return value
        if code == _ARRAY_INDEX:
            if not 0 <= value < len(making.arrays):
                raise StreamError("the stored object is damaged (an array is missing)")
            return making.arrays[value]
        if code == _DICT:
            pairs = dict(value)
            if "_pytype_" in pairs:
                raise StreamError("the stored object holds a pickled Python object, which is not read")
            return pairs
        if code in (_LIST, _TUPLE):
            return value if code == _LIST else tuple(value)
        raise StreamError("the stored object holds a value of an unknown type")


class _ColumnReader:
    """Takes field nodes and buffers of a record batch in the order of the schema (metadata version 4)."""

    def __init__(self, body: memoryview, batch: Table) -> None:
        self._body = body
        self._nodes = iter(batch.structs(1, "qq"))
        self._buffers = iter(batch.structs(2, "qq"))

    def _buffer(self, dtype: str) -> np.ndarray:
        start, size = next(self._buffers, (0, -1))
        item = np.dtype(dtype)
        if start < 0 or size < 0 or start + size > len(self._body):
            raise StreamError("the stored object is damaged (a buffer is cut off)")
        return np.frombuffer(self._body, item, size // item.itemsize, start)

    def read(self, description: Table, depth: int) -> _Column:
        """The column for a schema field and, below it, its children."""
        if depth > _MAX_DEPTH:
            raise StreamError("the stored object is nested too deeply")
        length, nulls = next(self._nodes, (-1, 0))
        if length < 0:
            raise StreamError("the stored object is damaged (a column is missing)")
        kind, type_table = description.scalar(2, "B"), description.table(3)
        valid = self._validity(length, nulls)
        fields = description.tables(5)
        if kind == 14 and type_table is not None and type_table.scalar(0, "h") == 1:
            types, offsets = self._buffer("i1"), self._buffer("<i4")
            column = _Column("union", valid=valid, types=types, offsets=offsets)
            column.codes = [int(child.text(0)) for child in fields]
        elif kind == 12 and len(fields) == 1:
            column = _Column("list", offsets=self._buffer("<i4"))
        elif kind == 13:
            column = _Column("struct")
        else:
            return _Column("scalar", values=self._scalars(kind, type_table, length))
        column.children = [self.read(child, depth + 1) for child in fields]
        return column

    def _validity(self, length: int, nulls: int) -> np.ndarray | None:
        bits = self._buffer("u1")
        if not nulls:
            return None
        return np.unpackbits(bits, bitorder="little")[:length].astype(bool)

    def _scalars(self, kind: int, description: Table | None, length: int) -> list[Any]:
        if kind in (4, 5):  # bytes, text
            offsets, characters = self._buffer("<i4"), self._buffer("u1").tobytes()
            parts = [characters[offsets[k] : offsets[k + 1]] for k in range(length)]
            return [part.decode("utf-8") for part in parts] if kind == 5 else parts
        if kind == 6:
            return np.unpackbits(self._buffer("u1"), bitorder="little")[:length].astype(bool).tolist()
        return self._buffer(_dtype(kind, description).str)[:length].tolist()
