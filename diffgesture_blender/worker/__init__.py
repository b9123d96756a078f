# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker seen from Blender: find an interpreter, start the process, talk to it. Nothing here needs bpy."""

from .backend import Backend, Connection, Setup
from .client import Call, Progress, WorkerClient
from .errors import BackendError, JobCancelled

__all__ = ["Backend", "BackendError", "Call", "Connection", "JobCancelled", "Progress", "Setup", "WorkerClient"]
