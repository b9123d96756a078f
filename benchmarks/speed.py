#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds for a minute of speech, warm, in the worker: preset default beside preset reference, in one run.

    python benchmarks/speed.py [--audio FILE] [--seconds 60] [--repeats 5] [--official-windows 1]

Both presets run in the same worker with the bundled checkpoint. ``--official-windows N`` also times N windows of
the published network at its published size (random weights: speed does not depend on them) and scales that to
the windows that the whole clip needs.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from worker_process import Worker

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "backend"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--audio", type=Path, default=ROOT / "demo" / "speech.flac", help="speech, repeated to length"
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=5, help="runs of the default preset; the median counts")
    parser.add_argument("--official-windows", type=int, default=1, help="0 leaves the published network out")
    arguments = parser.parse_args()
    from diffgesture.speech.audio import load_audio
    from diffgesture.speech.features import SAMPLE_RATE

    speech = np.resize(load_audio(arguments.audio), round(arguments.seconds * SAMPLE_RATE))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        soundfile.write(path, speech, SAMPLE_RATE)
        worker = Worker(sys.executable)
        worker.call("hello")
        worker.call("generate", audio=str(path), output_dir=folder)
        runs = [worker.call("generate", audio=str(path), output_dir=folder) for _ in range(arguments.repeats)]
        reference = worker.call("generate", audio=str(path), output_dir=folder, preset="reference")
        worker.call("shutdown")
    fast = float(np.median([run["timings"]["total"] for run in runs]))
    slow = reference["timings"]["total"]
    print(f"{arguments.seconds:g} s of speech, worker warm:")
    print(f"  default    {runs[0]['steps']:3d} steps  {fast:8.2f} s")
    print(f"  reference  {reference['steps']:3d} steps  {slow:8.2f} s   ({slow / fast:.0f} times the default)")
    if arguments.official_windows:
        seconds, windows = time_official(speech, arguments.official_windows)
        print(
            f"  published network (ted_expressive, 25.6 M): {seconds:.2f} s a window, {windows} windows, so"
            f" {seconds * windows:.0f} s   ({seconds * windows / fast:.0f} times the default)"
        )


def time_official(speech: np.ndarray, count: int) -> tuple[float, int]:
    """Seconds per window of the published chain at published size, and the windows of the whole clip."""
    import torch
    from diffgesture.model.official import OfficialNetwork
    from diffgesture.sampling.noise import GaussianNoise
    from diffgesture.sampling.reference import REFERENCE_GUIDANCE, linear_schedule, sample_ddpm
    from diffgesture.sampling.windows import count_sequential_windows, official_samples

    torch.manual_seed(0)
    network = OfficialNetwork(pose_dim=126, hidden_dim=512, block_depth=8).eval()
    schedule, noise = linear_schedule(), GaussianNoise(0)
    started = time.perf_counter()
    for _ in range(count):
        estimate = network.bind(np.zeros((1, 34, 127), dtype=np.float32), official_samples(speech, 0)[None])
        sample_ddpm(
            lambda x, t, estimate=estimate: estimate(x, schedule.betas[t], REFERENCE_GUIDANCE),
            noise.own(501, (1, 34, 126)),
            schedule,
            noise,
        )
    seconds = (time.perf_counter() - started) / count
    return seconds, count_sequential_windows(len(speech) / 16_000, 15, 34, 4)


if __name__ == "__main__":
    main()
