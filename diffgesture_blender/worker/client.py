# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to one worker process and their answers, without ever blocking unless asked to.

Everything happens on the caller's thread: ``poll`` takes what the reader thread has queued, hands it to the
calls it belongs to, and checks deadlines. A reply to a call that is already over is dropped.
"""

import itertools
import logging
import queue
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .errors import BackendError, JobCancelled, ProtocolGarbage, WorkerDied, WorkerRefused, WorkerTimeout
from .process import WorkerProcess
from .protocol import CANCELLED, Notification, NotProtocol, RemoteError, Reply, decode, encode_request

_logger = logging.getLogger(__name__)

CANCEL_GRACE: Final = 10.0  # seconds that a worker may take to stop between two denoising steps
SHUTDOWN_GRACE: Final = 1.0
END_OF_OUTPUT_GRACE: Final = 2.0


@dataclass(frozen=True)
class Progress:
    """How far a call is: ``fraction`` in 0..1."""

    stage: str
    fraction: float
    message: str


@dataclass
class Call:
    """One request. ``done`` turns true with either ``result`` or ``error`` set."""

    id: int
    method: str
    doing: str
    timeout: float | None
    idle_timeout: float | None
    started: float
    last_sign: float
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    error: BackendError | None = None
    cancelled_at: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.result is not None or self.error is not None

    @property
    def silent_for(self) -> float:
        """Seconds since the worker last said anything about this call."""
        return time.monotonic() - self.last_sign


class WorkerClient:
    """A worker process and the calls in flight. Raises nothing from ``poll``: errors end the calls."""

    def __init__(self, command: Sequence[str], log_path: Path, folder: Path) -> None:
        """Start the process (raises InterpreterMissing, WorkerStartFailed)."""
        self.command = tuple(command)
        self.messages: deque[str] = deque(maxlen=50)
        self._process = WorkerProcess(command, log_path, folder)
        self._ids = itertools.count(1)
        self._calls: dict[int, Call] = {}
        self._ended = False
        self._seen_dead_at: float | None = None

    @property
    def alive(self) -> bool:
        """True while requests make sense."""
        return not self._ended and self._process.alive

    @property
    def busy(self) -> bool:
        return bool(self._calls)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log_path(self) -> Path:
        return self._process.log_path

    def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        doing: str,
        timeout: float | None = None,
        idle_timeout: float | None = None,
    ) -> Call:
        """Send a request.

        ``timeout`` bounds the whole call, ``idle_timeout`` the silence between two signs of progress; one of
        them must be given, for no wait is without a deadline. ``doing`` completes "while it was ...".
        """
        if timeout is None and idle_timeout is None:
            raise ValueError("a call needs a deadline")
        now = time.monotonic()
        call = Call(next(self._ids), method, doing, timeout, idle_timeout, started=now, last_sign=now)
        self._calls[call.id] = call
        self._process.send(encode_request(call.id, method, params or {}))
        return call

    def cancel(self, call: Call) -> None:
        """Ask the worker to stop a call; the call ends as JobCancelled, by force after ``CANCEL_GRACE``."""
        if call.done or call.cancelled_at is not None:
            return
        call.cancelled_at = time.monotonic()
        self._process.send(encode_request(next(self._ids), "cancel", {"id": call.id}))

    def poll(self, wait: float = 0.0) -> None:
        """Handle everything that has arrived, waiting up to ``wait`` seconds for the first message."""
        while not self._ended:
            try:
                line = self._process.lines.get(timeout=wait) if wait > 0 else self._process.lines.get_nowait()
            except queue.Empty:
                break
            wait = 0.0
            if line is None:  # END_OF_OUTPUT
                self._on_end()
            elif line.strip():
                self._on_line(line)
        self._check_process()
        self._check_deadlines()

    def wait(self, call: Call, slice_seconds: float = 0.1) -> Call:
        """Block until the call is over (background mode, tests); its own deadlines bound the wait."""
        while not call.done:
            self.poll(slice_seconds)
        return call

    def stop(self, grace: float = SHUTDOWN_GRACE) -> None:
        """End the process: shutdown request, closed input, then force. Calls in flight end as cancelled."""
        if self._process.alive:
            if not self._ended:
                self._process.send(encode_request(next(self._ids), "shutdown", {}))
            self._process.stop(grace)
        else:
            self._process.kill()
        self._ended = True
        self._end_calls(JobCancelled("The backend was stopped."))

    def kill(self) -> None:
        """End the process by force. Calls in flight end as cancelled."""
        self._process.kill()
        self._ended = True
        self._end_calls(JobCancelled("The backend was stopped."))

    def log_tail(self, lines: int = 30) -> str:
        return self._process.log_tail(lines)

    # -- what arrives ----------------------------------------------------------------------------------------

    def _on_line(self, line: bytes) -> None:
        try:
            message = decode(line)
        except NotProtocol as error:
            shown = line[:200].decode("utf-8", errors="replace").strip()
            self._give_up(
                ProtocolGarbage(
                    f"The backend answered something that is not its protocol: {shown!r}",
                    hint="Check that the chosen Python prints nothing of its own when it starts.",
                    details=str(error),
                )
            )
            return
        if isinstance(message, Notification):
            self._on_notification(message)
        else:
            self._on_reply(message)

    def _on_notification(self, message: Notification) -> None:
        if message.method == "progress":
            identity = message.params.get("id")
            call = self._calls.get(identity) if isinstance(identity, int) else None
            if call is not None:
                call.last_sign = time.monotonic()
                call.progress = _progress(message.params)
        elif message.method == "log":
            text = f"{message.params.get('level', 'info')}: {message.params.get('message', '')}"
            self.messages.append(text)
            _logger.debug("worker %s", text)

    def _on_reply(self, reply: Reply) -> None:
        call = self._calls.pop(reply.id, None) if reply.id is not None else None
        if call is None:
            if reply.error is not None and reply.id is None:
                self._give_up(
                    ProtocolGarbage(
                        f"The backend did not understand a request: {reply.error.message}",
                        hint="Add-on and backend may be of different versions; reinstall the add-on.",
                    )
                )
            return  # an answer to a call that is over: an old job's, or the acknowledgement of a cancel
        if call.cancelled_at is not None:
            call.error = JobCancelled()
        elif reply.error is not None:
            call.error = _refusal(reply.error)
        else:
            call.result = reply.result

    def _on_end(self) -> None:
        self._ended = True
        exit_code = self._process.exit_code()
        tail = self._process.log_tail()
        for call in list(self._calls.values()):
            self._finish(call, WorkerDied(exit_code, tail, str(self._process.log_path), call.doing))

    def _check_process(self) -> None:
        """A dead worker whose pipe is held open by a process it started gives no end of output: do not wait."""
        self._process.limit_log()
        if self._ended or self._process.alive:
            return
        now = time.monotonic()
        if self._seen_dead_at is None:
            self._seen_dead_at = now
        elif now - self._seen_dead_at > END_OF_OUTPUT_GRACE:
            self._on_end()

    def _check_deadlines(self) -> None:
        now = time.monotonic()
        for call in list(self._calls.values()):
            if call.cancelled_at is not None:
                if now - call.cancelled_at > CANCEL_GRACE:
                    self._finish(call, JobCancelled())
                    self.kill()
            elif call.timeout is not None and now - call.started > call.timeout:
                self._time_out(call, f"{call.timeout:.0f} s")
            elif call.idle_timeout is not None and now - call.last_sign > call.idle_timeout:
                self._time_out(call, f"{call.idle_timeout:.0f} s without progress")

    def _time_out(self, call: Call, limit: str) -> None:
        self._give_up(
            WorkerTimeout(
                f"The backend did not answer ({limit}) while it was {call.doing}; it was stopped.",
                hint=f"Try again. If it happens again, read the log: {self._process.log_path}",
                details=self._process.log_tail(),
            )
        )

    def _give_up(self, error: BackendError) -> None:
        """End every call with ``error`` and the process by force: its state is not to be trusted."""
        self._end_calls(error)
        self._process.kill()
        self._ended = True

    def _end_calls(self, error: BackendError) -> None:
        for call in list(self._calls.values()):
            self._finish(call, error)

    def _finish(self, call: Call, error: BackendError) -> None:
        self._calls.pop(call.id, None)
        call.error = JobCancelled() if call.cancelled_at is not None else error


def _progress(params: dict[str, Any]) -> Progress:
    fraction = params.get("fraction")
    fraction = float(fraction) if isinstance(fraction, int | float) else 0.0
    return Progress(str(params.get("stage", "")), min(1.0, max(0.0, fraction)), str(params.get("message", "")))


def _refusal(error: RemoteError) -> BackendError:
    if error.code == CANCELLED:
        return JobCancelled()
    message = error.message or "The backend refused the request without a reason."
    return WorkerRefused(message, kind=error.kind or "internal", hint=error.hint, details=f"code {error.code}")
