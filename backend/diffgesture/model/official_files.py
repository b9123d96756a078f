# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads ``.bin`` files of the official code (``torch.save``) without running what is pickled in them.

A pickle is a program for a small stack machine; Python's unpickler, and torch's ``weights_only`` variant with it,
executes it with real classes and functions as operands. Here the program is only *parsed*: the standard library's
``pickletools`` decodes the opcodes, and this module interprets those that build data. A name such as
``os.system`` is never looked up: it is a :class:`_Name`, and only the few names in ``_build`` mean anything. So
nothing but tensors, numbers, texts, lists, tuples, dicts, sets and inert :class:`Record` objects can come out, and
an opcode or name outside the list is refused with a sentence.
"""

import io
import math
import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import torch

from ..errors import CheckpointError
from ..reading import check_file

_LEGACY_MAGIC: Final = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL: Final = 1001
_MAX_PICKLE_BYTES: Final = 1 << 28
_MAX_COPIED: Final = 1 << 28
_MAX_NAME: Final = 1000
_MAX_LINE: Final = 1 << 20
_MAX_DIMENSIONS: Final = 16
_KEYS: Final = (str, int, float, bool, bytes, type(None))
_STORAGES: Final = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_RECORDS: Final = ("argparse.Namespace", "model.vocab.Vocab")
_ARRAY_TYPES: Final = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")


@dataclass(eq=False)
class Record:
    """What the file calls an instance of ``kind``: its fields, and no behaviour."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Name:
    """``module.attribute`` as written in the pickle; never imported."""

    path: str


@dataclass(eq=False)
class _Array:
    """A numpy array until a later opcode brings type and values."""

    value: np.ndarray | None = None


@dataclass(eq=False)
class _DataType:
    """A numpy data type while it is being built."""

    code: str
    order: str = "|"


@dataclass(eq=False)
class _Storage:
    """The numbers that tensors are views of; a legacy file delivers them after the views."""

    dtype: torch.dtype
    size: int
    data: bytearray

    def tensor(self) -> torch.Tensor:
        if self.size == 0:
            return torch.zeros(0, dtype=self.dtype)
        return torch.frombuffer(self.data, dtype=self.dtype)


class _Refused(Exception):
    """The pickle wants something that data do not need."""


_LoadStorage = Callable[[tuple[Any, ...]], _Storage]


def read_official_file(path: str | Path) -> Any:
    """The contents of a ``torch.save`` file (zip or legacy format) as plain data and tensors.

    Raises CheckpointError naming what is wrong or what the file tried.
    """
    path = Path(path)
    try:
        check_file(path, "file", CheckpointError)
        if zipfile.is_zipfile(path):
            return _read_zip(path)
        return _read_legacy(path)
    except _Refused as error:
        raise CheckpointError(
            f"{path.name} was refused: {error}. It holds more than weights and settings; nothing in it was run."
        ) from None
    except CheckpointError:
        raise
    except Exception as error:  # what pickletools, zipfile and torch have to say of damaged files
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path.name} is not a readable torch.save file ({said}).") from error


