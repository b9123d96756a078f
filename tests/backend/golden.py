# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that must not change, of networks and sounds that formulas make, so that nothing large is stored.

    python tests/backend/golden.py        writes tests/data/golden.npz anew

The file was made by code that agreed with vectors of the official algorithm (test_parity) to 1e-5; a clone without
those vectors checks itself against it.
"""

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "data" / "golden.npz"
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "backend"))


def wave(shape: tuple[int, ...], phase: float, scale: float = 1.0) -> np.ndarray:
    """Numbers without pattern or library: sines of squares."""
    index = np.arange(int(np.prod(shape)), dtype=np.float64)
    return (scale * np.sin(0.37 * index + 1e-3 * index**2 + phase)).reshape(shape).astype(np.float32)


def formula_weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """A weight for each name, of the size that keeps a network's numbers near 1."""
    weights = {}
    for number, (name, shape) in enumerate(sorted(shapes.items())):
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        values = wave(shape, float(number), (1.5 / fan_in) ** 0.5 if len(shape) > 1 else 0.1)
        weights[name] = (
            np.abs(values) + 0.5 if name.endswith(("running_var", "norm.weight", "norm1.weight")) else values
        )
    return weights


def speech(seconds: float) -> np.ndarray:
    """A buzz in syllables, with a pause."""
    times = np.arange(round(seconds * 16_000)) / 16_000
    voice = sum(np.sin(2 * np.pi * 110 * k * times) / k for k in range(1, 12))
    syllables = np.square(np.sin(np.pi * 2.3 * times)) * (np.sin(0.9 * times) > -0.3)
    return (0.08 * voice * syllables).astype(np.float32)


class FormulaNoise:
    """A noise source that needs no generator."""

    def own(self, t: int, shape: tuple[int, ...]) -> np.ndarray:
        return wave(shape, 0.1 * t, 1.4)

    def shared(self, t: int, shape: tuple[int, ...]) -> np.ndarray:
        return wave(shape, 7 + 0.1 * t, 1.4)


def compute() -> dict[str, np.ndarray]:
    """Everything that the file holds."""
    import torch
    from diffgesture.evaluation import legacy_metrics
    from diffgesture.model.masked import MaskedPoseTransformer
    from diffgesture.model.numpy_network import NumpyPoseNetwork
    from diffgesture.model.official import OfficialNetwork
    from diffgesture.motion.skeletons import SKELETONS, normalize
    from diffgesture.sampling.reference import linear_schedule, sample_ddpm
    from diffgesture.sampling.solver import cosine_log_snr, few_step_times, sample_dpm_solver_pp_2m
    from diffgesture.speech.features import audio_features

    found: dict[str, np.ndarray] = {}
    schedule = linear_schedule()
    for name in ("betas", "alpha_bars", "sigmas_inflex"):
        found[f"schedule/{name}"] = getattr(schedule, name)[::25]
    found["features"] = audio_features(speech(4.0), 60, 15.0)
    for layout, skeleton in SKELETONS.items():
        dim = skeleton.pose_dim
        official = OfficialNetwork(pose_dim=dim, hidden_dim=16, block_depth=2).eval()
        shapes = {name: tuple(value.shape) for name, value in official.state_dict().items() if value.ndim}
        state = {name: torch.from_numpy(value) for name, value in formula_weights(shapes).items()}
        official.load_state_dict({**official.state_dict(), **state})
        pre_seq = np.zeros((1, 34, dim + 1), dtype=np.float32)
        pre_seq[:, :4, :-1], pre_seq[:, :4, -1] = wave((1, 4, dim), 3.0, 0.2), 1
        noise = official.bind(pre_seq, speech(36_266 / 16_000)[None])
        x = wave((1, 34, dim), 0.5)
        found[f"{layout}/noise"] = noise(x, schedule.betas[200], 1.15)
        short = linear_schedule(20)
        found[f"{layout}/chain"] = sample_ddpm(
            lambda y, t, noise=noise, short=short: noise(y, short.betas[t], 1.15), x, short, FormulaNoise()
        )
        own = MaskedPoseTransformer(pose_dim=dim, hidden_dim=24, depth=2, num_heads=2, reach=8).eval()
        weights = formula_weights({name: tuple(value.shape) for name, value in own.state_dict().items()})
        own.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
        hyper = {"pose_dim": dim, "hidden_dim": 24, "depth": 2, "num_heads": 2, "reach": 8}
        given = wave((1, 50, 29), 1.0), np.zeros((1, 50, dim), np.float32), np.zeros((1, 50, dim // 3), np.float32)
        for engine, network in (("torch", own), ("numpy", NumpyPoseNetwork(weights, **hyper))):
            clean = network.bind(*given)
            found[f"{layout}/{engine}"] = clean(wave((1, 50, dim), 2.0), -1.3)
            found[f"{layout}/{engine}_chain"] = sample_dpm_solver_pp_2m(
                lambda y, s, clean=clean: clean(y[None], s)[0],
                wave((50, dim), 4.0),
                cosine_log_snr(few_step_times(6, 1.5)),
                noise=FormulaNoise(),
                eta=0.5,
            )
        poses = normalize(wave((6, 34, skeleton.num_bones, 3), 5.0).astype(np.float64)).reshape(6, 34, dim)
        other = normalize(wave((6, 34, skeleton.num_bones, 3), 6.0).astype(np.float64)).reshape(6, 34, dim)
        zero = np.zeros(dim)
        found[f"{layout}/metrics"] = np.array(
            [
                legacy_metrics.joint_mae(poses, other, zero, skeleton, 4),
                legacy_metrics.acceleration_difference(poses, other, zero, skeleton),
                legacy_metrics.fgd(poses[:, 0, :5], other[:, 0, :5]),
                legacy_metrics.feature_distance(poses[:, 0], other[:, 0]),
            ]
        )
    return found


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, **{name: np.asarray(value, np.float32) for name, value in compute().items()})
    print(f"{GOLDEN.name}: {GOLDEN.stat().st_size / 1e3:.0f} kB")
