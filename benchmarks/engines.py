#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines side by side in one run: worker start, first and warm seconds for a speech, memory for a long one.

    python benchmarks/engines.py torch=ENV/bin/python:torch blas=ENV/bin/python:numpy plain=OTHER/bin/python:numpy
        [--seconds 60] [--repeats 5] [--long 600]

Each NAME=PYTHON:ENGINE is a worker of its own; warm runs alternate: a noisy machine is noisy for all.
Memory is the peak of the resident set (VmHWM, Linux) of a fresh worker after one recording of ``--long`` seconds.
"""

import argparse
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
from worker_process import Worker

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "backend"))
RATE = 16_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="+", metavar="NAME=PYTHON:ENGINE")
    parser.add_argument("--audio", type=Path, default=ROOT / "demo" / "speech.flac", help="repeated to length")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--long", type=float, default=600.0)
    arguments = parser.parse_args()
    from diffgesture.speech.audio import load_audio

    speech = load_audio(arguments.audio)
    engines = {name: rest.rsplit(":", 1) for name, rest in (entry.split("=", 1) for entry in arguments.engines)}
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder, "short.wav"), Path(folder, "long.wav")
        write_wav(short, speech, arguments.seconds)
        write_wav(long, speech, arguments.long)
        rows = {name: {} for name in engines}
        workers = {}
        for name, (python, engine) in engines.items():
            rows[name]["start"] = float(np.median([start_seconds(python, engine) for _ in range(5)]))
            workers[name] = Worker(python)
            workers[name].call("hello", engine=engine)
            rows[name]["first"] = workers[name].generate(short, folder, engine)
        warm = {name: [] for name in engines}
        for _ in range(arguments.repeats):
            for name, (_, engine) in engines.items():
                warm[name].append(workers[name].generate(short, folder, engine))
        for name, (python, engine) in engines.items():
            rows[name]["warm"] = float(np.median(warm[name]))
            rows[name]["memory"] = workers[name].peak_megabytes()
            workers[name].call("shutdown")
            fresh = Worker(python)
            fresh.call("hello", engine=engine)
            fresh.generate(long, folder, engine)
            rows[name]["long"] = fresh.peak_megabytes()
            fresh.call("shutdown")
    base = next(iter(rows.values()))["warm"]
    spoken = f"{arguments.seconds:g} s of speech"
    print(f"| engine | start, s | first {spoken}, s | warm, s | ratio | MB | MB, {arguments.long:g} s |")
    print("|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {row['start']:.2f} | {row['first']:.2f} | {row['warm']:.2f} | {row['warm'] / base:.2f}"
            f" | {row['memory']:.0f} | {row['long']:.0f} |"
        )


def write_wav(path: Path, speech: np.ndarray, seconds: float) -> None:
    samples = np.resize(speech, round(seconds * RATE))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


def start_seconds(python: str, engine: str) -> float:
    """From the process to the answer to ``hello``, checkpoint loaded."""
    started = time.perf_counter()
    worker = Worker(python)
    worker.call("hello", engine=engine)
    seconds = time.perf_counter() - started
    worker.call("shutdown")
    return seconds


if __name__ == "__main__":
    main()
