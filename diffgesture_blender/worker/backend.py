# SPDX-License-Identifier: GPL-3.0-or-later
"""One worker kept ready: found, started, greeted, used again, replaced when it died."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from . import interpreter
from .client import Call, WorkerClient
from .errors import BackendError, JobCancelled, VersionMismatch, WorkerDied, WorkerScriptMissing, WorkerTimeout
from .process import prepare_log
from .protocol import PROTOCOL_VERSION

HELLO_TIMEOUT: Final = 300.0  # a first import of torch from a slow disk takes minutes
OWN_HELLO_TIMEOUT: Final = 60.0  # NumPy and the network's weights
SEARCH_TIMEOUT: Final = 180.0


@dataclass(frozen=True)
class Setup:
    """What decides which worker serves.

    ``python``: that of an environment with PyTorch (None: not chosen); ``checkpoint`` None: the bundled one;
    ``engine`` auto, numpy or torch; ``needs_torch``: what is asked for cannot be done by NumPy alone.
    """

    python: str | None = None
    checkpoint: str | None = None
    engine: str = "auto"
    needs_torch: bool = False


class Connection:
    """The way to a greeted worker, step by step: find a Python, start it, say hello.

    Blender's own Python serves at once unless PyTorch is wanted: chosen, found ready, or needed. Call ``poll``
    until ``done``; then ``client`` and ``hello`` are there, or ``error`` is.
    """

    def __init__(self, backend: "Backend", setup: Setup) -> None:
        self.setup = setup
        self.stage = "Starting"
        self.client: WorkerClient | None = None
        self.hello: dict[str, Any] = {}
        self.python: interpreter.Interpreter | None = None
        self.error: BackendError | None = None
        self._backend = backend
        self._started = time.monotonic()
        self._stop_search = threading.Event()
        self._search_error: BackendError | None = None
        self._search: threading.Thread | None = None
        self._call: Call | None = None
        self._modules = interpreter.REQUIRED_MODULES
        if backend.serves_itself(setup):
            self._modules = interpreter.NUMPY_MODULES
        self._own = backend.own_python if self._modules == interpreter.NUMPY_MODULES else None
        if self._own is not None:
            self.python = interpreter.own_interpreter(self._own)
        else:
            self._find_python()

    @property
    def done(self) -> bool:
        return self.error is not None or bool(self.hello)

    @property
    def engine(self) -> str:
        """Which engine the worker is asked to compute with."""
        return "numpy" if self._modules == interpreter.NUMPY_MODULES else "torch"

    def poll(self, wait: float = 0.0) -> None:
        """Go as far as possible, waiting at most about ``wait`` seconds."""
        if self.done:
            return
        try:
            if self._search is not None and not self._search_is_over(wait):
                return
            if self._call is None:
                self._greet()
                wait = 0.0
            if self._call is not None:
                self._poll_hello(wait)
        except BackendError as error:
            self.error = error

    def wait(self) -> "Connection":
        """Block until done (background mode, tests)."""
        while not self.done:
            self.poll(0.1)
        return self

    def cancel(self) -> None:
        """Give up; a worker that is still importing is ended, since it cannot be asked to stop."""
        if self.done:
            return
        self._stop_search.set()
        if self._call is not None and self.client is not None and not self._call.done:
            self.client.kill()
        self.error = JobCancelled()

    def _find_python(self) -> None:
        self.stage = "Looking for the backend's Python"
        known = self._backend.known_python(self._search_key)
        if known is not None:
            self.python = known
            return
        self._search = threading.Thread(target=self._run_search, name="diffgesture-search", daemon=True)
        self._search.start()

    @property
    def _search_key(self) -> str | None:
        """What a search was for, so that its result is found again."""
        return self.setup.python if self.engine == "torch" else "numpy"

    def _run_search(self) -> None:
        chosen = self.setup.python if self.engine == "torch" else None
        try:
            self.python = interpreter.find(chosen, modules=self._modules, cancelled=self._stop_search.is_set)
        except BackendError as error:
            self._search_error = error
        except Exception as error:  # a bug here must end the job, not leave it waiting
            self._search_error = BackendError(f"The search for a Python failed: {error!r}")

    def _search_is_over(self, wait: float) -> bool:
        assert self._search is not None
        if wait > 0:
            self._search.join(wait)
        if self._search.is_alive():
            if time.monotonic() - self._started > SEARCH_TIMEOUT:
                self._stop_search.set()
                raise WorkerTimeout(
                    "No Python on this machine answered in time.",
                    hint="Choose the backend's Python in the add-on's preferences.",
                )
            return False
        if self._search_error is not None:
            raise self._search_error
        self._search = None
        return True

    def _greet(self) -> None:
        assert self.python is not None
        try:
            self.client = self._backend.client_for(self.python)
        except BackendError:
            if self._own is None:
                raise
            self._do_without_own()
            return
        if self._own is None:
            self._backend.remember_python(self._search_key, self.python)
        self.stage = "Starting the backend"
        self._call = self.client.call(
            "hello",
            {"checkpoint": self.setup.checkpoint, "engine": self.engine},
            doing="starting",
            timeout=HELLO_TIMEOUT if self.engine == "torch" else OWN_HELLO_TIMEOUT,
        )

    def _do_without_own(self) -> None:
        """Blender's own Python does not run as a program: any other with NumPy will do."""
        self._own = self.client = self._call = self.python = None
        self._find_python()

    def _poll_hello(self, wait: float) -> None:
        assert self.client is not None
        assert self._call is not None
        self.client.poll(wait)
        if self._call.error is not None:
            if self._own is not None and isinstance(self._call.error, WorkerDied):
                self._do_without_own()
                return
            self._backend.forget_python(self._search_key)
            raise self._call.error
        if self._call.result is not None:
            protocol = self._call.result.get("protocol")
            if protocol != PROTOCOL_VERSION:
                self.client.kill()
                raise VersionMismatch(
                    f"The backend speaks protocol {protocol}, this add-on speaks {PROTOCOL_VERSION}.",
                    hint="Reinstall the add-on, so that both come from the same release.",
                )
            self.hello = self._call.result


