#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Training speed of train.py beside the published training loop: same network, batch, data and machine, one run.

    python benchmarks/training.py --layout ted|ted_expressive [--batch 128] [--steps 3] [--blocks 5]

Blocks of steps of either loop alternate, so that a change in the machine's load meets both; the ratio is the
median over pairs of blocks. What the published loop is, benchmarks/README.md says.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "backend"))

from diffgesture.data.dataset import Dataset, DatasetWriter  # noqa: E402
from diffgesture.model.devices import pick_device  # noqa: E402
from diffgesture.motion.skeletons import SKELETONS  # noqa: E402
from diffgesture.training.config import Config, load_config  # noqa: E402
from diffgesture.training.distributed import Group  # noqa: E402
from diffgesture.training.loop import Trainer  # noqa: E402
from diffgesture.training.recipes import make_recipe  # noqa: E402
from published_loop import PublishedLoop, write_samples  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layout", choices=("ted", "ted_expressive"), default="ted")
    parser.add_argument("--batch", type=int, help="windows a step (default: as published, 128)")
    parser.add_argument("--steps", type=int, default=3, help="timed steps in a block (default: 3)")
    parser.add_argument("--blocks", type=int, default=5, help="blocks of each loop (default: 5)")
    parser.add_argument(
        "--workers", type=int, default=4, help="loader processes of the published loop (default: 4)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    arguments = parser.parse_args()
    # The published number of loader processes is kept on small machines, too.
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    config = load_config(ROOT / "backend" / "configs" / f"{arguments.layout}.toml")
    config = dataclasses.replace(config, batch_size=arguments.batch or config.batch_size, seed=1)
    device = pick_device(arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(config, Path(folder), arguments, device)
    if arguments.json:
        print(json.dumps(result))
        return
    print(
        f"{arguments.layout}, batch {config.batch_size}, {device.type}, {torch.get_num_threads()} threads,"
        f" {arguments.blocks} blocks of {arguments.steps} steps:\n"
        f"  published loop {result['published']:8.3f} s a step\n"
        f"  train.py       {result['ours']:8.3f} s a step\n"
        f"  {result['ratio']:.2f} times as fast ({result['lowest']:.2f} to {result['highest']:.2f})\n"
        f"  CPU seconds a step, loaders included: {result['processor_published']:.3f} and"
        f" {result['processor_ours']:.3f}, {result['processor_ratio']:.2f} times"
        f" ({result['processor_lowest']:.2f} to {result['processor_highest']:.2f})"
    )


def measure(config: Config, folder: Path, arguments: argparse.Namespace, device: torch.device) -> dict[str, float]:
    """Median seconds a step of both loops and the median ratio over pairs of blocks."""
    dataset = make_dataset(config, folder / "data")
    mean = np.asarray(config.mean_direction)
    write_samples(dataset, config.window_stride, mean, folder / "samples.bin")
    trainer = Trainer(config, make_recipe(config, dataset), folder / "run", Group(0, 1, device), lambda line: None)
    trainer.network.train()
    published = PublishedLoop(config, dataset.skeleton.pose_dim, folder / "samples.bin", arguments.workers, device)
    batches = published.batches()
    steps: dict[str, Callable[[], object]] = {
        "published": lambda: published.step(next(batches)),
        "ours": trainer.train_step,
    }
    # What the loader's own processes use for a batch cannot be read while they run: load some here.
    here = published.batches(workers=0)
    loading = statistics.median(time_steps(lambda: next(here), 1, device).processor for _ in range(3))
    blocks: dict[str, list[Cost]] = {name: [] for name in steps}
    for number in range(arguments.blocks):
        for name, step in steps.items():
            cost = time_steps(step, arguments.steps, device)
            blocks[name].append(cost._replace(processor=cost.processor + loading * (name == "published")))
        lines = [f"{cost[-1].seconds:.3f} s, {cost[-1].processor:.3f} s of CPU" for cost in blocks.values()]
        print(f"block {number + 1}: published {lines[0]}; ours {lines[1]}", file=sys.stderr, flush=True)
    result: dict[str, float] = {"loading": loading}
    for name, field in (("", "seconds"), ("processor_", "processor")):
        pairs = zip(blocks["published"], blocks["ours"], strict=True)
        ratios = [getattr(theirs, field) / getattr(ours, field) for theirs, ours in pairs]
        result |= {name + key: statistics.median(getattr(c, field) for c in blocks[key]) for key in blocks}
        result |= {f"{name}ratio": statistics.median(ratios)}
        result |= {f"{name}lowest": min(ratios), f"{name}highest": max(ratios)}
    return result


class Cost(NamedTuple):
    """Of one step: seconds on the wall, and seconds of processors."""

    seconds: float
    processor: float


def time_steps(step: Callable[[], object], count: int, device: torch.device) -> Cost:
    """Mean cost of ``count`` steps after one that does not count."""

    def now() -> tuple[float, float]:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter(), time.process_time()

    step()
    before = now()
    for _ in range(count):
        step()
    return Cost(*((after - start) / count for start, after in zip(before, now(), strict=True)))


def make_dataset(config: Config, folder: Path, minutes: float = 10.0) -> Dataset:
    """Noise for speech and motion: speed does not depend on what they say."""
    rng = np.random.default_rng(0)
    skeleton, seconds = SKELETONS[config.layout], 10
    writer = DatasetWriter(folder, config.layout, config.fps)
    for number in range(round(minutes * 60 / seconds)):
        motion = rng.normal(size=(round(seconds * config.fps), skeleton.num_bones, 3))
        motion /= np.linalg.norm(motion, axis=-1, keepdims=True)
        speech = rng.normal(size=seconds * 16_000) * 0.1
        writer.add(f"take{number}", "noise", "train", speech, motion.astype(np.float32), "CC0", "benchmark")
    writer.close({}, {})
    return Dataset(folder)


if __name__ == "__main__":
    main()
