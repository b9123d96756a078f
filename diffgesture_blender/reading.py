# SPDX-License-Identifier: GPL-3.0-or-later
"""The boundary where files from anywhere come in: what a file declares is checked before memory is spent on it.

Every reader ends in valid data or in one type of error with a sentence. ``understood`` is the guard around what
interprets a file; ``Whole``, ``Real``, ``Text`` ... say what its fields must be. The add-on and the backend have
this file in common, each with its own type of error.
"""

import io
import json
import math
import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from .errors import DiffGestureError as GestureError

MAX_TEXT: Final = 64 << 20
MAX_ARRAYS: Final = 1 << 30
_MAX_MEMBERS: Final = 20_000
_MAX_DEPTH: Final = 64


@contextmanager
def understood(what: str, error: type[GestureError] = GestureError, hint: str = "") -> Iterator[None]:
    """Whatever goes wrong inside becomes ``error``, one sentence that begins with ``what``."""
    try:
        yield
    except GestureError:
        raise
    except KeyError as problem:
        raise error(f"{what}: it lacks {_brief(problem)}.{hint}") from problem
    except MemoryError as problem:
        raise error(f"{what}: it needs more memory than there is.{hint}") from problem
    except RecursionError as problem:
        raise error(f"{what}: it is nested too deeply.{hint}") from problem
    except Exception as problem:
        raise error(f"{what}: {_brief(problem)}.{hint}") from problem


def _brief(problem: BaseException) -> str:
    said = " ".join(str(getattr(problem, "strerror", None) or problem).split()).rstrip(".")
    return (said if len(said) <= 200 else f"{said[:150]}…") or type(problem).__name__


# -- Files -----------------------------------------------------------------------------------------------------


def check_file(path: Path, what: str, error: type[GestureError] = GestureError) -> int:
    """The size in bytes of a file; ``error`` for one that is missing, a folder, a pipe or a device."""
    name = "".join(char if char.isprintable() else "?" for char in str(path))
    name = name if len(name) <= 200 else f"{name[:80]}…{name[-40:]}"
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise error(f"There is no {what} at {name}.") from None
    except (OSError, ValueError) as problem:
        raise error(f"The {what} {name} cannot be read: {_brief(problem)}.") from problem
    if stat.S_ISDIR(status.st_mode):
        raise error(f"{name} is a folder; give the name of a file.")
    if not stat.S_ISREG(status.st_mode):
        raise error(f"{name} is a device or pipe; give the name of a file.")
    return status.st_size


def read_bytes(path: Path, what: str, error: type[GestureError] = GestureError, limit: int = MAX_TEXT) -> bytes:
    """The contents of a file that has at most ``limit`` bytes."""
    size = check_file(path, what, error)
    if size > limit:
        raise error(f"The {what} {path.name} is larger than any {what} ({limit >> 20} MB).")
    with understood(f"The {what} {path.name} cannot be read", error), path.open("rb") as file:
        return file.read(size)


def read_text(path: Path, what: str, error: type[GestureError] = GestureError, limit: int = MAX_TEXT) -> str:
    """The text of a UTF-8 file."""
    with understood(f"The {what} {path.name} is not UTF-8 text", error):
        return read_bytes(path, what, error, limit).decode("utf-8-sig")


def read_json(path: Path, what: str, error: type[GestureError] = GestureError, limit: int = MAX_TEXT) -> Any:
    """What a JSON file holds, at most 64 levels deep."""
    return parse_json(read_text(path, what, error, limit), f"The {what} {path.name}", error)


def parse_json(text: str, what: str, error: type[GestureError] = GestureError) -> Any:
    """What JSON holds, at most 64 levels deep."""
    with understood(f"{what} is not valid JSON", error):
        value = json.loads(text)
        level, depth = [value], 0
        while level := [
            part
            for item in level
            if isinstance(item, dict | list)
            for part in (item.values() if isinstance(item, dict) else item)
            if isinstance(part, dict | list)
        ]:
            depth += 1
            if depth >= _MAX_DEPTH:
                raise RecursionError
        return value


def read_arrays(
    path: Path, what: str, error: type[GestureError] = GestureError, limit: int = MAX_ARRAYS
) -> dict[str, np.ndarray]:
    """The arrays of a NumPy archive (.npz), nothing pickled.

    Each member's declared size, compression and shape are checked before it is unpacked.
    """
    check_file(path, what, error)
    with (
        understood(f"{path.name} is no {what} (.npz) that can be read", error),
        zipfile.ZipFile(path) as archive,
    ):
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise ValueError(f"it has {len(members)} parts")
        if sum(member.file_size for member in members) > limit:
            raise ValueError(f"it would take more than {limit >> 20} MB of memory")
        return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    name = member.filename
    if member.flag_bits & 1:
        raise ValueError(f"{name} is encrypted")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed in a way that NumPy does not use")
    with archive.open(member) as stream:
        content = stream.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ValueError(f"{name} has another size than it says")
    return _parse_npy(content, name)


