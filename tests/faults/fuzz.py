# SPDX-License-Identifier: GPL-3.0-or-later
"""All readers under mutation: each input ends in valid data or in one documented type of error, within its means.

    python tests/faults/fuzz.py [SECONDS] [--corpus FOLDER] [--seed N] [--reader NAME ...]

Inputs that end in a way not seen before are kept in the corpus (by default in the user's cache, never in the
repository) and mutated further. A finding is another exception, a crash of the process, more than ten seconds or
more than a gigabyte; its input is saved and named. Exit code 1 where there is one.
"""

import argparse
import hashlib
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.faults.readers import READERS, Reader
from tests.faults.table import DiffGestureError, GestureError

MOST_SECONDS = 10
MOST_BYTES = 1 << 30
_ROUND = 200
_INTERESTING = (0, 1, 2, 4, 7, 8, 16, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63)
_VALUES = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2.5,
        1e308,
        -1e308,
        10**30,
        "",
        "x",
        "../x",
        "\0",
        "ü" * 50,
        [],
        {},
        [[]],
        [None],
    ),
    *({"a": 1}, [1, 2, 3], ["a"], float("nan"), float("inf"), "9" * 5000, [0] * 1000, -(10**12)),
)


_WORDS = (b"[", b"{", b'"', b"-", b"9" * 400, b"nan", b"1e999", b"\0", b"\xff", b"\n", b"[" * 3000)


class TooSlow(BaseException):
    """Raised by the alarm."""


def mutated(content: bytes, other: bytes, rng: random.Random) -> bytes:
    """A few changes of bytes, or of values where the content is JSON."""
    if content[:1] in (b"{", b"[") and rng.random() < 0.6:
        try:
            return json.dumps(_changed(json.loads(content), rng)).encode()
        except (ValueError, RecursionError):
            pass
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place = rng.randrange(len(data) + 1) if rng.random() < 0.5 else rng.randrange(min(len(data), 400) + 1)
        kind = rng.randrange(9)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[place % len(data)] = rng.randrange(256)
        elif kind == 2:
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(_INTERESTING) % (1 << 8 * width)
            data[place : place + width] = number.to_bytes(width, rng.choice(("little", "big")))
        elif kind == 3:
            del data[place : place + rng.choice((1, 2, 8, 64, 1024))]
        elif kind == 4:
            data[place:place] = data[place : place + rng.choice((1, 8, 64, 512))]
        elif kind == 5:
            data = data[:place]
        elif kind == 6 and other:
            begin = rng.randrange(len(other))
            data[place:place] = other[begin : begin + rng.choice((4, 32, 256))]
        elif kind == 7:
            data[place:place] = rng.choice(
                (b"[", b"{", b'"', b"-", b"9" * 400, b"nan", b"1e999", b"\0", b"\xff", b"\n")
            )
        else:
            numbers = list(re.finditer(rb"-?\d+\.?\d*", bytes(data[: 1 << 16])))
            if numbers:
                found = rng.choice(numbers)
                data[found.start() : found.end()] = str(rng.choice(_VALUES)).encode("utf-8", "replace")
    return bytes(data[: 1 << 20])


