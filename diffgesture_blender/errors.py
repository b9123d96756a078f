# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the add-on that is meant for the user."""

_LONGEST = 600


class DiffGestureError(Exception):
    """Something the user can put right; the message is a full sentence that says what to do.

    It is put on one line and cut to a length that can be read, whatever a file has brought into it.
    """

    def __init__(self, message: str = "") -> None:
        line = " ".join(message.split())
        super().__init__(line if len(line) <= _LONGEST else f"{line[: _LONGEST - 200]} … {line[-150:]}")
