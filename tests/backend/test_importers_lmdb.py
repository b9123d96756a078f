# SPDX-License-Identifier: GPL-3.0-or-later
"""LMDB files and the streams in them: many pages, damage, hostile content, bounded memory."""

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from diffgesture.data.importers.arrow_stream import StreamError, deserialize
from diffgesture.data.importers.lmdb_file import LmdbFile
from diffgesture.data.importers.ted import find_databases, read_clips
from diffgesture.errors import DataError

PAGE = 4096


def node(key: bytes, value: bytes, low: int, flags: int = 0) -> bytes:
    return struct.pack("<HHHH", low & 0xFFFF, low >> 16, flags, len(key)) + key + value


def page(number: int, flags: int, nodes: list[bytes]) -> bytes:
    lower, upper, offsets, body = 16 + 2 * len(nodes), PAGE, [], b""
    for item in nodes:
        upper -= len(item)
        offsets.append(upper)
        body = item + body
    head = struct.pack("<QHHHH", number, 0, flags, lower, upper) + struct.pack(f"<{len(nodes)}H", *offsets)
    return head + bytes(PAGE - len(head) - len(body)) + body


def meta(number: int, depth: int, entries: int, root: int, transaction: int) -> bytes:
    free = struct.pack("<IHHQQQQQ", PAGE, 0, 0, 0, 0, 0, 0, 2**64 - 1)
    main = struct.pack("<IHHQQQQQ", 0, 0, depth, 0, 0, 0, entries, root)
    content = struct.pack("<QHHI", number, 0, 8, 0) + struct.pack("<IIQQ", 0xBEEFC0DE, 1, 0, 1 << 20) + free + main
    content += struct.pack("<QQ", 99, transaction)
    return content + bytes(PAGE - len(content))


def write_tree(path: Path, entries: int = 5) -> Path:
    """Two leaves below a branch; record 'd' has two pages of its own. The older meta page points nowhere."""
    big = bytes(range(256)) * 20
    leaves = [
        page(3, 2, [node(b"a", b"1", 1), node(b"b", b"22", 2)]),
        page(4, 2, [node(b"c", b"333", 3), node(b"d", struct.pack("<Q", 5), len(big), 1), node(b"e", b"", 0)]),
    ]
    overflow = struct.pack("<QHHI", 5, 0, 4, 2) + big
    overflow += bytes(2 * PAGE - len(overflow))
    branch = page(2, 1, [node(b"", b"", 3), node(b"c", b"", 4)])
    content = [meta(0, 1, 1, 7, 1), meta(1, 2, entries, 2, 2), branch, *leaves, overflow]
    path.write_bytes(b"".join(content))
    return path


def test_records_of_a_tree_come_in_order(tmp_path: Path) -> None:
    with LmdbFile(write_tree(tmp_path / "data.mdb")) as database:
        records = list(database.records())
    assert [key for key, _ in records] == [b"a", b"b", b"c", b"d", b"e"]
    assert [len(value) for _, value in records] == [1, 2, 3, 5120, 0]
    assert records[3][1] == bytes(range(256)) * 20


def damaged(path: Path, offset: int, content: bytes) -> Path:
    data = bytearray(path.read_bytes())
    data[offset : offset + len(content)] = content
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("offset", "content", "message", "left"),
    [
        (3 * PAGE, bytes(PAGE), "page 3 is damaged", b"cde"),
        (4 * PAGE + 12, b"\xff\xff", "page 4 is damaged", b"ab"),
        (4 * PAGE + 16, b"\xfe\xff", "page 4 is damaged", b"ab"),
        (5 * PAGE, bytes(16), "record d: its page 5 is damaged", b"abce"),
        (2 * PAGE, bytes(PAGE), "page 2 is damaged", b""),
    ],
)
def test_a_damaged_page_is_named_and_can_be_skipped(
    tmp_path: Path, offset: int, content: bytes, message: str, left: bytes
) -> None:
    path = damaged(write_tree(tmp_path / "data.mdb"), offset, content)
    with LmdbFile(path) as database:
        with pytest.raises(DataError, match=f"data.mdb: {message}"):
            list(database.records())
        told: list[str] = []
        assert b"".join(key for key, _ in database.records(told.append)) == left
        assert len(told) == 1


def test_a_tree_that_bites_its_tail_ends(tmp_path: Path) -> None:
    path = damaged(
        write_tree(tmp_path / "data.mdb"), 3 * PAGE, page(3, 1, [node(b"", b"", 2), node(b"b", b"", 3)])
    )
    told: list[str] = []
    with LmdbFile(path) as database:
        assert [key for key, _ in database.records(told.append)] == [b"c", b"d", b"e"]
    assert len(told) == 2