class Backend:
    """Holds at most one worker process, whichever Python was last asked for."""

    def __init__(
        self,
        script: Path,
        log_folder: Callable[[], Path],
        launch: Callable[[str, Path], list[str]] | None = None,
        own_python: str | None = None,
    ) -> None:
        """``script`` is the worker; ``log_folder`` tells where logs go; ``launch`` builds the command line.

        ``own_python``: the program of the Python that runs this, if there is one.
        """
        self.own_python = own_python
        self._connecting: Connection | None = None
        self._script = script
        self._log_folder = log_folder
        self._launch = launch or worker_command
        self._client: WorkerClient | None = None
        self._client_python: str | None = None
        self._known: dict[str | None, tuple[interpreter.Interpreter, float]] = {}
        self.log_path: Path | None = None

    def connect(self, setup: Setup) -> Connection:
        """Begin to get a greeted worker; what is under way already for the same setup goes on."""
        current = self._connecting
        if current is None or current.done or current.setup != setup:
            current = self._connecting = Connection(self, setup)
        return current

    def serves_itself(self, setup: Setup) -> bool:
        """Whether NumPy alone does what is asked, so that no Python with PyTorch is looked for."""
        if setup.engine != "auto":
            return setup.engine == "numpy"
        return not (setup.python or interpreter.python_of_environment() or setup.needs_torch)

    @property
    def running(self) -> bool:
        return self._client is not None and self._client.alive

    @property
    def busy(self) -> bool:
        return self._client is not None and self._client.busy

    def client_for(self, python: interpreter.Interpreter) -> WorkerClient:
        """The running worker if it is this Python's and free, else a new one."""
        current = self._client
        if current is not None:
            current.poll()  # what an abandoned job left behind
            if current.alive and not current.busy and self._client_python == python.path:
                return current
        self.stop()
        if not self._script.is_file():
            raise WorkerScriptMissing(
                f"The backend is missing: there is no {self._script}.",
                hint="Reinstall the add-on from its release zip.",
            )
        self.log_path = prepare_log(self._log_folder(), "worker")
        command = self._launch(python.path, self._script)
        self._client = WorkerClient(command, self.log_path, self.log_path.parent)
        self._client_python = python.path
        return self._client

    def known_python(self, chosen: str | None) -> interpreter.Interpreter | None:
        """What an earlier search found, unless the file has changed since."""
        found, changed = self._known.get(chosen, (None, 0.0))
        return found if found is not None and _modified(found.path) == changed else None

    def remember_python(self, chosen: str | None, found: interpreter.Interpreter) -> None:
        self._known[chosen] = (found, _modified(found.path))

    def forget_python(self, chosen: str | None) -> None:
        """Look again next time: what was found did not work."""
        self._known.pop(chosen, None)

    def stop(self) -> None:
        """End the worker, if there is one."""
        if self._client is not None:
            self._client.stop()
            self._client = None


def worker_command(python: str, script: Path) -> list[str]:
    """How a worker is started."""
    return [python, "-I", "-B", "-X", "utf8", "-u", str(script)]


def _modified(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return -1.0
