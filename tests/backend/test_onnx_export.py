# SPDX-License-Identifier: GPL-3.0-or-later
"""ONNX export says what the checkpoint's network says (needs onnx, onnxscript and onnxruntime)."""

import json
from pathlib import Path

import pytest
from diffgesture.errors import OutputError
from diffgesture.model.checkpoint import load_checkpoint
from diffgesture.model.conversion import convert

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

from diffgesture.model.onnx_export import TOLERANCE, export_onnx  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bundled", "official"])
def test_the_exported_network_says_the_same(kind: str, parity_folder: Path, tmp_path: Path):
    source = None
    if kind == "official":
        source = tmp_path / "official.safetensors"
        convert(parity_folder / "official_checkpoint_ted.bin", source)
    checkpoint = load_checkpoint(source)
    summary = export_onnx(checkpoint, tmp_path / "m.onnx", None if kind == "official" else 45)
    assert summary["difference"] < TOLERANCE
    properties = {item.key: item.value for item in onnx.load(str(tmp_path / "m.onnx")).metadata_props}
    assert json.loads(properties["card"])["name"] == checkpoint.card.name
    if kind == "bundled":
        assert summary["inputs"]["x"] == ["windows", 45, 126]


def test_another_ending_is_refused(tmp_path: Path):
    with pytest.raises(OutputError, match=r"end in \.onnx"):
        export_onnx(load_checkpoint(), tmp_path / "m.pt")
