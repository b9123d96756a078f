# SPDX-License-Identifier: GPL-3.0-or-later
"""The few reading operations of the FlatBuffers format that Arrow's metadata need, with bounds checked."""

import struct
from dataclasses import dataclass
from typing import Any


class FlatbufferError(Exception):
    """An offset leads out of the buffer."""


@dataclass(frozen=True)
class Table:
    """A table at ``position`` of ``data``; fields are named by their number in the schema file."""

    data: memoryview
    position: int

    @classmethod
    def root_of(cls, data: memoryview) -> "Table":
        """The root table of a buffer."""
        return cls(data, _unpack(data, "I", 0))

    def _field(self, number: int) -> int | None:
        """Position of a field, None when it is left at its default."""
        vtable = self.position - _unpack(self.data, "i", self.position)
        size = _unpack(self.data, "H", vtable)
        slot = 4 + 2 * number
        if slot + 2 > size:
            return None
        offset = _unpack(self.data, "H", vtable + slot)
        return self.position + offset if offset else None

    def scalar(self, number: int, form: str) -> Any:
        """A number or flag (struct ``form``), 0 when absent."""
        position = self._field(number)
        return _unpack(self.data, form, position) if position is not None else 0

    def struct(self, number: int, form: str) -> tuple[Any, ...]:
        """A struct held in the table itself."""
        position = self._field(number)
        if position is None:
            raise FlatbufferError(f"field {number} is missing")
        return _unpack_all(self.data, form, position)

    def table(self, number: int) -> "Table | None":
        """A table that the field refers to."""
        position = self._field(number)
        return self._follow(position) if position is not None else None

    def _follow(self, position: int) -> "Table":
        return Table(self.data, position + _unpack(self.data, "I", position))

    def _vector(self, number: int) -> tuple[int, int]:
        """(position of the first element, count)."""
        position = self._field(number)
        if position is None:
            return 0, 0
        start = position + _unpack(self.data, "I", position)
        count = _unpack(self.data, "I", start)
        if count > len(self.data):
            raise FlatbufferError("a vector is longer than its buffer")
        return start + 4, count

    def tables(self, number: int) -> "list[Table]":
        """A vector of tables."""
        start, count = self._vector(number)
        return [self._follow(start + 4 * k) for k in range(count)]

    def structs(self, number: int, form: str) -> list[tuple[Any, ...]]:
        """A vector of structs."""
        start, count = self._vector(number)
        size = struct.calcsize("<" + form)
        return [_unpack_all(self.data, form, start + size * k) for k in range(count)]

    def numbers(self, number: int, form: str) -> list[Any]:
        """A vector of numbers."""
        return [values[0] for values in self.structs(number, form)]

    def text(self, number: int) -> str:
        """A string."""
        start, count = self._vector(number)
        if start + count > len(self.data):
            raise FlatbufferError("a string is cut off")
        return bytes(self.data[start : start + count]).decode("utf-8", errors="replace")


def _unpack_all(data: memoryview, form: str, position: int) -> tuple[Any, ...]:
    if position < 0:
        raise FlatbufferError("an offset is negative")
    try:
        return struct.unpack_from("<" + form, data, position)
    except struct.error as error:
        raise FlatbufferError("an offset leads out of the buffer") from error


def _unpack(data: memoryview, form: str, position: int) -> Any:
    return _unpack_all(data, form, position)[0]
