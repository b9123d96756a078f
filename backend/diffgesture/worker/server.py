# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's side of the protocol: calls, notifications, errors (see docs/PROTOCOL.md).

One thread reads, one works. A ``cancel`` is therefore seen at once and lands between two denoising steps.
"""

import json
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TextIO

from .. import __version__
from ..errors import Cancelled, GestureError

PROTOCOL_VERSION: Final = 1
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
APPLICATION_ERROR, REQUEST_CANCELLED = -32000, -32800
_PROGRESS_SECONDS: Final = 0.05
MAX_LINE: Final = 1 << 22
_LOAD_HINT: Final = (
    "Repair or reinstall it in that Python, choose another Python in the add-on's preferences, or choose the"
    " engine NumPy, which needs nothing else."
)


class RpcError(Exception):
    """An error reply."""

    def __init__(self, code: int, message: str, data: dict[str, Any] | None = None):
        super().__init__(message)
        self.code, self.data = code, data


class Server:
    """Serves one client until it says ``shutdown`` or closes its end."""

    def __init__(self, output: TextIO):
        self._output = output
        self._write_lock = threading.Lock()
        self._jobs: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._pending: set[Any] = set()
        self._cancelled: set[Any] = set()
        self._state_lock = threading.Lock()
        self._methods: dict[str, Callable[[Any, dict[str, Any]], dict[str, Any]]] = {}

    # -- the reading side --------------------------------------------------------------------------------------

    def serve(self, lines: TextIO) -> int:
        worker = threading.Thread(target=self._work, name="worker", daemon=True)
        worker.start()
        while line := lines.readline(MAX_LINE):
            if len(line) == MAX_LINE and not line.endswith("\n"):
                while (rest := lines.readline(MAX_LINE)) and not rest.endswith("\n"):
                    continue
                self._reply_error(None, RpcError(PARSE_ERROR, f"A line is longer than {MAX_LINE} characters."))
            elif line.strip() and not self._receive(line):
                break
        # The client is gone or said goodbye: whatever still runs has no reader.
        with self._state_lock:
            self._cancelled |= self._pending
        self._jobs.put(None)
        worker.join(timeout=2)
        return 0

    def _receive(self, line: str) -> bool:
        """Take one message; False ends the service."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._reply_error(None, RpcError(PARSE_ERROR, f"Not JSON: {error}"))
            return True
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            self._reply_error(None, RpcError(INVALID_REQUEST, "Not a JSON-RPC request."))
            return True
        params = message.get("params")
        params = {} if params is None else params
        identity = message.get("id")
        if not isinstance(params, dict) or not _can_be_id(identity):
            self._reply_error(
                None, RpcError(INVALID_REQUEST, "params must be an object and id a text, a whole number or null.")
            )
        elif identity is not None and identity in self._pending:
            self._reply_error(None, RpcError(INVALID_REQUEST, "A request with this id is not yet answered."))
        elif message["method"] == "shutdown":
            self._reply(identity, {})
            return False
        elif message["method"] == "cancel":
            self._reply(identity, {"cancelled": self._cancel(params.get("id"))})
        else:
            with self._state_lock:
                self._pending.add(identity)
            self._jobs.put({"id": identity, "method": message["method"], "params": params})
        return True

    def _cancel(self, identity: Any) -> bool:
        with self._state_lock:
            if not _can_be_id(identity) or identity not in self._pending:
                return False
            self._cancelled.add(identity)
            return True

    # -- the working side --------------------------------------------------------------------------------------

    def _work(self) -> None:
        # Imported here: hello and generate need torch, which takes seconds, but a cancel must be read meanwhile.
        unusable: RpcError | None = None
        try:
            from .methods import make_methods

            self._methods = make_methods(self)
        except BaseException as error:  # a package that is there but cannot be loaded: every request is told so
            unusable = cannot_be_loaded(error)
        while (job := self._jobs.get()) is not None:
            identity = job["id"]
            try:
                self.check_cancelled(identity)
                if unusable is not None:
                    raise unusable
                method = self._methods.get(job["method"])
                if method is None:
                    raise RpcError(METHOD_NOT_FOUND, f"There is no method '{job['method']}'.")
                result = method(identity, job["params"])
                self._reply(identity, result)
            except BaseException as error:  # every failure is an answer; the worker goes on
                self._reply_error(identity, _as_rpc_error(error))
            with self._state_lock:
                self._pending.discard(identity)
                self._cancelled.discard(identity)

    def check_cancelled(self, identity: Any) -> None:
        """Raise Cancelled when the client does not want this request any more."""
        with self._state_lock:
            if identity in self._cancelled:
                raise Cancelled

    def progress_of(self, identity: Any) -> Callable[[str, float, str], None]:
        """A progress callback that cancels, and tells the client at most twenty times a second."""
        last_sent, last_stage = 0.0, ""

        def progress(stage: str, fraction: float, message: str) -> None:
            nonlocal last_sent, last_stage
            self.check_cancelled(identity)
            now = time.monotonic()
            if stage != last_stage or now - last_sent >= _PROGRESS_SECONDS:
                last_sent, last_stage = now, stage
                params = {"id": identity, "stage": stage, "fraction": round(fraction, 4), "message": message}
                self._send({"jsonrpc": "2.0", "method": "progress", "params": params})

        return progress

    def log(self, level: str, message: str) -> None:
        self._send({"jsonrpc": "2.0", "method": "log", "params": {"level": level, "message": message}})

    # -- sending -----------------------------------------------------------------------------------------------

    def _send(self, message: dict[str, Any]) -> None:
        try:
            with self._write_lock:
                line = json.dumps(message, ensure_ascii=True)
                self._output.write(line + "\n")
                self._output.flush()
        except OSError:
            # Nobody listens any more; the reading side sees the closed stdin and ends the service.
            return

    def _reply(self, identity: Any, result: dict[str, Any]) -> None:
        self._send({"jsonrpc": "2.0", "id": identity, "result": result})

    def _reply_error(self, identity: Any, error: RpcError) -> None:
        content: dict[str, Any] = {"code": error.code, "message": str(error)}
        if error.data is not None:
            content["data"] = error.data
        self._send({"jsonrpc": "2.0", "id": identity, "error": content})


