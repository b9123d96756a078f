# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a training run: one run at a time, none written over by accident, no curves of two runs in one."""

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from ..errors import CheckpointError, ConfigError, OutputError
from ..writing import check_folder, reason
from .config import Config
from .state import PREVIOUS, STATE

_LOCK: Final = "run.lock"
_FILES: Final = (
    STATE,
    PREVIOUS,
    "metrics.jsonl",
    "model.safetensors",
    "model.json",
    "best.safetensors",
    "best.json",
)
# What may differ between the parts of one run.
_FREE: Final = (
    *(
        "steps",
        "save_minutes",
        "log_steps",
        "panel_steps",
        "panel_clips",
        "best_by",
        "keep_steps",
        "wandb",
        "in_memory",
    ),
    *("name", "licence", "amp"),
)


class RunFolder:
    """Holds the run's folder until :meth:`release`, or until the process ends, however it ends."""

    def __init__(self, folder: Path, *, resume: bool, overwrite: bool):
        """OutputError where another process trains, or a run is there that is neither resumed nor given up."""
        self.folder = folder
        check_run_folder(folder, resume=resume, overwrite=overwrite)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock: IO[bytes] = (folder / _LOCK).open("ab")
        except OSError as error:
            raise OutputError(f"The folder {folder} cannot be written to: {reason(error)}.") from error
        try:
            self._claim(resume, overwrite)
        except BaseException:
            self._lock.close()
            raise

    def release(self) -> None:
        """Let go of the folder."""
        self._lock.close()

    def _claim(self, resume: bool, overwrite: bool) -> None:
        if not _locked(self._lock):
            raise OutputError(f"Another training runs in {self.folder}; wait for it or choose another folder.")
        for left in self.folder.glob(".diffgesture-*"):  # by a run that was killed while it wrote
            shutil.rmtree(left, ignore_errors=True)
        check_run_folder(self.folder, resume=resume, overwrite=overwrite)
        there = [name for name in _FILES if (self.folder / name).exists()]
        if resume or not there:
            return
        try:
            for name in there:
                (self.folder / name).unlink()
            for name in ("tensorboard", "checkpoints"):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        except OSError as error:
            raise OutputError(f"The old run in {self.folder} cannot be removed: {reason(error)}.") from error


def check_run_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """OutputError where a run is there that is neither resumed nor given up, or nothing can be written.

    CheckpointError where there is nothing to resume. For the beginning, before data are read: nothing is locked.
    """
    if resume and not folder.is_dir():
        raise CheckpointError(f"There is nothing to resume: there is no folder {folder}.")
    check_folder(folder)
    there = [name for name in _FILES if (folder / name).exists()]
    if there and not resume and not overwrite:
        raise OutputError(
            f"{folder} holds a run already ({', '.join(there)}): add --resume to go on with it,"
            " --overwrite to give it up, or choose another folder."
        )


def settings_of_run(config: Config) -> dict[str, Any]:
    """What a state remembers of the configuration, so that no other run goes on from it."""
    return {name: value for name, value in asdict(config).items() if name not in _FREE}


def check_same_run(folder: Path, config: Config, begun: Any) -> None:
    """ConfigError where the run in ``folder`` was begun with other settings than ``config``."""
    if not isinstance(begun, dict):  # a state of before this was remembered
        return
    now = settings_of_run(config)
    if other := sorted(name for name in {*now, *begun} if now.get(name) != begun.get(name)):
        raise ConfigError(
            f"The run in {folder} was begun with another {', '.join(other)}: resume with the configuration that it"
            " was begun with, or choose another folder."
        )


def _locked(file: IO[bytes]) -> bool:
    """Whether the lock is ours now; the system gives it back when the process ends."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        # Windows says "permission denied"; some network file systems have no locks at all: then run without.
        return os.name != "nt" or error.errno != 13
    return True
