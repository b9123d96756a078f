# SPDX-License-Identifier: GPL-3.0-or-later
"""The one way in which files are written: whole or not at all, and never over what is read.

Results are made in a hidden folder beside their target, forced to the disk and only then moved to their names. A
full disk, a kill or a crash leaves what was there before; of several results either all arrive or none. The add-on
and the backend have this file in common, each with its own type of error.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import OutputError

_STAGE: Final = ".diffgesture-"
# These name textures and libraries by the way from their own folder, so they are made in it.
_BESIDE: Final = (".blend", ".fbx")
# What Windows takes for a device, whatever ending follows.
_DEVICES: Final = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}


def check_outputs(
    targets: Iterable[Path], inputs: Iterable[Path | None] = (), *, new_folders: bool = False
) -> None:
    """OutputError, before any work is done, where a target cannot be written.

    That is: a folder, a device, a file that is read-only, in a folder that is missing or read-only, with a name
    that is too long, named twice, or one of ``inputs``. ``new_folders``: missing ones will be made.
    """
    seen: set[str] = set()
    read = [path for path in inputs if path is not None]
    folders: set[Path] = set()
    for target in map(Path, targets):
        path = _real(target)
        if new_folders and not path.parent.exists():
            folders.add(next(folder for folder in path.parents if folder.exists()))
            continue
        if any(_same(path, other) for other in read):
            raise OutputError(f"{target} is read by this command and would be overwritten; write to another file.")
        # Two names that differ in case alone are one file on Windows and macOS.
        if str(path).casefold() in seen:
            raise OutputError(f"{target} is named for two results; give each a file of its own.")
        seen.add(str(path).casefold())
        _check_target(target, path)
        folders.add(path.parent)
    for folder in folders:
        try:
            os.rmdir(tempfile.mkdtemp(prefix=_STAGE, dir=folder))
        except OSError as error:
            raise OutputError(f"The folder {folder} cannot be written to: {reason(error)}.") from error


def check_folder(folder: Path) -> None:
    """OutputError, before any work is done, where nothing can be written into a folder, which may be new."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; give the name of a folder.")
    check_outputs([folder / "result"], new_folders=True)


def _check_target(target: Path, path: Path) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise OutputError(f"The folder {target.parent} does not exist.") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{shortened(target)} cannot be written: {reason(error)}.") from error
    else:
        if stat.S_ISDIR(mode):
            raise OutputError(f"{target} is a folder; give the name of a file.")
        if not stat.S_ISREG(mode):
            raise OutputError(f"{target} is not a file but a device or pipe; give the name of a file.")
        if not mode & 0o222:
            raise OutputError(f"{target} is read-only; write to another file or allow writing.")


@contextmanager
def written(*targets: str | Path) -> Iterator[list[Path]]:
    """Places to write to; when the block has ended well, what is there becomes ``targets``, all or none.

    What else the block leaves beside them (a texture, the numbers of a .gltf) comes along. Raises OutputError for
    every failure to write, in the block too: then the targets are as they were.
    """
    stages: dict[Path, Path] = {}
    try:
        paths = [_real(Path(target)) for target in targets]
        for target, path in zip(targets, paths, strict=True):
            _check_target(Path(target), path)
            if path.parent not in stages:
                stages[path.parent] = Path(tempfile.mkdtemp(prefix=_STAGE, dir=path.parent))
        wanted = {path: _place(stages[path.parent], path, number) for number, path in enumerate(paths)}
        yield [wanted[path] for path in paths]
        for folder, stage in stages.items():
            for part in sorted(stage.iterdir()):
                wanted.setdefault(folder / part.name, part)
        for path, part in wanted.items():
            _complete(part, path)
        _move(wanted)
        for folder in stages:
            _sync_folder(folder)
    except (OSError, UnicodeError) as error:
        names = ", ".join(shortened(Path(target)) for target in targets)
        raise OutputError(f"{names} cannot be written: {reason(error)}. What was there before is kept.") from error
    finally:
        for stage in stages.values():
            for part in stage.parent.glob(f"{stage.name}*"):
                if part == stage:
                    shutil.rmtree(stage, ignore_errors=True)
                else:
                    with contextlib.suppress(OSError):
                        part.unlink()


def _place(stage: Path, path: Path, number: int) -> Path:
    if path.suffix.lower() in _BESIDE:
        return stage.with_name(f"{stage.name}-{number}{path.suffix}")
    return stage / path.name


def write_file(target: str | Path, content: bytes | str) -> None:
    """Write a file whole, text as UTF-8 with line feeds; OutputError where it cannot be."""
    with written(target) as (part,):
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy a file's contents whole; OutputError where they cannot be."""
    with written(target) as (part,):
        shutil.copyfile(source, part)


def copy_link(source: Path, target: Path) -> None:
    """A second name for the same contents, in one step; a copy where the file system has no such names."""
    name = Path(tempfile.mkdtemp(prefix=_STAGE, dir=target.parent)) / target.name
    try:
        try:
            os.link(source, name)
        except OSError:
            shutil.copy2(source, name)
        os.replace(name, target)
    finally:
        shutil.rmtree(name.parent, ignore_errors=True)


def file_name(text: str) -> str:
    """A name that a file says something is called, as the name of a file: never a path, never a device's."""
    plain = "".join(c if c.isalnum() or c in " ._-" else "_" for c in text).strip(" .")[:100] or "_"
    return f"_{plain}" if plain.split(".")[0].upper() in _DEVICES else plain


def reason(error: BaseException) -> str:
    """What the system says went wrong, without the paths that it repeats."""
    said = str(getattr(error, "strerror", None) or error)
    number = getattr(error, "errno", None)
    if found := re.search(r"os error (\d+)", said):  # as libraries in Rust hand it on
        number = int(found[1])
        said = os.strerror(number)
    return "the disk is full" if number in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)) else said


def shortened(path: Path) -> str:
    """A path for a sentence: a name of hundreds of characters is cut."""
    text = str(path)
    return text if len(text) <= 200 else f"{text[:80]}…{text[-40:]}"


def _real(path: Path) -> Path:
    """Where the path leads: what a link points to is written, the link stays."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise OutputError(f"{shortened(path)} cannot be written: {reason(error)}.") from error


def _same(path: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.path.samefile(path, other)
    return str(path) == os.path.realpath(other)


def _complete(part: Path, path: Path) -> None:
    """Force a file to the disk, with the rights of the one whose place it takes."""
    if part.is_dir():
        return
    with contextlib.suppress(OSError):
        os.chmod(part, stat.S_IMODE(os.stat(path).st_mode))
    with open(part, "r+b") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:  # some file systems have no such call
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
                raise


def _move(wanted: dict[Path, Path]) -> None:
    """Every part to its path; where one cannot be moved, those before it are moved back."""
    done: list[tuple[Path, Path | None]] = []
    try:
        for path, part in wanted.items():
            old = None
            if len(wanted) > 1 and path.exists():
                old = part.with_name(f"{len(done)}.old")
                try:
                    os.link(path, old)
                except OSError:
                    shutil.copy2(path, old)
            os.replace(part, path)
            done.append((path, old))
    except OSError:
        for path, old in reversed(done):
            if old is None:
                path.unlink(missing_ok=True)
            else:
                os.replace(old, path)
        raise


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there, and the move is in the file system's journal
        return
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
