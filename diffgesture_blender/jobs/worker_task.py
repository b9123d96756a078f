# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tasks that ask the worker about one request have in common: connecting, asking, waiting, giving up."""

from abc import ABC, abstractmethod
from typing import Any, Final

from ..errors import DiffGestureError
from ..state.session import remove_folder, session
from ..worker import Call
from .request import JobRequest

IDLE_TIMEOUT: Final = 300.0  # seconds without a sign of progress before the worker counts as hung


class WorkerTask(ABC):
    """``poll`` until ``done``; ``answer`` is what the worker said."""

    def __init__(self, request: JobRequest) -> None:
        self.request: Final = request
        self._connection = session.backend.connect(request.machine.setup)
        self._call: Call | None = None
        self._error: BaseException | None = None

    @abstractmethod
    def _ask(self) -> Call:
        """The call to the worker, which is connected by now; DiffGestureError if there is none to make."""

    @property
    def done(self) -> bool:
        """The worker's part is over."""
        return self._error is not None or (self._call is not None and self._call.done)

    def poll(self, wait: float = 0.0) -> None:
        """Go on, waiting at most about ``wait`` seconds for news."""
        if self.done:
            return
        try:
            if self._call is None:
                self._connection.poll(wait)
                if self._connection.error is not None:
                    raise self._connection.error
                if self._connection.done:
                    self._call = self._ask()
            else:
                assert self._connection.client is not None
                self._connection.client.poll(wait)
        except DiffGestureError as error:
            self._error = error

    def answer(self) -> dict[str, Any] | None:
        """The worker's answer; raises the error that ended the task."""
        if self._error is not None:
            raise self._error
        assert self._call is not None
        if self._call.error is not None:
            raise self._call.error
        return self._call.result

    def discard(self) -> None:
        """Remove the task's files."""
        remove_folder(self.request.folder)
