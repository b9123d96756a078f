# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the records of an LMDB file (``data.mdb``) one after the other, without the LMDB library.

The library maps the file and trusts every page, so that a damaged or cut-off file ends the process. Here each
page is read and checked, and damage is reported as a sentence. Only what the official data sets need is there: one
unnamed database, 64-bit little-endian files of data version 1 (``mdb.c`` of LMDB 0.9: MDB_meta, MDB_db, MDB_page,
MDB_node). Memory in use: a record or two and a few pages.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ...errors import DataError

_MAGIC: Final = 0xBEEFC0DE
_VERSION: Final = 1
_NO_PAGE: Final = 0xFFFFFFFFFFFFFFFF
_HEADER: Final = struct.Struct("<QHHHH")  # page number, padding, flags, lower, upper
_HEADER_BYTES: Final = 16
_META: Final = struct.Struct("<IIQQ")  # magic, version, address, map size
_DATABASE: Final = struct.Struct("<IHHQQQQQ")  # page size, flags, depth, pages of 3 kinds, entries, root
_NODE: Final = struct.Struct("<HHHH")  # low, high, flags, key size
_BRANCH, _LEAF, _OVERFLOW = 0x01, 0x02, 0x04
_BIG_DATA, _SUB_DATA, _DUPLICATES = 0x01, 0x02, 0x04
_MAX_DEPTH: Final = 32

OnDamage = Callable[[str], None]


def stop_at_damage(message: str) -> None:
    """The default answer to damage: DataError."""
    raise DataError(message)


@dataclass(frozen=True)
class _Meta:
    page_size: int
    depth: int
    entries: int
    root: int
    transaction: int


class _Damaged(Exception):
    """A page or node is not as it must be."""


