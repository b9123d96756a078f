# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong between Blender and the worker, each as a sentence that tells the user what to do.

``exit_code`` is what the command line ends with: 2 for something the user can put right, 1 for a fault of the
program. ``command`` is a shell command worth copying, ``details`` is for the log and the report.
"""

from collections.abc import Sequence

from ..errors import DiffGestureError


class BackendError(DiffGestureError):
    """A problem with the worker; the message is a sentence for the user."""

    kind = "backend"
    exit_code = 1

    def __init__(
        self, message: str, *, hint: str | None = None, command: str | None = None, details: str = ""
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.command = command
        self.details = details


class InterpreterMissing(BackendError):
    """No Python to run the worker in."""

    kind = "python"
    exit_code = 2


class InterpreterBroken(BackendError):
    """The chosen file is not a Python that runs."""

    kind = "python"
    exit_code = 2


class InterpreterTooOld(BackendError):
    """The chosen Python is older than the worker needs."""

    kind = "python"
    exit_code = 2


class ModulesMissing(BackendError):
    """The chosen Python lacks packages; ``command`` installs them."""

    kind = "python"
    exit_code = 2

    def __init__(self, python: str, version: str, modules: Sequence[str], command: str) -> None:
        names = ", ".join(modules)
        super().__init__(
            f"The backend's Python ({version} at {python}) lacks: {names}.",
            hint="Install what is missing with this command, then press Check Backend.",
            command=command,
        )
        self.modules = tuple(modules)


class WorkerScriptMissing(BackendError):
    """The add-on was installed without its backend folder."""

    kind = "install"


class WorkerStartFailed(BackendError):
    """The operating system would not start the process."""

    kind = "start"


class WorkerDied(BackendError):
    """The process ended while something was asked of it."""

    kind = "died"

    def __init__(self, exit_code: int | None, log_tail: str, log_path: str, doing: str) -> None:
        last_line = next((line for line in reversed(log_tail.splitlines()) if line.strip()), "")
        how = _ending(exit_code)
        super().__init__(
            f"The backend stopped {how} while it was {doing}." + (f" It said: {last_line}" if last_line else ""),
            hint=f"Try again; a new backend is started. If it happens again, read the log: {log_path}",
            details=log_tail,
        )
        self.process_exit_code = exit_code


class WorkerTimeout(BackendError):
    """No answer and no sign of progress within the deadline."""

    kind = "timeout"


class ProtocolGarbage(BackendError):
    """Something that is not the protocol arrived on the worker's standard output."""

    kind = "protocol"


class VersionMismatch(BackendError):
    """Worker and add-on speak different versions of the protocol."""

    kind = "protocol"


class WorkerRefused(BackendError):
    """The worker answered with an error; ``kind`` is the worker's own word (audio, checkpoint, device, ...)."""

    def __init__(self, message: str, *, kind: str, hint: str | None = None, details: str = "") -> None:
        super().__init__(message, hint=hint, details=details)
        self.kind = kind
        self.exit_code = 1 if kind == "internal" else 2


class JobCancelled(BackendError):
    """The user asked to stop."""

    kind = "cancelled"

    def __init__(self, message: str = "The generation was cancelled.") -> None:
        super().__init__(message)


def _ending(exit_code: int | None) -> str:
    if exit_code is None:
        return "answering"
    if exit_code < 0:
        return f"(killed by signal {-exit_code})"
    return f"(exit code {exit_code})"
