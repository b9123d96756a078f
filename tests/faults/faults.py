# SPDX-License-Identifier: GPL-3.0-or-later
"""All faults of the table."""

from collections.abc import Iterator

from . import cards, files, outcomes
from .table import Fault


def all_faults() -> Iterator[Fault]:
    """In the order of the table."""
    for module in (cards, files, outcomes):
        yield from module.rows()
