# SPDX-License-Identifier: GPL-3.0-or-later
"""*Install PyTorch*: the private environment made as a task that the runner drives, with progress and cancel."""

from collections.abc import Iterator

from ..settings.machine import torch_environment
from ..state.session import log_folder, session
from ..worker import JobCancelled, interpreter
from ..worker.process import prepare_log
from ..worker.torch_environment import Installation, InstallFailed, Wishes


class InstallTorch:
    """``poll`` until ``done``, then ``finish`` gives the sentence to show."""

    undo_message = None

    def __init__(self, wishes: Wishes, base_python: str | None = None) -> None:
        """``base_python`` None: Blender's own. Raises InstallFailed before anything is started."""
        base = base_python or interpreter.own_python()
        if base is None:
            raise InstallFailed(
                "Blender's own Python cannot be started to make an environment.",
                hint="Choose a Python to make it with.",
            )
        session.backend.stop()  # nothing must hold the environment's files
        self._installation = Installation(torch_environment(), base, wishes, prepare_log(log_folder(), "torch"))
        self._cancelled = False

    @property
    def done(self) -> bool:
        return self._installation.done

    @property
    def fraction(self) -> float:
        return self._installation.fraction

    @property
    def text(self) -> str:
        return self._installation.text

    def poll(self, wait: float = 0.0) -> None:
        self._installation.poll(wait)

    def cancel(self) -> None:
        self._cancelled = True
        self._installation.cancel()

    def obstacle(self) -> str | None:
        """An installation can end at any time."""
        return None

    refusal = obstacle

    def discard(self) -> None:
        """What is there stays, so that installing again goes on from it."""

    def steps(self) -> Iterator[None]:
        """None of them takes long."""
        return iter(())

    def finish(self) -> str:
        if self._cancelled:
            raise JobCancelled("Installing PyTorch was cancelled; install again to go on where it stopped.")
        if self._installation.error is not None:
            raise self._installation.error
        mark = torch_environment().ready() or {}
        graphics = "a graphics card is used" if mark.get("cuda") else "it computes on the CPU"
        return f"PyTorch {mark.get('torch')} is ready; {graphics}."

    def show(self, result: str) -> bool:
        session.notice = result
        return True
