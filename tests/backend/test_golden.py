# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedule, networks of both layouts and engines, chains, features and metrics are what they have been."""

import numpy as np
import pytest
from golden import GOLDEN, compute


@pytest.fixture(scope="module")
def computed() -> dict[str, np.ndarray]:
    return compute()


with np.load(GOLDEN) as _archive:
    EXPECTED = {name: _archive[name] for name in _archive.files}


def test_nothing_is_missing(computed: dict[str, np.ndarray]) -> None:
    assert set(computed) == set(EXPECTED)
    assert GOLDEN.stat().st_size < 1_000_000


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_numbers_are_what_they_have_been(computed: dict[str, np.ndarray], name: str) -> None:
    expected = EXPECTED[name]
    spread = max(float(expected.std()), 1e-6)
    assert np.abs(computed[name] - expected).max() < 1e-4 * max(spread, np.abs(expected).max())


@pytest.mark.parametrize("layout", ["ted", "ted_expressive"])
def test_both_engines_give_one_network(computed: dict[str, np.ndarray], layout: str) -> None:
    for what in ("", "_chain"):
        difference = computed[f"{layout}/numpy{what}"] - computed[f"{layout}/torch{what}"]
        assert np.abs(difference).max() < 1e-4
