# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker is started when a person is about to need it, so that even the first click finds it ready."""

from typing import Final

import bpy

from ..settings.machine import machine_settings
from ..state.session import session
from ..worker import Connection
from .runner import stop_when_idle

_TICK: Final = 0.1
_connection: Connection | None = None
_tried: str | None = None


def warm_up_soon() -> None:
    """Start the worker a moment from now, once for each setup; called while drawing, so nothing is done here."""
    if bpy.app.background or session.busy or session.backend.running or bpy.app.timers.is_registered(_tick):
        return
    if _tried != repr(machine_settings().setup):
        bpy.app.timers.register(_tick, first_interval=_TICK, persistent=True)


def stop() -> None:
    """Take the timer away (the add-on is being disabled)."""
    global _connection, _tried
    _connection, _tried = None, None
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)


def _tick() -> float | None:
    """Timer: one look at the connection. What is wrong with it, Generate will say."""
    global _connection, _tried  # noqa: PLW0603
    if _connection is None:
        setup = machine_settings().setup
        _tried = repr(setup)
        _connection = session.backend.connect(setup)
    _connection.poll()
    if not _connection.done:
        return _TICK
    _connection = None
    if not session.busy:
        stop_when_idle()
    return None
