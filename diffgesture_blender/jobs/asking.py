# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that asks the worker one short question about a speech, and does something small with the answer."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from ..worker import Call, JobCancelled
from .worker_task import IDLE_TIMEOUT, WorkerTask


class Asking(WorkerTask):
    """Asks ``method``. ``poll`` until ``done``, then ``finish``, which gives the answer to ``use``."""

    undo_message: str | None = None
    method: str
    doing: str

    @abstractmethod
    def use(self, reply: dict[str, Any]) -> Any:
        """What is done with the worker's answer, in Blender."""

    @abstractmethod
    def show(self, result: Any) -> bool:
        """Put the result where the panel shows it."""

    @property
    def fraction(self) -> float:
        return 0.0 if self._call is None else 0.5

    @property
    def text(self) -> str:
        return self._connection.stage if self._call is None else self.doing.capitalize()

    def _ask(self) -> Call:
        assert self._connection.client is not None
        return self._connection.client.call(
            self.method, self.request.words_params(), doing=self.doing, idle_timeout=IDLE_TIMEOUT
        )

    def cancel(self) -> None:
        """Give up; the worker's answer, a moment later, is not heard."""
        if self._call is None:
            self._connection.cancel()
        self._error = self._error or JobCancelled()

    def obstacle(self) -> str | None:
        """Markers and strips can be added at any time."""
        return None

    refusal = obstacle

    def steps(self) -> Iterator[None]:
        """None of them takes long."""
        return iter(())

    def finish(self) -> Any:
        """Use the answer; raises the error that ended the job."""
        reply = self.answer()
        self.discard()
        return self.use(reply or {})
