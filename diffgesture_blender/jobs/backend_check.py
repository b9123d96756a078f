# SPDX-License-Identifier: GPL-3.0-or-later
"""*Check Backend*: start the worker and write down what it is, in words that can be sent to someone who helps."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import bpy

from ..identity import VERSION
from ..settings.machine import Machine
from ..state.session import Problem, session
from ..worker import JobCancelled


@dataclass(frozen=True)
class Report:
    """What the backend is, in lines; ``problem`` where it is not fit for work."""

    text: str
    ok: bool
    problem: Problem | None


class BackendCheck:
    """A connection for its own sake. ``poll`` until ``done``, then ``finish`` gives the report."""

    undo_message = None

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        session.report = None
        self._connection = session.backend.connect(machine.setup)

    @property
    def done(self) -> bool:
        return self._connection.done

    @property
    def text(self) -> str:
        return self._connection.stage

    def poll(self, wait: float = 0.0) -> None:
        self._connection.poll(wait)

    def cancel(self) -> None:
        self._connection.cancel()

    @property
    def fraction(self) -> float:
        return 0.0

    def obstacle(self) -> str | None:
        """A report can be written at any time."""
        return None

    refusal = obstacle

    def discard(self) -> None:
        """A check leaves nothing on disk."""

    def steps(self) -> Iterator[None]:
        """None of them takes long."""
        return iter(())

    def finish(self) -> Report:
        """What there is to report; raises JobCancelled."""
        connection = self._connection
        if isinstance(connection.error, JobCancelled):
            raise connection.error
        lines = [*_surroundings(), *self._python_lines()]
        if connection.error is not None:
            problem = Problem.of(connection.error)
            lines += ["Backend: NOT READY", problem.message]
            lines += [line for line in (problem.hint, problem.command) if line]
            details = getattr(connection.error, "details", "")
            lines += ["Details:", details] if details else []
            ok = False
        else:
            lines += _hello_lines(connection.hello)
            ok = connection.hello.get("checkpoint") is not None
            problem = None if ok else Problem(str(connection.hello.get("checkpoint_error")), kind="checkpoint")
        if session.backend.log_path is not None:
            lines.append(f"Log: {session.backend.log_path}")
        return Report("\n".join(lines), ok, problem)

    def show(self, result: Report) -> bool:
        """The report as the preferences show it; True if the backend is fit for work."""
        session.report, session.report_ok, session.report_problem = result.text, result.ok, result.problem
        return result.ok

    def _python_lines(self) -> list[str]:
        python = self._connection.python
        if python is None:
            chosen = self.machine.python
            return [f"Python: {chosen} (chosen)" if chosen else "Python: none chosen"]
        return [f"Python: {python.version_text} at {python.path}"]


def _surroundings() -> list[str]:
    return [
        f"DiffGesture {VERSION}, Blender {bpy.app.version_string} (Python {platform.python_version()})",
        f"System: {platform.platform()}",
    ]


def _hello_lines(hello: dict[str, Any]) -> list[str]:
    lines = [
        f"Backend: {hello.get('backend_version')} (protocol {hello.get('protocol')}), "
        f"numpy {hello.get('numpy')} ({'with' if hello.get('blas') else 'without'} BLAS), "
        f"torch {hello.get('torch') or 'not installed'}",
        f"Engine: {hello.get('engine')}, threads: {hello.get('threads')}",
        f"Devices: {', '.join(map(str, hello.get('devices') or ()))}",
    ]
    card = hello.get("checkpoint")
    if card is None:
        return [*lines, f"Checkpoint: NOT READY: {hello.get('checkpoint_error')}"]
    return [
        *lines,
        f"Checkpoint: {card.get('name')} ({card.get('layout')}, {card.get('fps')} fps) at {card.get('path')}",
        f"Licence of the checkpoint: {card.get('licence')}",
        "Backend: READY",
    ]