def _can_be_id(value: Any) -> bool:
    """JSON-RPC 2.0, 4: a text, a number (whole, or it cannot be told again) or null."""
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))


def cannot_be_loaded(error: BaseException) -> RpcError:
    """A package that is installed and fails while it is imported: what failed and what to do."""
    traceback.print_exc(file=sys.stderr)
    package = getattr(error, "name", None) or _package_of(error) or "a package"
    text = f"{package} is installed in this Python but cannot be loaded: {type(error).__name__}: {error}."
    return RpcError(APPLICATION_ERROR, " ".join(text.split()), {"type": "python", "hint": _LOAD_HINT})


def _package_of(error: BaseException) -> str:
    """The package whose import the error came from: the outermost that is no part of this program."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if name and name not in ("diffgesture", "importlib", "_frozen_importlib", "__main__"):
            return name
    return ""


def _as_rpc_error(error: BaseException) -> RpcError:
    if isinstance(error, RpcError):
        return error
    if isinstance(error, Cancelled):
        return RpcError(REQUEST_CANCELLED, "Cancelled.")
    if isinstance(error, GestureError):
        return RpcError(APPLICATION_ERROR, str(error), {"type": error.kind, "hint": error.hint})
    traceback.print_exc(file=sys.stderr)
    text = f"Internal backend error: {type(error).__name__}: {error}. The log has the details."
    return RpcError(APPLICATION_ERROR, text, {"type": "internal", "hint": None})


def path_or_none(value: Any, name: str) -> Path | None:
    """A path parameter."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RpcError(INVALID_PARAMS, f"{name} must be a path.")
    return Path(value)


def serve(lines: TextIO, output: TextIO) -> int:
    """Serve until the client is gone; the exit code."""
    server = Server(output)
    server.log("info", f"diffgesture {__version__} worker, protocol {PROTOCOL_VERSION}")
    return server.serve(lines)