def test_missing_records_are_told(tmp_path: Path) -> None:
    database = LmdbFile(write_tree(tmp_path / "data.mdb", entries=9))
    with database, pytest.raises(DataError, match="9 records are announced, but 5 were found"):
        list(database.records())


def test_what_is_no_lmdb_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no LMDB file"):
        LmdbFile(tmp_path)
    (tmp_path / "data.mdb").write_bytes(b"hello" * 3000)
    with pytest.raises(DataError, match="is not an LMDB file"):
        LmdbFile(tmp_path)


@pytest.fixture
def ted(parity_folder: Path, tmp_path: Path) -> Path:
    """A copy of an official database that may be damaged."""
    folder = tmp_path / "ted_train"
    folder.mkdir()
    (folder / "data.mdb").write_bytes((parity_folder / "lmdb" / "ted_train" / "data.mdb").read_bytes())
    return folder


def test_a_cut_off_file_names_the_record(ted: Path) -> None:
    path = ted / "data.mdb"
    path.write_bytes(path.read_bytes()[:900_000])
    with pytest.raises(DataError, match=r"data\.mdb: record 0000000001 lies beyond the end of the file"):
        list(read_clips(ted))
    told: list[str] = []
    assert {clip.video for clip in read_clips(ted, told.append)} == {"vidtrain0"}
    assert len(told) == 1


def test_a_zeroed_page_of_poses_names_the_record(ted: Path) -> None:
    frame = next(read_clips(ted)).skeletons[80].tobytes()
    damaged(ted / "data.mdb", (ted / "data.mdb").read_bytes().index(frame) // PAGE * PAGE, bytes(PAGE))
    with pytest.raises(DataError, match=r"data\.mdb: record 0000000000: the stored object is damaged"):
        list(read_clips(ted))
    told: list[str] = []
    assert {clip.video for clip in read_clips(ted, told.append)} == {"vidtrain1"}


def test_random_damage_never_ends_in_another_error(ted: Path) -> None:
    original = (ted / "data.mdb").read_bytes()
    rng = np.random.default_rng(0)
    reported = 0
    for _ in range(20):
        data = bytearray(original)
        # Damage the tree and the streams' metadata, where it can do harm.
        region = rng.choice([0, 4 * PAGE, 30 * PAGE])
        for offset in rng.integers(region, region + 4 * PAGE, 30):
            data[offset] = rng.integers(256)
        (ted / "data.mdb").write_bytes(data)
        told: list[str] = []
        try:
            list(read_clips(ted, told.append))
        except DataError as error:
            told.append(str(error))
        reported += bool(told)
    assert reported > 10


def record(parity_folder: Path) -> bytes:
    with LmdbFile(parity_folder / "lmdb" / "ted_val") as database:
        return next(database.records())[1]


def test_a_pickled_object_is_refused(parity_folder: Path) -> None:
    hostile = record(parity_folder).replace(b"end_time", b"_pytype_")
    with pytest.raises(StreamError, match="pickled Python object"):
        deserialize(hostile)


def test_a_stream_of_another_pyarrow_is_refused() -> None:
    with pytest.raises(StreamError):
        deserialize(struct.pack("<4i", 0, 0, 0, 0) + b"\xff\xff\xff\xff" + bytes(100))
    with pytest.raises(StreamError):
        deserialize(b"")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    count, pages = 40, 50
    size = pages * PAGE - 16
    nodes = [node(b"%04d" % k, struct.pack("<Q", 3 + pages * k), size, 1) for k in range(count)]
    with (tmp_path / "data.mdb").open("wb") as file:
        file.write(meta(0, 1, count, 2, 1) + meta(1, 1, count, 2, 2) + page(2, 2, nodes))
        for k in range(count):
            file.write(struct.pack("<QHHI", 3 + pages * k, 0, 4, pages) + bytes([k]) * size)
    tracemalloc.start()
    with LmdbFile(tmp_path) as database:
        firsts = [value[0] for _, value in database.records()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert firsts == list(range(count))
    assert peak < 4 * size


def test_databases_beside_are_found(tmp_path: Path) -> None:
    for name in ("set_train", "set_val", "other_val"):
        (tmp_path / name).mkdir()
        write_tree(tmp_path / name / "data.mdb")
    expected = [(tmp_path / "set_train", "train"), (tmp_path / "set_val", "val")]
    assert find_databases(tmp_path / "set_train") == expected
    assert find_databases(tmp_path) == expected
    assert find_databases(tmp_path / "other_val") == [(tmp_path / "other_val", "val")]
    with pytest.raises(DataError, match="it holds none"):
        find_databases(tmp_path / "missing")