def _changed(value: Any, rng: random.Random) -> Any:
    """The JSON value with one node replaced, removed or repeated."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return {**value, key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        if rng.random() < 0.1:
            return value[:place] + value[place + 1 :]
        return [*value[:place], _changed(value[place], rng), *value[place + 1 :]]
    return rng.choice(_VALUES)


def play(reader: Reader, content: bytes, folder: Path) -> str:
    """What comes of an input, without the numbers in it; raises what is a finding."""
    path = folder / reader.name_of_file
    path.write_bytes(content)
    try:
        result = reader.read(path)
    except (GestureError, DiffGestureError) as error:
        text = str(error)
        if not text or "\n" in text.strip() or len(text) > 1500:
            raise AssertionError(f"not one line: {text[:200]!r}") from error
        return re.sub(r"\d+|'.*?'", "#", text.replace(str(folder), ""))[:160]
    return f"valid {result}"[:160] if isinstance(result, str) else "valid"


def child(reader: Reader, inputs: list[bytes], folder: Path, pipe: int) -> None:
    """Play inputs in a process of its own; a line for each goes to the pipe."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    now = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (now + 4 * MOST_BYTES, now + 4 * MOST_BYTES))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)

    def alarm(*_: Any) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, alarm)
    for content in inputs:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        signal.alarm(MOST_SECONDS)
        try:
            outcome = play(reader, content, folder)
        except TooSlow:
            outcome = f"!more than {MOST_SECONDS} s"
        except BaseException as error:
            outcome = f"!{type(error).__name__}: {' '.join(str(error).split())[:150]}"
        signal.alarm(0)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
        if grown > MOST_BYTES:
            outcome = f"!{grown >> 20} MB"
        os.write(pipe, (json.dumps(outcome) + "\n").encode())
    os._exit(0)


def round_of(reader: Reader, inputs: list[bytes]) -> list[str]:
    """The outcome of each input; a process that dies took the next one with it."""
    with tempfile.TemporaryDirectory() as name:
        ours, theirs = os.pipe()
        process = os.fork()
        if not process:
            os.close(ours)
            child(reader, inputs, Path(name), theirs)
        os.close(theirs)
        with os.fdopen(ours, encoding="utf-8") as lines:
            outcomes = [json.loads(line) for line in lines]
        _, status = os.waitpid(process, 0)
    if len(outcomes) < len(inputs):
        outcomes.append(f"!the process ended with status {status}")
    return outcomes


class Corpus:
    """Inputs of one reader that ended in ways of their own, kept in a folder."""

    def __init__(self, folder: Path, reader: Reader):
        self.folder = folder / reader.name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seen: set[str] = set()
        self.inputs = [*reader.seeds(), *(path.read_bytes() for path in sorted(self.folder.glob("*.bin")))]

    def note(self, content: bytes, outcome: str) -> None:
        """Keep an input whose outcome is new."""
        if outcome not in self.seen and len(self.inputs) < 2000:
            self.seen.add(outcome)
            self.inputs.append(content)
            (self.folder / f"{hashlib.sha256(content).hexdigest()[:16]}.bin").write_bytes(content)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=60.0)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "diffgesture-fuzz")
    parser.add_argument("--corpus", type=Path, default=cache)
    parser.add_argument("--seed", type=int, help="(default: drawn)")
    parser.add_argument("--reader", action="append", choices=[reader.name for reader in READERS])
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    rng = random.Random(seed)
    chosen = [reader for reader in READERS if not options.reader or reader.name in options.reader]
    corpora = {reader.name: Corpus(options.corpus, reader) for reader in chosen}
    tried, findings, until = Counter[str](), 0, time.monotonic() + options.seconds
    number = 0
    while time.monotonic() < until:
        reader = chosen[number % len(chosen)]
        number += 1
        corpus = corpora[reader.name]
        count = _ROUND if reader.quick else _ROUND // 10
        inputs = [mutated(rng.choice(corpus.inputs), rng.choice(corpus.inputs), rng) for _ in range(count)]
        if number <= len(chosen):
            inputs = corpus.inputs[:count]  # what is known comes first
        while inputs:
            outcomes = round_of(reader, inputs)
            tried[reader.name] += len(outcomes)
            for content, outcome in zip(inputs, outcomes, strict=False):
                if outcome.startswith("!"):
                    findings += 1
                    path = corpus.folder / f"finding-{hashlib.sha256(content).hexdigest()[:12]}"
                    path.write_bytes(content)
                    print(f"FINDING {reader.name}: {outcome[1:]} ({path})", flush=True)
                else:
                    corpus.note(content, outcome)
            inputs = inputs[len(outcomes) :]
    for name, total in tried.items():
        print(f"{name:24} {total:8} inputs, {len(corpora[name].seen):4} ways to end")
    print(f"{sum(tried.values())} inputs, {findings} findings, seed {seed}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
