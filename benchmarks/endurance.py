# SPDX-License-Identifier: GPL-3.0-or-later
"""Does memory stay where it is? A worker over many generations, over long speech, over many clips (Linux).

python benchmarks/endurance.py generations [--count 1000]
python benchmarks/endurance.py minutes [--lengths 1 10 30 120] [--engine numpy torch]
python benchmarks/endurance.py clips [--count 200]
"""

import argparse
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
from worker_process import Worker

RATE = 16_000


def write_speech(path: Path, seconds: float, seed: int = 0) -> Path:
    """Noise with a syllable's rhythm, written second by second."""
    rng = np.random.default_rng(seed)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        left = round(seconds * RATE)
        while left > 0:
            block = rng.standard_normal(RATE) * np.repeat(rng.uniform(0, 1, 10), RATE // 10) * 6000
            file.writeframes(block[:left].astype("<i2").tobytes())
            left -= RATE
    return path


def generations(count: int) -> None:
    """The same short speech again and again, with another seed each time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speech, worker = write_speech(folder / "speech.wav", 3.0), Worker(sys.executable)
        print("| generations | MB now | MB at most |\n|---|---|---|")
        for number in range(count + 1):
            answer = worker.call("generate", audio=str(speech), output_dir=name, engine="numpy", seed=number)
            for motion in answer["motions"]:
                Path(motion["path"]).unlink()
            if number in (0, 10) or number % max(1, count // 10) == 0:
                print(f"| {number} | {worker.megabytes():.0f} | {worker.peak_megabytes():.0f} |", flush=True)
        worker.close()


def minutes(lengths: list[float], engines: list[str]) -> None:
    """One generation each in a worker of its own."""
    print("| engine | minutes | MB at most | seconds |\n|---|---|---|---|")
    for engine in engines:
        for length in lengths:
            with tempfile.TemporaryDirectory() as name:
                speech, worker = write_speech(Path(name, "speech.wav"), 60 * length), Worker(sys.executable)
                seconds = worker.generate(speech, name, engine)
                print(f"| {engine} | {length:g} | {worker.peak_megabytes():.0f} | {seconds:.0f} |", flush=True)
                worker.close()


def clips(count: int) -> None:
    """Clips of one to thirty seconds, one after the other, as a batch does them."""
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        worker, started = Worker(sys.executable), time.monotonic()
        print("| clips | MB now | MB at most | seconds |\n|---|---|---|---|")
        for number in range(1, count + 1):
            speech = write_speech(Path(name, "speech.wav"), rng.uniform(1, 30), number)
            worker.call("generate", audio=str(speech), output_dir=name, engine="numpy", seed=number)
            if number in (1, 10) or number % max(1, count // 10) == 0:
                now, most = worker.megabytes(), worker.peak_megabytes()
                print(f"| {number} | {now:.0f} | {most:.0f} | {time.monotonic() - started:.0f} |", flush=True)
        worker.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("generations", "minutes", "clips"))
    parser.add_argument("--count", type=int)
    parser.add_argument("--lengths", type=float, nargs="+", default=[1, 10, 30, 120])
    parser.add_argument("--engine", nargs="+", default=["numpy"], choices=("numpy", "torch"))
    options = parser.parse_args()
    if options.what == "generations":
        generations(options.count or 1000)
    elif options.what == "minutes":
        minutes(options.lengths, options.engine)
    else:
        clips(options.count or 200)


if __name__ == "__main__":
    main()
