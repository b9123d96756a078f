# SPDX-License-Identifier: GPL-3.0-or-later
"""Memory that is freed in one training step is kept for the next one."""

import contextlib
import ctypes
import sys
from typing import Final

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Numbers of mallopt's parameters (glibc's malloc.h)."""
_BYTES: Final = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Ask glibc not to give large blocks back; elsewhere nothing happens.

    Otherwise every tensor of more than 32 MB is new memory from the system, page by page filled with zeros: in the
    published audio encoder at batch 128 that was a tenth of the time or more on a CPU.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, _BYTES)
        mallopt(_TRIM_THRESHOLD, _BYTES)
