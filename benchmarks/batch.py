# SPDX-License-Identifier: GPL-3.0-or-later
"""Many clips through `batch` (Linux): killed half-way, begun again, one clip corrupt; then through `openjd run`.

    python benchmarks/batch.py [--clips 200] [--farm] [--blender PROGRAM] [--formats npz,bvh]
    python benchmarks/batch.py --seconds 20 --clips 10 --steady      # seconds a clip

Without ``--blender`` this Python's own bpy is Blender. Prints what was done how often, and the memory of Blender
and its backend. The recordings are pieces of demo/speech.flac; the characters two mannequins.
"""

import argparse
import collections
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import wave
from pathlib import Path
from typing import Any

import bpy  # noqa: F401 (brings aud)

import aud  # isort: skip
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CORRUPT = "clip_100"
CAST = ("--armature", "Ann", "--armature", "Bob")

STAGE = """
import sys
sys.path.insert(0, {root!r})
import bpy
from diffgesture_blender.mannequin.create import create_mannequin
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
for place, name in enumerate(("Ann", "Bob")):
    create_mannequin(bpy.context, name).location.x = place
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
"""
# Called as a whole Blender is: -b FILE --command diffgesture ARGUMENTS
BLENDER = """#!{python}
import sys
sys.path.insert(0, {root!r})
import bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[2])
from diffgesture_blender.cli import command
sys.exit(command.main(sys.argv[5:]))
"""


def make_clips(folder: Path, count: int, seconds: float | None) -> None:
    """``count`` recordings, of 3 to 6 s unless ``seconds`` is given."""
    sound = aud.Sound(str(ROOT / "demo" / "speech.flac"))
    speech, rate = sound.data()[:, 0], int(sound.specs[0])
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(1, count + 1):
        length = round((seconds or rng.uniform(3, 6)) * rate)
        start = rng.integers(0, len(speech) - length + 1)
        with wave.open(str(folder / f"clip_{number:03}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes((speech[start : start + length] * 32767).astype("<i2").tobytes())


def memory(pid: int) -> tuple[float, float]:
    """MB of a process, and of the processes that it has started."""

    def own(process: int) -> float:
        text = Path(f"/proc/{process}/status").read_text()
        return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS")), 0.0)

    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return own(pid), sum(map(own, children))


class Run:
    """One process whose lines of JSON are counted and whose memory is looked at with each."""

    def __init__(self, command: list[str], kill_after: int | None = None) -> None:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stderr is not None
        errors: list[str] = []
        reader = threading.Thread(target=lambda: errors.extend(process.stderr), daemon=True)
        reader.start()
        self.lines: list[dict[str, Any]] = []
        self.memory: list[tuple[int, float, float]] = []
        for text in process.stdout:
            if "{" not in text or '"job"' not in text:
                continue
            line = json.loads(text[text.index("{") :])
            if "job" not in line:  # the summary
                continue
            self.lines.append(line)
            if len(self.lines) in (1, 10) or len(self.lines) % 50 == 0:
                self.memory.append((len(self.lines), *memory(process.pid)))
            if len(self.lines) == kill_after:
                process.send_signal(signal.SIGKILL)
        self.code = process.wait()
        reader.join()
        self.errors, self.seconds = "".join(errors), time.monotonic() - started

    def statuses(self) -> collections.Counter[str]:
        return collections.Counter(line["status"] for line in self.lines)

    def print(self, what: str) -> None:
        failed = [line["job"] for line in self.lines if line["status"] == "error"]
        print(f"{what}: exit code {self.code}, {dict(self.statuses())}, {self.seconds:.1f} s, failed: {failed}")
        for number, blender, backend in self.memory:
            print(f"    after {number}: Blender {blender:.0f} MB, backend {backend:.0f} MB", flush=True)


def killed_and_resumed(blender: str, cast: Path, clips: Path, out: Path, formats: str, total: int) -> None:
    """The whole list, killed with SIGKILL half-way, then again, then once more."""
    command = [blender, "-b", str(cast), "--command", "diffgesture", "batch", str(clips), "--output", str(out)]
    command += ["--formats", formats, *CAST]
    first = Run(command, kill_after=total // 2)
    first.print("killed half-way")
    second = Run(command)
    second.print("begun again")
    third = Run(command)
    third.print("once more")
    lines = [line for run in (first, second, third) for line in run.lines]
    done = collections.Counter(line["job"] for line in lines if line["status"] == "ok")
    print(f"done: {len(done)} jobs of {total}, the most often done one {max(done.values())} times")
    print(f"left over in {out.name}: {[path.name for path in out.iterdir() if path.name.startswith('.')]}")
    for line in second.errors.splitlines():
        if line.startswith("diffgesture:"):
            print("   ", line)


def farm(blender: str, cast: Path, clips: Path, out: Path, formats: str, total: int) -> None:
    """The same list by the Open Job Description template, in ten parts."""
    parameters = {
        "BlendFile": cast,
        "Jobs": clips,
        "OutputFolder": out,
        "Count": total,
        "Parts": 10,
        "Formats": formats,
        "Options": " ".join(CAST),
        "Blender": blender,
    }
    words = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    program = [sys.executable, "-c", "import sys; from openjd.cli import main; sys.exit(main())"]
    template = str(ROOT / "docs" / "farm" / "batch.template.yaml")
    for what in ("openjd run", "openjd run again"):
        run = Run([*program, "run", template, "--step", "Check", "--run-dependencies", *words])
        run.memory = []
        run.print(what)
    names = [json.loads(path.read_text())["status"] for path in out.glob("*.json")]
    print(f"records: {dict(collections.Counter(names))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seconds", type=float, help="length of each clip (default: 3 to 6)")
    parser.add_argument("--formats", default="npz,bvh")
    parser.add_argument("--blender", help="a whole Blender with the extension installed")
    parser.add_argument("--farm", action="store_true", help="through openjd instead")
    parser.add_argument("--jobs", type=int, default=1, help="Blenders side by side, with --steady")
    parser.add_argument("--steady", action="store_true", help="only seconds a clip, nothing killed or corrupt")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = folder / "blender"
        program.write_text(BLENDER.format(python=sys.executable, root=str(ROOT)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        (folder / "stage.py").write_text(STAGE.format(root=str(ROOT)))
        cast = folder / "cast.blend"
        subprocess.run(
            [sys.executable, str(folder / "stage.py"), str(cast)], check=True, stdout=subprocess.DEVNULL
        )
        make_clips(folder / "clips", options.clips, options.seconds)
        blender, out, total = options.blender or str(program), folder / "out", options.clips * 2
        if options.steady:
            command = [blender, "-b", str(cast), "--command", "diffgesture", "batch", str(folder / "clips")]
            command += ["--output", str(out), "--formats", options.formats, f"--jobs={options.jobs}", *CAST]
            run = Run(command)
            run.print("steady")
            median = np.median([line["seconds"] for line in run.lines])
            print(f"{median:.2f} s a clip, {run.seconds / total:.2f} with the start ({os.cpu_count()} cores)")
            return
        (folder / "clips" / f"{CORRUPT}.wav").write_bytes(b"RIFF\x10\x00\x00\x00WAVEjunk" + bytes(range(256)))
        (farm if options.farm else killed_and_resumed)(
            blender, cast, folder / "clips", out, options.formats, total
        )


if __name__ == "__main__":
    main()
