# SPDX-License-Identifier: GPL-3.0-or-later
"""Every row of the fault table."""

from pathlib import Path

import pytest

from tests.faults.faults import all_faults
from tests.faults.table import Fault

FAULTS = list(all_faults())


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{number} {row.kind}" for number, row in enumerate(FAULTS)])
def test_fault(fault: Fault, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    fault.play(folder)


def test_the_table_is_long() -> None:
    assert len(FAULTS) >= 200
