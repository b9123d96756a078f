# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors meant for users: each message is a sentence that says what to do."""

_LONGEST = 600


def one_sentence(message: str) -> str:
    """A message on one line and of a length that can be read, whatever a file has brought into it."""
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 200]} … {line[-150:]}"


class GestureError(Exception):
    """Bad input or surroundings. ``kind`` names the part at fault, ``hint`` may add a remedy."""

    kind = "input"

    def __init__(self, message: str, hint: str | None = None):
        super().__init__(one_sentence(message))
        self.hint = hint


class AudioError(GestureError):
    """The speech file is missing, unreadable, empty or too short."""

    kind = "audio"


class CheckpointError(GestureError):
    """The checkpoint or its card is missing, damaged or made for something else."""

    kind = "checkpoint"


class EngineError(GestureError):
    """What computes is installed but cannot be loaded."""

    kind = "python"


class DeviceError(GestureError):
    """The asked-for device does not exist or gave up."""

    kind = "device"


class OutputError(GestureError):
    """The result cannot be written."""

    kind = "output"


class DataError(GestureError):
    """A dataset or a corpus is damaged or of another layout."""

    kind = "data"


class ConfigError(GestureError):
    """A setting is unknown or out of range."""

    kind = "config"


class Cancelled(Exception):
    """The caller asked to stop; raised between two denoising steps."""
