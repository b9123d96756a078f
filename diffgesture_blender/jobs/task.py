# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner drives: anything that asks the worker, waits, and then does something in Blender."""

from collections.abc import Iterator
from typing import Any, Protocol


class Task(Protocol):
    """``poll`` until ``done``, then all ``steps``, then ``finish``; ``discard`` if nothing comes of it."""

    undo_message: str | None
    """The undo step that a finished task is worth; None for none."""

    @property
    def done(self) -> bool:
        """The worker's part is over; what remains is ``finish``."""
        ...

    @property
    def fraction(self) -> float:
        """How far it is, 0 to 1."""
        ...

    @property
    def text(self) -> str:
        """What it is doing, for the panel."""
        ...

    def poll(self, wait: float = 0.0) -> None:
        """Go on, waiting at most about ``wait`` seconds for news."""
        ...

    def cancel(self) -> None:
        """Ask for an end; ``done`` follows."""
        ...

    def obstacle(self) -> str | None:
        """Why ``finish`` has to wait just now; None if it need not."""
        ...

    def refusal(self) -> str | None:
        """Why ``finish`` is impossible where nobody can be waited for; None if it is possible."""
        ...

    def steps(self) -> Iterator[None]:
        """What takes long in Blender, in short steps; raises the error that ended the task."""
        ...

    def finish(self) -> Any:
        """Do what little remains in Blender and return the result; raises the error that ended the task."""
        ...

    def discard(self) -> None:
        """Remove what the task has left on disk; its result will not be used."""
        ...

    def show(self, result: Any) -> bool:
        """Put the result where the panel shows it; True if it is a good one."""
        ...