# -- The two containers ----------------------------------------------------------------------------------------


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        programs = [name for name in members if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(programs) != 1:
            raise CheckpointError(f"{path.name} is a zip file, but not one written by torch.save.")
        folder = programs[0].removesuffix("data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
            raise _Refused("it is compressed, which torch.save never does")
        if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
            raise _Refused("its parts lie on one another")
        if members[programs[0]].file_size > _MAX_PICKLE_BYTES:
            raise _Refused("its settings are larger than 256 MB")
        if f"{folder}byteorder" in members and archive.read(f"{folder}byteorder") != b"little":
            raise CheckpointError(f"{path.name} was written on a big-endian machine; save it on another one.")
        storages: dict[str, _Storage] = {}

        def load(identity: tuple[Any, ...]) -> _Storage:
            dtype, key, size = _storage_identity(identity)
            if key not in storages:
                if f"{folder}data/{key}" not in members:
                    raise CheckpointError(f"{path.name} is incomplete: its part data/{key} is missing.")
                storage = _Storage(dtype, size, bytearray(archive.read(f"{folder}data/{key}")))
                if len(storage.data) != size * dtype.itemsize:
                    raise CheckpointError(f"{path.name} is damaged: its part data/{key} has the wrong length.")
                storages[key] = storage
            return storages[key]

        return _finish(_interpret(io.BytesIO(archive.read(programs[0])), load))


def _read_legacy(path: Path) -> Any:
    """Before torch 1.6: five pickles, then each storage as a count and its numbers."""
    available = path.stat().st_size
    with path.open("rb") as opened:
        file = _Bounded(opened, available)
        magic = _interpret(file, _no_storage)
        if magic != _LEGACY_MAGIC:
            raise CheckpointError(f"{path.name} was not written by torch.save.")
        if _interpret(file, _no_storage) != _LEGACY_PROTOCOL:
            raise CheckpointError(f"{path.name} has an unknown version of torch's old file format.")
        system = _interpret(file, _no_storage)
        if not isinstance(system, dict) or not system.get("little_endian", False):
            raise CheckpointError(f"{path.name} was written on a big-endian machine; save it on another one.")
        storages: dict[str, _Storage] = {}

        def load(identity: tuple[Any, ...]) -> _Storage:
            nonlocal available
            dtype, key, size = _storage_identity(identity[:5])
            if len(identity) > 5 and identity[5] is not None:
                raise _Refused("it holds views of storages, which the official code never saves")
            if key not in storages:
                available -= size * dtype.itemsize
                if available < 0:
                    raise CheckpointError(f"{path.name} is incomplete: its tensors are larger than the file.")
                storages[key] = _Storage(dtype, size, bytearray(size * dtype.itemsize))
            return storages[key]

        contents = _interpret(file, load)
        for key in _interpret(file, _no_storage):
            storage = storages[str(key)]
            count = int.from_bytes(file.read(8), "little")
            numbers = file.read(len(storage.data))
            if count != storage.size or len(numbers) != len(storage.data):
                raise CheckpointError(f"{path.name} is damaged: a tensor has the wrong length.")
            storage.data[:] = numbers
        return _finish(contents)


class _Bounded:
    """A file that is asked for no more than it has: a length of 2^60 would be allocated before it is read."""

    def __init__(self, file: IO[bytes], size: int):
        self._file, self._size = file, size

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._size - self._file.tell())
        return self._file.read(left if count < 0 else min(count, left))

    def readline(self) -> bytes:
        return self._file.readline(_MAX_LINE)

    def tell(self) -> int:
        return self._file.tell()


def _no_storage(identity: tuple[Any, ...]) -> _Storage:
    raise _Refused("it refers to a tensor where none can be")


def _storage_identity(identity: tuple[Any, ...]) -> tuple[torch.dtype, str, int]:
    """(type, key, number of elements) of ``("storage", type, key, device, count)``."""
    if not isinstance(identity, tuple) or len(identity) != 5 or identity[0] != "storage":
        raise _Refused("it refers to an object outside the file")
    _, kind, key, _, size = identity
    module, _, name = kind.path.rpartition(".") if isinstance(kind, _Name) else ("", "", "")
    if module != "torch" or name not in _STORAGES:
        raise _Refused("it holds numbers of an unknown kind")
    if not isinstance(key, str) or not isinstance(size, int) or size < 0 or not key.isalnum():
        raise _Refused("it refers to a tensor in a way torch.save never does")
    return _STORAGES[name], key, size


# -- The stack machine, data only ------------------------------------------------------------------------------

_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS: Final = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
    )
)
_TUPLES: Final = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _interpret(file: Any, load_storage: _LoadStorage) -> Any:
    """Run one pickle from ``file``, which is then just behind it, over plain data.

    Linear in the file's size: what an instruction copies is counted, and nothing is looked into but flat keys.
    """
    stack: list[Any] = []
    marks: list[int] = []  # heights of the stack at which marks lie
    memo: dict[int, Any] = {}
    budget = _Budget()

    def floor() -> int:
        return marks[-1] if marks else 0

    def pop() -> Any:
        top()
        return stack.pop()

    def top() -> Any:
        if stack and len(stack) <= floor():
            raise _Refused("its settings are not well formed")
        return stack[-1]

    def pop_to_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    argument: Any
    for opcode, argument, _ in pickletools.genops(file):
        name = opcode.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            return pop()
        if name == "MARK":
            marks.append(len(stack))
        elif name == "POP":
            if marks and marks[-1] == len(stack):
                marks.pop()
            else:
                pop()
        elif name == "POP_MARK":
            pop_to_mark()
        elif name == "DUP":
            stack.append(top())
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            stack.append(argument)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[int(argument)] = top()
        elif name == "MEMOIZE":
            memo[len(memo)] = top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[int(argument)])
        elif name in _TUPLES:
            items = [pop() for _ in range(_TUPLES[name])]
            stack.append(tuple(reversed(items)))
        elif name == "TUPLE":
            stack.append(tuple(pop_to_mark()))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "LIST":
            stack.append(pop_to_mark())
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "DICT":
            stack.append(_pairs(pop_to_mark()))
        elif name == "EMPTY_SET":
            stack.append(set())
        elif name == "FROZENSET":
            stack.append(frozenset(map(_flat, pop_to_mark())))
        elif name in ("APPEND", "APPENDS"):
            items = [pop()] if name == "APPEND" else pop_to_mark()
            _require(top(), list).extend(items)
        elif name == "ADDITEMS":
            items = pop_to_mark()
            _require(top(), set).update(map(_flat, items))
        elif name in ("SETITEM", "SETITEMS"):
            items = [pop(), pop()][::-1] if name == "SETITEM" else pop_to_mark()
            _require(top(), dict).update(_pairs(items))
        elif name == "GLOBAL":
            stack.append(_name(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = pop(), pop()
            stack.append(_name(_require(module, str), _require(attribute, str)))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, called = pop(), pop()
            stack.append(_build(called, _require(arguments, tuple), budget))
        elif name == "BUILD":
            state = pop()
            _set_state(top(), state, budget)
        elif name == "BINPERSID":
            stack.append(load_storage(pop()))
        else:
            raise _Refused(f"it uses the instruction {name}")
    raise ValueError("the pickle has no end")


def _require(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise _Refused("its settings are not well formed")
    return value


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(map(_flat, items[::2]), items[1::2], strict=True))


def _flat(key: Any) -> Any:
    """A key that needs no look inside: the hash of a nested one takes as many C frames as it is deep."""
    if type(key) not in _KEYS:
        raise _Refused("it has a key that is no text and no number")
    return key


def _name(module: str, attribute: str) -> _Name:
    if len(module) + len(attribute) > _MAX_NAME:
        raise _Refused("it names something in thousands of letters")
    return _Name(f"{module}.{attribute}")


class _Budget:
    """What all instructions together may copy, so that a small file cannot ask for much."""

    def __init__(self) -> None:
        self._left = _MAX_COPIED

    def take(self, amount: int) -> None:
        """Refused where more is copied than any checkpoint has."""
        self._left -= amount
        if self._left < 0:
            raise _Refused("it copies its contents over and over")


def _build(called: Any, arguments: tuple[Any, ...], budget: _Budget) -> Any:
    """What the named class or function stands for, made without it."""
    if not isinstance(called, _Name):
        raise _Refused("it calls an object that it has built")
    name = called.path.replace("numpy._core.", "numpy.core.")
    if name in _RECORDS and not arguments:
        return Record(name)
    if name in ("copy_reg._reconstructor", "copyreg._reconstructor"):
        # How protocols 0 and 1 write a plain instance: (class, object, None).
        if len(arguments) == 3 and isinstance(arguments[0], _Name) and arguments[0].path in _RECORDS:
            return Record(arguments[0].path)
    elif name == "collections.OrderedDict" and len(arguments) <= 1:
        items = arguments[0] if arguments else {}
        if not isinstance(items, dict | list):
            raise _Refused("it makes a table of something else")
        budget.take(16 * len(items))
        return dict(items) if isinstance(items, dict) else _pairs([part for pair in items for part in _two(pair)])
    elif name in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor") and len(arguments) >= 4:
        return _rebuild_tensor(*arguments[:4])
    elif name == "torch._utils._rebuild_parameter" and arguments and isinstance(arguments[0], torch.Tensor):
        return arguments[0]
    elif name == "torch.Size" and len(arguments) == 1:
        return tuple(_require(arguments[0], tuple))
    elif name == "_codecs.encode" and len(arguments) == 2 and arguments[1] == "latin1":
        budget.take(len(_require(arguments[0], str)))
        return arguments[0].encode("latin1")
    elif name == "numpy.dtype" and arguments and type(arguments[0]) is str and arguments[0] in _ARRAY_TYPES:
        return _DataType(arguments[0])
    elif name == "numpy.core.multiarray._reconstruct":
        return _Array()
    elif name == "numpy.core.multiarray.scalar" and len(arguments) == 2:
        return _numbers(arguments[0], arguments[1], (1,), budget)[0].item()
    raise _Refused(f"it wants to call '{called.path}'")


def _two(pair: Any) -> tuple[Any, ...]:
    if type(pair) not in (tuple, list) or len(pair) != 2:
        raise _Refused("it makes a table of something else")
    return tuple(pair)


def _set_state(target: Any, state: Any, budget: _Budget) -> None:
    if isinstance(target, Record):
        fields = _require(state, dict)
        budget.take(16 * len(fields))
        if not all(type(key) is str for key in fields):
            raise _Refused("its settings are not well formed")
        target.fields.update(fields)
    elif isinstance(target, _DataType) and isinstance(state, tuple) and len(state) >= 2:
        target.order = state[1]
    elif isinstance(target, _Array) and isinstance(state, tuple) and len(state) == 5:
        _, shape, dtype, fortran, content = state
        flat = _numbers(dtype, content, shape, budget)
        target.value = flat.reshape(shape, order="F" if fortran else "C")
    elif type(target) is not dict:
        # A dict's state is the _metadata that torch hangs on a state dict; nothing needs it.
        raise _Refused("it changes an object that is no record")


def _numbers(dtype: Any, content: Any, shape: Any, budget: _Budget) -> np.ndarray:
    if not isinstance(dtype, _DataType) or dtype.order not in ("<", "|", "=") or type(content) is not bytes:
        raise _Refused("it holds an array that is not of plain numbers")
    budget.take(len(content))
    values = np.frombuffer(content, dtype="<" + dtype.code)
    if not _is_shape(shape) or math.prod(shape) != len(values):
        raise ValueError("an array has the wrong length")
    return values.copy()


def _is_shape(shape: Any) -> bool:
    if not isinstance(shape, tuple) or len(shape) > _MAX_DIMENSIONS:
        return False
    return all(type(number) is int and 0 <= number < 1 << 48 for number in shape)


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any) -> torch.Tensor:
    """A view of ``storage``; ValueError when it reaches outside or repeats elements."""
    whole = _is_shape(_require(size, tuple)) and _is_shape(_require(stride, tuple)) and _is_shape((offset,))
    if not isinstance(storage, _Storage) or len(size) != len(stride) or not whole:
        raise _Refused("it builds a tensor in a way torch.save never does")
    count = math.prod(size)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if count > storage.size or (count and last >= storage.size):
        raise ValueError("a tensor is larger than its data")
    if count == 0:
        return torch.zeros(size, dtype=storage.dtype)
    return torch.as_strided(storage.tensor(), size, stride, offset)


def _finish(value: Any) -> Any:
    """The outermost dict with finished arrays in place of half-built ones, one level of records deep."""
    if isinstance(value, dict):
        return {key: _finish_item(item) for key, item in value.items()}
    return _finish_item(value)


def _finish_item(item: Any) -> Any:
    if isinstance(item, Record):
        item.fields = {key: _finish_array(entry) for key, entry in item.fields.items()}
        return item
    return _finish_array(item)


def _finish_array(item: Any) -> Any:
    return item.value if isinstance(item, _Array) else item
