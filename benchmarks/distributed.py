#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""train.py in one process beside torchrun with several, on the CPU, at the same global batch.

    python benchmarks/distributed.py [--processes 2] [--steps 12] [--batch 16]

Prints the largest difference of the loss curves, step by step, and the ratio of the throughputs (median over
steps). Every process computes with one thread, so that the ratio shows what a second core brings. Where no second
core is free, CPU seconds tell more: what all processes together need for a step, beside what one needs (starting
up is taken away by a shorter run). Several processes cannot be faster than that many times the one over the other.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "backend"))

from diffgesture.training.config import load_config  # noqa: E402
from training import make_dataset  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="(default: 2)")
    parser.add_argument("--steps", type=int, default=12, help="(default: 12)")
    parser.add_argument("--batch", type=int, default=16, help="windows a step, in all processes (default: 16)")
    arguments = parser.parse_args()
    published = ROOT / "backend" / "configs" / "ted.toml"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_dataset(load_config(published), folder / "data", minutes=4.0)
        text = published.read_text(encoding="utf-8").replace("batch_size = 128", f"batch_size = {arguments.batch}")
        (folder / "ted.toml").write_text("log_steps = 1\n" + text, encoding="utf-8")
        costs, curves = [], []
        for processes in (1, arguments.processes):
            _, short = run(folder, processes, 1)
            lines, long = run(folder, processes, 1 + arguments.steps)
            curves.append(lines)
            costs.append((long - short) / arguments.steps)
        alone, together = curves
    difference = max(abs(alone[step]["train"]["noise"] - together[step]["train"]["noise"]) for step in alone)
    speeds = [
        statistics.median(line["steps_per_second"] for step, line in lines.items() if step > 1)
        for lines in (alone, together)
    ]
    print(f"loss of {len(alone)} steps: the curves differ by {difference:.1e} at most")
    print(
        f"{speeds[0]:.3f} steps/s in one process, {speeds[1]:.3f} in {arguments.processes}:"
        f" {speeds[1] / speeds[0]:.2f} times the throughput"
    )
    print(
        f"CPU seconds a step: {costs[0]:.3f} in one process, {costs[1]:.3f} in all {arguments.processes}:"
        f" at most {arguments.processes * costs[0] / costs[1]:.2f} times on as many free cores"
    )


def run(folder: Path, processes: int, steps: int) -> tuple[dict[int, dict], float]:
    """Lines of the loss curve by step, and CPU seconds of all processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    output = folder / f"run{processes}"
    command = [sys.executable, *(launcher if processes > 1 else []), str(ROOT / "backend" / "train.py")]
    command += ["--config", str(folder / "ted.toml"), "--data", str(folder / "data"), "-o", str(output)]
    command += ["--max-steps", str(steps), "--device", "cpu", "--overwrite"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    lines = map(json.loads, (output / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {line["step"]: line for line in lines if "train" in line}, cost


if __name__ == "__main__":
    main()
