# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint's network as an ONNX file, for other runtimes; what was exported is compared with the network.

The file holds the network alone: one evaluation of the denoiser (or one window of a recurrent network).
Normalisation, layout and sampler stand on the card, which is written into the file's metadata.
"""

import json
import logging
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import GestureError, OutputError
from ..writing import written
from .checkpoint import Checkpoint

TOLERANCE: Final = 1e-4
"""Largest difference of the exported network, relative to the largest output."""


class _Poses(nn.Module):
    """A recurrent network that returns its poses alone, in the mean of the speaker's style."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, pre_seq: Tensor, audio: Tensor, words: Tensor, speakers: Tensor) -> Tensor:
        return self.network(pre_seq, audio, words, speakers)[0].poses


class _Noise(nn.Module):
    """The published network with its inputs in a row; without a seed and speech its null condition is taken."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, beta: Tensor, seeds: Tensor, audio: Tensor, null: Tensor) -> Tensor:
        return self.network(x, beta, seeds=seeds, audio=audio, null=null)


def export_onnx(checkpoint: Checkpoint, path: Path, frames: int | None = None) -> dict[str, Any]:
    """Write the network (engine torch, on the CPU) to ``path``; names and shapes of its inputs, and the
    difference.

    The number of windows is free. ``frames`` is how long a sequence our own network takes (None: its window in
    training); published networks take their window.

    GestureError where the packages are missing or the exported network says something else.
    """
    if path.suffix != ".onnx":
        raise OutputError(f"{path} must end in .onnx.")
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 (the exporter needs it)
    except ImportError as error:
        raise GestureError(
            f"ONNX export needs the package '{error.name}'. Install: pip install onnx onnxscript onnxruntime."
        ) from error
    length = frames or checkpoint.card.window
    network, inputs = _inputs(checkpoint, 2, length)
    windows = torch.export.Dim("windows", min=1, max=4096)
    shapes = tuple({0: windows} for _ in inputs)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with written(path) as (part,), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about itself
        torch.onnx.export(
            network,
            tuple(tensor for _, tensor in inputs),
            str(part),
            input_names=[name for name, _ in inputs],
            output_names=["poses"],
            dynamo=True,
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )
        model = onnx.load(str(part))
        onnx.helper.set_model_props(model, {"card": json.dumps(dict(checkpoint.card.data))})
        onnx.save(model, str(part))
        session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
        # Other numbers of windows than it was exported with, too.
        difference = max(_difference(checkpoint, session, count, length) for count in (1, 2, 3))
        if not difference < TOLERANCE:
            raise GestureError(f"The exported network differs from the checkpoint's by {difference:.1e}.")
    return {
        "output": str(path),
        "inputs": {name: ["windows", *tensor.shape[1:]] for name, tensor in inputs},
        "difference": difference,
    }


Input = tuple[str, Tensor]


def _inputs(checkpoint: Checkpoint, windows: int, frames: int) -> tuple[nn.Module, list[Input]]:
    """The module to export and its inputs by name, with an example of each."""
    card, network = checkpoint.card, checkpoint.network
    rng = torch.Generator().manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng)

    dim = card.skeleton.pose_dim
    samples = int(card.window / card.fps * 16_000)
    if card.is_recurrent:
        audio = torch.from_numpy(network.prepare_audio(0.1 * noise(windows, samples).numpy()))
        words = torch.randint(0, int(card.hyperparameters["words"]), (windows, card.window), generator=rng)
        speakers = torch.randint(0, int(card.hyperparameters["speakers"]), (windows,), generator=rng)
        return _Poses(network).eval(), [
            ("pre_seq", noise(windows, card.window, dim + 1)),
            ("audio", audio),
            ("words", words),
            ("speakers", speakers),
        ]
    if card.is_official:
        return _Noise(network).eval(), [
            ("x", noise(windows, card.window, dim)),
            ("beta", torch.full((windows,), 0.01)),
            ("seeds", noise(windows, card.window, dim + 1)),
            ("audio", 0.1 * noise(windows, samples)),
            ("null", torch.arange(windows) == 0),
        ]
    conditions = network.linear.in_features - 2 * dim - dim // 3
    return network.eval(), [
        ("x", noise(windows, frames, dim)),
        ("log_snr", noise(windows)),
        ("known", noise(windows, frames, dim)),
        ("mask", (noise(windows, frames, dim // 3) > 0).float()),
        ("conditions", noise(windows, frames, conditions)),
    ]


def _difference(checkpoint: Checkpoint, session: Any, windows: int, frames: int) -> float:
    network, inputs = _inputs(checkpoint, windows, frames)
    with torch.no_grad():
        expected = network(*(tensor for _, tensor in inputs)).numpy()
    found = session.run(None, {name: tensor.numpy() for name, tensor in inputs})[0]
    return float(np.abs(found - expected).max() / np.abs(expected).max())
