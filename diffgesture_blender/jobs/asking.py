# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that asks the worker one short question about a speech, and does something small with the answer."""

from collections.abc import Iterator
from typing import Any, Final

from ..errors import DiffGestureError
from ..state.session import remove_folder, session
from ..worker import Call, JobCancelled
from .generate import IDLE_TIMEOUT
from .request import JobRequest


class Asking:
    """Asks ``method``. ``poll`` until ``done``, then ``finish``, which gives the answer to ``use``."""

    undo_message: str | None = None
    method: str
    doing: str

    def __init__(self, request: JobRequest) -> None:
        self.request: Final = request
        self._connection = session.backend.connect(request.machine.setup)
        self._call: Call | None = None
        self._error: BaseException | None = None

    def use(self, reply: dict[str, Any]) -> Any:
        """What is done with the worker's answer, in Blender."""
        raise NotImplementedError

    def show(self, result: Any) -> bool:
        """Put the result where the panel shows it."""
        raise NotImplementedError

    @property
    def done(self) -> bool:
        return self._error is not None or (self._call is not None and self._call.done)

    @property
    def fraction(self) -> float:
        return 0.0 if self._call is None else 0.5

    @property
    def text(self) -> str:
        return self._connection.stage if self._call is None else self.doing.capitalize()

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
                    assert self._connection.client is not None
                    self._call = self._connection.client.call(
                        self.method, self.request.words_params(), doing=self.doing, idle_timeout=IDLE_TIMEOUT
                    )
            else:
                assert self._connection.client is not None
                self._connection.client.poll(wait)
        except DiffGestureError as error:
            self._error = error

    def cancel(self) -> None:
        """Give up; the worker's answer, a moment later, is not heard."""
        if self._call is None:
            self._connection.cancel()
        self._error = self._error or JobCancelled()

    def obstacle(self) -> str | None:
        """Markers and strips can be added at any time."""
        return None

    refusal = obstacle

    def discard(self) -> None:
        """Remove the job's files."""
        remove_folder(self.request.folder)

    def steps(self) -> Iterator[None]:
        """None of them takes long."""
        return iter(())

    def finish(self) -> Any:
        """Use the answer; raises the error that ended the job."""
        if self._error is not None:
            raise self._error
        assert self._call is not None
        if self._call.error is not None:
            raise self._call.error
        self.discard()
        return self.use(self._call.result or {})
