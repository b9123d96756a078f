# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the add-on that is meant for the user."""


class DiffGestureError(Exception):
    """Something the user can put right; the message is a full sentence that says what to do."""