def _parse_npy(content: bytes, name: str) -> np.ndarray:
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name} is of an unknown version")
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    if dtype.kind not in "biufSU" or dtype.itemsize == 0:
        raise ValueError(f"{name} holds neither numbers nor text")
    count = math.prod(shape)
    if count * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"{name} has another size than its shape {shape} says")
    values = np.frombuffer(content, dtype, count, file.tell())
    return values.reshape(shape, order="F" if fortran else "C").copy()


def beside(path: Path, name: Any, what: str, error: type[GestureError] = GestureError) -> Path:
    """The file ``name`` in the folder of ``path``, which is what a file may name: no way to anywhere else."""
    if not isinstance(name, str) or name in ("", ".", "..") or any(c in name for c in "/\\:\0"):
        raise error(f"{path.name} names a {what} that is not a plain file name: {name!r:.80}.")
    return path.with_name(name)


def inside(folder: Path, name: Any, what: str, error: type[GestureError] = GestureError) -> Path:
    """The file ``name`` below ``folder``; ``error`` where it leads out of it."""
    with understood(f"{name!r:.80} is no {what} below {folder}", error):
        path = (folder / str(name)).resolve()
        path.relative_to(folder.resolve())
        return path


# -- What fields must be ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Real:
    """A finite number within limits, as float."""

    low: float = -1e9
    high: float = 1e9

    def __call__(self, value: Any, name: str) -> float:
        """The value; ValueError with what it must be."""
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits or not self.low <= value <= self.high:
            raise ValueError(f"{name} must be a number between {self.low:g} and {self.high:g}, not {value!r:.40}")
        return float(value)


@dataclass(frozen=True)
class Whole:
    """A whole number within limits."""

    low: int = 0
    high: int = 1 << 53

    def __call__(self, value: Any, name: str) -> int:
        """The value; ValueError with what it must be."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise ValueError(
                f"{name} must be a whole number between {self.low} and {self.high}, not {value!r:.40}"
            )
        return value


@dataclass(frozen=True)
class Text:
    """A text of limited length; one of ``choices`` where there are any."""

    most: int = 1000
    choices: tuple[str, ...] = ()

    def __call__(self, value: Any, name: str) -> str:
        """The value; ValueError with what it must be."""
        if not isinstance(value, str) or len(value) > self.most:
            raise ValueError(f"{name} must be a text of at most {self.most} characters, not {value!r:.40}")
        if self.choices and value not in self.choices:
            raise ValueError(f"{name} must be {' or '.join(self.choices)}, not {value!r:.40}")
        return value


@dataclass(frozen=True)
class Flag:
    """True or false."""

    def __call__(self, value: Any, name: str) -> bool:
        """The value; ValueError with what it must be."""
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false, not {value!r:.40}")
        return value


@dataclass(frozen=True)
class Items:
    """A list of at most ``most`` values of one kind."""

    kind: Any
    most: int = 100_000
    least: int = 0

    def __call__(self, value: Any, name: str) -> list[Any]:
        """The value; ValueError with what it must be."""
        if not isinstance(value, list | tuple) or not self.least <= len(value) <= self.most:
            raise ValueError(f"{name} must be a list of {self.least} to {self.most} values, not {value!r:.40}")
        return [self.kind(item, f"{name}[{number}]") for number, item in enumerate(value)]


@dataclass(frozen=True)
class Named:
    """A table from names to values of one kind."""

    kind: Any
    most: int = 10_000

    def __call__(self, value: Any, name: str) -> dict[str, Any]:
        """The value; ValueError with what it must be."""
        if not isinstance(value, Mapping) or len(value) > self.most:
            raise ValueError(f"{name} must be a table of at most {self.most} entries, not {value!r:.40}")
        return {Text()(key, name): self.kind(item, f"{name}.{key}"[:100]) for key, item in value.items()}


@dataclass(frozen=True)
class Table:
    """A table with known fields; ``optional`` ones may be missing, others are refused unless ``open``."""

    needed: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)
    open: bool = False

    def __call__(self, value: Any, name: str) -> dict[str, Any]:
        """The known fields; ValueError with what they must be."""
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} must be a table, not {value!r:.40}")
        if missing := [key for key in self.needed if key not in value]:
            raise ValueError(f"{name} lacks {', '.join(missing)}")
        kinds = {**self.needed, **self.optional}
        if not self.open and (unknown := [str(key)[:40] for key in value if key not in kinds]):
            raise ValueError(f"{name} has the unknown field {', '.join(unknown[:5])}")
        return {key: kinds[key](item, f"{name}.{key}") for key, item in value.items() if key in kinds}


@dataclass(frozen=True)
class Either:
    """The first kind that fits."""

    kinds: tuple[Any, ...]

    def __call__(self, value: Any, name: str) -> Any:
        """The value; the last kind's ValueError."""
        for kind in self.kinds[:-1]:
            try:
                return kind(value, name)
            except ValueError:
                continue
        return self.kinds[-1](value, name)
