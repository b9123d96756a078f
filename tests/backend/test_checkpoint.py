# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints that are missing, damaged or strangers give a sentence, and nothing is unpickled."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffgesture.errors import CheckpointError
from diffgesture.model.checkpoint import load_checkpoint


@pytest.fixture
def copied(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    for suffix in (".safetensors", ".json"):
        shutil.copy(tiny_checkpoint.with_suffix(suffix), tmp_path / f"c{suffix}")
    return tmp_path / "c.safetensors"


def edit_card(path: Path, **changes) -> None:
    card_path = path.with_suffix(".json")
    card = {**json.loads(card_path.read_text()), **changes}
    card_path.write_text(json.dumps({k: v for k, v in card.items() if v is not None}))


def test_round_trip_keeps_weights_in_half_precision(copied: Path):
    first, second = load_checkpoint(copied), load_checkpoint(copied)
    assert first.skeleton.name == "ted_expressive"
    for a, b in zip(first.network.parameters(), second.network.parameters(), strict=True):
        assert a.dtype == torch.float32
        assert torch.equal(a, b)
        assert np.array_equal(a.half().float(), a)


def test_missing_file(tmp_path: Path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_missing_card(copied: Path):
    copied.with_suffix(".json").unlink()
    with pytest.raises(CheckpointError, match=r"card c\.json"):
        load_checkpoint(copied)


@pytest.mark.parametrize("keep", [0, 4, 1000, 0.5, 0.99])
def test_truncated_weights(copied: Path, keep: float):
    content = copied.read_bytes()
    copied.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(CheckpointError, match="damaged or incomplete"):
        load_checkpoint(copied)


def test_other_layouts(copied: Path):
    edit_card(copied, layout="ted")
    with pytest.raises(CheckpointError, match="belongs to another layout"):
        load_checkpoint(copied)
    edit_card(copied, layout="smplx")
    with pytest.raises(CheckpointError, match="made for the layout 'smplx'"):
        load_checkpoint(copied)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "other"}, "not a checkpoint card"),
        ({"version": 99}, "version 99"),
        ({"window": None}, "lacks window"),
        ({"network": "gan"}, "unknown network 'gan'"),
        ({"hyperparameters": {"width": 3}}, "unknown field width"),
        ({"normalisation": {"mean": [0.0], "std": [1.0]}}, "belongs to another layout"),
    ],
)
def test_strange_cards(copied: Path, changes: dict, words: str):
    edit_card(copied, **changes)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(copied)


def test_a_pickle_is_refused_and_does_not_run(tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    for name in ("model.bin", "model.safetensors"):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(Bomb()))
        (tmp_path / "model.json").write_text("{}")
        with pytest.raises(CheckpointError):
            load_checkpoint(path)
    assert not (tmp_path / "ran").exists()