class LmdbFile:
    """Read access to the LMDB folder ``path`` (or its ``data.mdb``); a context manager.

    Raises DataError when it is missing or is no LMDB file of the supported kind.
    """

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        self.path = path / "data.mdb" if path.is_dir() else path
        try:
            self._file: BinaryIO = self.path.open("rb")
            self._size = self.path.stat().st_size
        except OSError as error:
            raise DataError(f"There is no LMDB file at {self.path}: {error.strerror}.") from error
        try:
            self._meta = self._read_meta()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "LmdbFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        """Number of records the file says it has."""
        return self._meta.entries

    def records(self, on_damage: OnDamage = stop_at_damage) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) pairs in the order of the keys.

        ``on_damage`` is called with a sentence for each page or record that cannot be read; if it returns,
        reading goes on with the next one.
        """
        found, reported, seen = 0, 0, set()

        def damage(message: str) -> None:
            nonlocal reported
            reported += 1
            on_damage(f"{self.path}: {message}")

        # Pages still to be read, the next one last.
        stack = [] if self._meta.root == _NO_PAGE else [(self._meta.root, 1)]
        while stack:
            number, level = stack.pop()
            try:
                if number in seen or level > min(self._meta.depth, _MAX_DEPTH):
                    raise _Damaged(f"page {number} is referred to twice")
                seen.add(number)
                page, flags = self._page(number)
                nodes = _nodes(page, number)
                if flags & _BRANCH:
                    stack += [(_child(page, node), level + 1) for node in reversed(nodes)]
                    continue
            except _Damaged as error:
                damage(f"{error}, after record {found}.")
                continue
            for node in nodes:
                try:
                    key, value = self._record(page, node)
                except _Damaged as error:
                    damage(f"{error}.")
                    continue
                found += 1
                yield key, value
        if found != len(self) and not reported:
            damage(f"{len(self)} records are announced, but {found} were found.")

    def _read_meta(self) -> _Meta:
        # The file begins with two meta pages; the one of the last transaction counts. The second one's place
        # depends on the page size, which only the first one tells.
        metas = [self._meta_at(0)]
        if metas[0] is not None:
            metas.append(self._meta_at(metas[0].page_size))
        else:
            metas += [self._meta_at(1 << bits) for bits in range(9, 17)]
        found = [meta for meta in metas if meta is not None]
        if not found:
            raise DataError(
                f"{self.path} is not an LMDB file of a 64-bit little-endian machine, or its first page is damaged."
            )
        return max(found, key=lambda meta: meta.transaction)

    def _meta_at(self, offset: int) -> _Meta | None:
        start = _HEADER_BYTES
        free, main = start + _META.size, start + _META.size + _DATABASE.size
        data = self._read(offset, main + _DATABASE.size + 16)
        if data is None:
            return None
        magic, version, _, _ = _META.unpack_from(data, start)
        page_size = _DATABASE.unpack_from(data, free)[0]
        _, _, depth, _, _, _, entries, root = _DATABASE.unpack_from(data, main)
        _, transaction = struct.unpack_from("<QQ", data, main + _DATABASE.size)
        if magic != _MAGIC or version != _VERSION or not 512 <= page_size <= 65536 or page_size & (page_size - 1):
            return None
        return _Meta(page_size, depth, entries, root, transaction)

    def _read(self, offset: int, count: int) -> bytes | None:
        """``count`` bytes from ``offset`` on, None when the file is too short or cannot be read there."""
        if offset < 0 or offset + count > self._size:
            return None
        try:
            self._file.seek(offset)
            data = self._file.read(count)
        except OSError:
            return None
        return data if len(data) == count else None

    def _page(self, number: int) -> tuple[bytes, int]:
        page = self._read(number * self._meta.page_size, self._meta.page_size)
        if page is None:
            raise _Damaged(f"page {number} is missing (is the file cut off?)")
        own_number, _, flags, _, _ = _HEADER.unpack_from(page)
        if own_number != number or flags & (_BRANCH | _LEAF) not in (_BRANCH, _LEAF):
            raise _Damaged(f"page {number} is damaged")
        return page, flags

    def _record(self, page: bytes, node: int) -> tuple[bytes, bytes]:
        low, high, flags, key_size = _NODE.unpack_from(page, node)
        size, start = low | high << 16, node + _NODE.size + key_size
        if start > len(page) or flags & (_SUB_DATA | _DUPLICATES):
            raise _Damaged(f"a record on page {_HEADER.unpack_from(page)[0]} is damaged")
        key = page[node + _NODE.size : start]
        if not flags & _BIG_DATA:
            if start + size > len(page):
                raise _Damaged(f"record {_name(key)} reaches beyond its page")
            return key, page[start : start + size]
        if start + 8 > len(page):
            raise _Damaged(f"record {_name(key)} is damaged")
        return key, self._big_value(key, struct.unpack_from("<Q", page, start)[0], size)

    def _big_value(self, key: bytes, number: int, size: int) -> bytes:
        """A value that has pages of its own: a header, then the bytes without a break."""
        offset = number * self._meta.page_size
        header = self._read(offset, _HEADER_BYTES)
        if header is None:
            raise _Damaged(f"record {_name(key)} lies beyond the end of the file (is it cut off?)")
        own_number, _, flags, _, _ = _HEADER.unpack(header)
        pages = struct.unpack_from("<I", header, 12)[0]
        if own_number != number or not flags & _OVERFLOW or pages * self._meta.page_size < size + _HEADER_BYTES:
            raise _Damaged(f"record {_name(key)}: its page {number} is damaged")
        value = self._read(offset + _HEADER_BYTES, size)
        if value is None:
            raise _Damaged(f"record {_name(key)} lies beyond the end of the file (is it cut off?)")
        return value


def _nodes(page: bytes, number: int) -> list[int]:
    """Offsets of a page's nodes; each has room for its header."""
    _, _, _, lower, upper = _HEADER.unpack_from(page)
    count = (lower - _HEADER_BYTES) // 2
    if not _HEADER_BYTES <= lower <= upper <= len(page):
        raise _Damaged(f"page {number} is damaged")
    nodes = list(struct.unpack_from(f"<{count}H", page, _HEADER_BYTES))
    if any(not upper <= node <= len(page) - _NODE.size for node in nodes):
        raise _Damaged(f"page {number} is damaged")
    return nodes


def _child(page: bytes, node: int) -> int:
    low, high, flags, _ = _NODE.unpack_from(page, node)
    return low | high << 16 | flags << 32


def _name(key: bytes) -> str:
    return key.decode("ascii", errors="backslashreplace")
