# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes out and what goes on: results, disks, commands, the worker, trainings, programs that are started."""

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import convert
import generate
import numpy as np
import prepare
import torch
import train
from diffgesture.data.dataset import DatasetWriter
from diffgesture.errors import OutputError
from diffgesture.evaluation.evaluation import Evaluation, write_evaluation
from diffgesture.model.autoencoder import MotionAE
from diffgesture.model.embedding import save_autoencoder
from diffgesture.motion.bvh import save_bvh
from diffgesture.motion.motion_file import Motion, save_motion
from diffgesture.motion.skeletons import TED, TED_EXPRESSIVE, neutral_directions
from diffgesture.motion.video import save_video
from diffgesture.training.config import Config
from diffgesture.training.progress import MetricsLog
from diffgesture.training.run_folder import RunFolder, check_same_run, settings_of_run
from diffgesture.training.state import ExponentialMovingAverage, load_state, save_state
from diffgesture.worker.server import Server
from diffgesture.writing import check_outputs, write_file

from diffgesture_blender.rig.bone_map import save_bone_map
from diffgesture_blender.rig.slots import BoneMap
from diffgesture_blender.worker import interpreter
from diffgesture_blender.worker.process import MAX_LOG_BYTES, cut_log, prepare_log, private_folder
from diffgesture_blender.writing import write_file as write_in_blender

from .table import (
    ROOT,
    Fault,
    NotAsPromised,
    can_mount,
    command,
    contents,
    full_disk,
    need,
    refused,
    sentence,
    small_disk,
)

SPEECH = ROOT / "demo" / "speech.flac"
OLD = "what was there before"


def rows() -> Iterator[Fault]:
    yield from _full_disk()
    yield from _targets()
    yield from _commands()
    yield from _lines()
    yield from _training()
    yield from _programs()


# -- a full disk -----------------------------------------------------------------------------------------------


def _motion() -> Motion:
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(900, TED.num_bones, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return Motion(directions, 15.0, "ted", 1, 60.0, "default", "x", neutral_directions(TED))


def _network_card(name: str) -> dict[str, Any]:
    mean = [0.0] * TED_EXPRESSIVE.pose_dim
    return {"name": name, "network": "motion_ae", "layout": "ted_expressive", "frame": "native", "fps": 15.0,
            "window": 34, "latent_dim": 8, "mean": mean, "licence": "x", "training": {}}  # fmt: skip


def _take(folder: Path) -> None:
    writer = DatasetWriter(folder, "ted", 15.0)
    try:
        writer.add("a", "b", "train", np.zeros(960_000), np.zeros((900, 9, 3), np.float32), "CC0", "c")
    except BaseException:
        writer.discard()
        raise


def _write_state(folder: Path) -> None:
    network = torch.nn.Linear(40, 40)
    save_state(
        folder,
        network,
        ExponentialMovingAverage(network, 0.9),
        torch.optim.Adam(network.parameters()),
        {"step": 1},
    )


def _full_disk() -> Iterator[Fault]:
    kinds: dict[str, tuple[list[str], Callable[[Path], Any]]] = {
        "motion.npz": (["m.npz"], lambda f: save_motion(f / "m.npz", _motion())),
        "motion.bvh": (["m.bvh"], lambda f: save_bvh(f / "m.bvh", _motion())),
        "video.mp4": (["m.mp4"], lambda f: save_video(f / "m.mp4", {"a": _short()}, SPEECH)),
        "weights and card": (
            ["a.safetensors", "a.json"],
            lambda f: save_autoencoder(
                f / "a.safetensors", MotionAE(pose_dim=126, latent_dim=8), _network_card("a")
            ),
        ),
        "training state": (["state.safetensors"], _write_state),
        "panel": (["panel.json", "panel.md"], lambda f: write_evaluation(_evaluation(), f, {"x": "y" * 5000})),
        "bone map of Blender": (["map.json"], lambda f: save_bone_map(f / "map.json", _bone_map())),
        "report of Blender": (["r.json"], lambda f: write_in_blender(f / "r.json", "x" * 5000)),
        "text": (["a.txt"], lambda f: write_file(f / "a.txt", "x" * 5000)),
    }
    for name, (targets, work) in kinds.items():
        yield Fault("full disk", name, lambda folder, t=targets, w=work: _without_room(folder, t, w))
    if can_mount():
        for name, (targets, work) in kinds.items():
            yield Fault("small disk", name, lambda folder, t=targets, w=work: _on_small_disk(folder, t, w))
    yield Fault(
        "full disk", "data set", lambda folder: _without_room(folder, ["directions.npy", "dataset.json"], _take)
    )


def _metrics(folder: Path, step: int) -> MetricsLog:
    return MetricsLog(folder, step, Config(layout="ted"), lambda line: None)


def _short() -> Motion:
    from dataclasses import replace

    motion = _motion()
    return replace(motion, directions=motion.directions[:30], audio_seconds=2.0)


def _evaluation() -> Evaluation:
    return Evaluation({}, [], "real")


def _bone_map() -> BoneMap:
    return BoneMap(family="x", source="custom", slots={f"spine{k}": ("bone" * 20,) for k in range(50)})


def _without_room(folder: Path, targets: list[str], work: Callable[[Path], Any]) -> tuple[str, str]:
    for name in targets:
        (folder / name).write_text(OLD)
    with full_disk():
        told, _ = refused(lambda: work(folder), folder)
    need(all((folder / name).read_text() == OLD for name in targets), "an old file has changed")
    return told, "the old " + " and ".join(targets)


def _on_small_disk(folder: Path, targets: list[str], work: Callable[[Path], Any]) -> tuple[str, str]:
    """The same on a real disk that is full but for a few pages."""
    disk = folder / "disk"
    disk.mkdir()
    with small_disk(disk):
        for name in targets:
            (disk / name).write_text(OLD)
        with suppress(OSError), (disk / "fill").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        told, _ = refused(lambda: work(disk), disk)
        need(all((disk / name).read_text() == OLD for name in targets), "an old file has changed")
    need("disk is full" in told or "No space" in told, told)
    return told, "the old " + " and ".join(targets)


def _killed(folder: Path) -> tuple[str, str]:
    """A process that is killed while it writes."""
    (folder / "m.npz").write_text(OLD)
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from diffgesture.writing import written\n"
        "with written(sys.argv[2]) as (part,):\n"
        "    part.write_bytes(b'half'); print('writing', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", code, str(ROOT / "backend"), str(folder / "m.npz")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    need((folder / "m.npz").read_text() == OLD, "the old file has changed")
    return "(it was killed)", "the old m.npz"


# -- targets ---------------------------------------------------------------------------------------------------


def _targets() -> Iterator[Fault]:
    def checked(
        name: str, prepare_folder: Callable[[Path], None] = lambda _: None
    ) -> Callable[[Path], tuple[str, str]]:
        def play(folder: Path) -> tuple[str, str]:
            prepare_folder(folder)
            return refused(lambda: check_outputs([folder / name], [folder / "speech.wav"]), folder)

        return play

    def readonly(folder: Path) -> None:
        (folder / "m.npz").write_text(OLD)
        (folder / "m.npz").chmod(0o444)

    cases: dict[str, tuple[str, Callable[[Path], None]]] = {
        "a folder": ("m.npz", lambda f: (f / "m.npz").mkdir()),
        "a folder that is missing": ("no/m.npz", lambda _: None),
        "a folder that is a file": ("a/m.npz", lambda f: (f / "a").write_text("x") and None),
        "a read-only file": ("m.npz", readonly),
        "a pipe": ("m.npz", lambda f: os.mkfifo(f / "m.npz")),
        "a name of 300 letters": ("x" * 300, lambda _: None),
        "a name with a zero": ("a\0b", lambda _: None),
        "the recording": ("speech.wav", lambda f: (f / "speech.wav").write_text("x") and None),
        "a link to the recording": ("m.npz", _links),
        "a hard link to the recording": ("m.npz", lambda f: _links(f, hard=True)),
        "links in a circle": ("m.npz", lambda f: (f / "m.npz").symlink_to(f / "m.npz")),
    }
    for name, (target, prepare_folder) in cases.items():
        yield Fault("target", name, checked(target, prepare_folder))
    yield Fault("target", "a device", lambda f: refused(lambda: write_file("/dev/null", "x"), f))
    yield Fault("target", "a folder of the system", lambda f: refused(lambda: write_file("/proc/x.npz", "x"), f))
    yield Fault("target", "two results, one file", lambda f: refused(lambda: check_outputs([f / "a", f / "A"]), f))


def _links(folder: Path, hard: bool = False) -> None:
    (folder / "speech.wav").write_text("x")
    if hard:
        os.link(folder / "speech.wav", folder / "m.npz")
    else:
        (folder / "m.npz").symlink_to(folder / "speech.wav")


# -- commands --------------------------------------------------------------------------------------------------


def _commands() -> Iterator[Fault]:
    def play(program: Any, *arguments: Any) -> Callable[[Path], tuple[str, str]]:
        def run(folder: Path) -> tuple[str, str]:
            (folder / "speech.flac").write_bytes(SPEECH.read_bytes())
            return command(program, [a(folder) if callable(a) else a for a in arguments], folder)

        return run

    def at(name: str) -> Callable[[Path], Path]:
        return lambda folder: folder / name

    npz, speech = ("-o", at("m.npz")), at("speech.flac")
    cases = {
        "-o is the recording": (speech, "-o", speech),
        "--bvh is the recording": (speech, *npz, "--bvh", speech),
        "-o is a text": (speech, "-o", at("m.txt")),
        "--bvh is -o": (speech, *npz, "--bvh", at("m.npz")),
        "seed -1": (speech, *npz, "--seed=-1"),
        "seed 2^31": (speech, *npz, "--seed=2147483648"),
        "seed of 400 digits": (speech, *npz, "--seed=" + "9" * 400),
        "seed 1.5": (speech, *npz, "--seed=1.5"),
        "steps 0": (speech, *npz, "--steps=0"),
        "steps 10^9": (speech, *npz, "--steps=1000000000"),
        "guidance NaN": (speech, *npz, "--guidance=nan"),
        "intensity infinite": (speech, *npz, "--intensity=inf"),
        "no variation": (speech, *npz, "--variations=0"),
        "10^9 variations": (speech, *npz, "--variations=1000000000"),
        "an unknown amount": (speech, *npz, "--amount", "tail=1"),
        "an amount of text": (speech, *npz, "--amount", "head=x"),
        "a cue without a time": (speech, *npz, "--cues", "you"),
        "a cue at NaN": (speech, *npz, "--cues", "nan:you"),
        "a cue file that is not there": (speech, *npz, "--cues", "no.json"),
        "--keep without --regenerate": (speech, *npz, "--keep", at("a.npz")),
        "--keep of nothing": (speech, *npz, "--keep", at("a.npz"), "--regenerate", "0", "1"),
        "an unknown device": (speech, *npz, "--device", "toaster", "--engine", "torch"),
        "a name of 300 letters": ("x" * 300 + ".wav", *npz),
        "a recording that is a folder": (lambda f: f, *npz),
        "a checkpoint that is a text": (speech, *npz, "--checkpoint", speech),
        "a transcript that is a sound": (speech, *npz, "--transcript", lambda f: f),
    }
    for name, arguments in cases.items():
        yield Fault("generate.py", name, play(generate, *arguments))
    yield Fault("convert.py", "a recording", play(convert, speech, "-o", at("m.safetensors")))
    yield Fault("convert.py", "-o is a text", play(convert, speech, "-o", at("m.txt")))
    yield Fault(
        "train.py", "no configuration", play(train, "--config", at("c.toml"), "--data", at("d"), "-o", at("r"))
    )
    default = ROOT / "backend" / "configs" / "default.toml"
    yield Fault("train.py", "no data", play(train, "--config", default, "--data", at("d"), "-o", at("r")))
    for name in ("compose", "held-out", "strokes"):
        yield Fault("prepare.py", f"{name} into a file", _prepare(name, ".", "speech.flac"))
    for name in ("bvh", "npz", "beat2", "ted-lmdb"):
        yield Fault("prepare.py", f"{name} into a file", _prepare(name, ".", "speech.flac"))
        yield Fault("prepare.py", f"{name} with the seed -1", _prepare(name, ".", "new", "--seed=-1"))
        yield Fault("prepare.py", f"{name} of a folder that is not there", _prepare(name, "no"))
        yield Fault("prepare.py", f"{name} of an empty folder", _prepare(name, "."))


def _prepare(name: str, source: str, output: str = "new", *more: str) -> Callable[[Path], tuple[str, str]]:
    class Program:
        parse_arguments = staticmethod(prepare.parse_arguments)
        main = staticmethod(prepare._run)

    def play(folder: Path) -> tuple[str, str]:
        (folder / "speech.flac").write_bytes(b"x")
        return command(Program, [name, folder / source, "-o", folder / output, *more], folder)

    return play


# -- lines of the worker ---------------------------------------------------------------------------------------


def _call(method: str, params: Any, identity: Any = 1) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})


def _lines() -> Iterator[Fault]:
    generate_with = {"audio": str(SPEECH), "output_dir": "/tmp"}
    lines = {
        "no JSON": "{",
        "100,000 brackets": "[" * 100_000,
        "a number": "5",
        "a list": "[]",
        "text": '"x"',
        "null": "null",
        "no method": "{}",
        "a method that is a list": '{"id": 1, "method": []}',
        "an unknown method": _call("salto", {}),
        "parameters that are a list": _call("hello", [1]),
        "parameters that are a text": _call("hello", "x"),
        "parameters that are false": _call("hello", False),
        "an id that is a list": '{"id": [1], "method": "hello"}',
        "an id that is a table": '{"id": {}, "method": "hello"}',
        "an id that is a fraction": '{"id": 1.5, "method": "hello"}',
        "a surrogate": '{"id": "\\ud800", "method": "\\ud800"}',
        "an endless number": '{"id": 1, "method": "hello", "params": {"engine": 1e999}}',
        "a number of 5000 digits": '{"id": ' + "9" * 5000 + ', "method": "hello"}',
        "an engine that is a list": _call("hello", {"engine": []}),
        "a checkpoint that is a number": _call("hello", {"checkpoint": 5}),
        "generate nothing": _call("generate", {}),
        "audio that is a table": _call("generate", {"audio": {}, "output_dir": "/tmp"}),
        "a folder that is not there": _call("generate", {**generate_with, "output_dir": "/no/where"}),
        "seed of text": _call("generate", {**generate_with, "seed": "x"}),
        "seed of 400 digits": '{"id": 1, "method": "generate", "params": {"audio": "a", "output_dir": "/tmp", '
        '"seed": ' + "9" * 400 + "}}",
        "variations of 2.5": _call("generate", {**generate_with, "variations": 2.5}),
        "variations that are true": _call("generate", {**generate_with, "variations": True}),
        "a start of NaN": '{"id": 1, "method": "generate", "params": {"audio": "a", "output_dir": "/tmp", '
        '"audio_start": NaN}}',
        "a start of text": _call("generate", {**generate_with, "audio_start": "x"}),
        "a device that is a list": _call("generate", {**generate_with, "device": []}),
        "an unknown parameter": _call("generate", {**generate_with, "salto": 1}),
        "cues that are a number": _call("generate", {**generate_with, "cues": 5}),
        "cues without end": _call("generate", {**generate_with, "cues": [["you", 10**400]]}),
        "amounts that are a list": _call("generate", {**generate_with, "amount": [1]}),
        "constraints that are not there": _call("generate", {**generate_with, "constraints": "/no.npz"}),
        "a BVH of nothing": _call("bvh", {}),
        "a BVH of a text": _call("bvh", {"motion": str(SPEECH), "output_dir": "/tmp"}),
        "cues of a start that is a text": _call(
            "find_cues", {"audio": str(SPEECH), "transcript": str(SPEECH), "audio_start": "x"}
        ),
        "cancel of a list": _call("cancel", {"id": [1]}),
        "cancel of nothing": _call("cancel", {}),
    }
    for name, line in lines.items():
        yield Fault("worker's line", name, lambda folder, text=line: _line(folder, text))


def _line(folder: Path, line: str) -> tuple[str, str]:
    """The line is answered by an error that is not internal, and the next one as ever."""
    before = contents(folder)
    output = io.StringIO()
    errors = io.StringIO()
    kept, sys.stderr = sys.stderr, errors
    try:
        Server(output).serve(io.StringIO(f"{line}\n{_call('bvh', {}, 'after')}\n"))
    finally:
        sys.stderr = kept
    answers = [json.loads(text) for text in output.getvalue().splitlines()]
    after = [answer for answer in answers if answer.get("id") == "after"]
    need(len(after) == 1 and "error" in after[0], f"the next line was answered by {after}")
    first = [answer for answer in answers if "method" not in answer and answer.get("id") != "after"]
    need(len(first) == 1, f"the line was answered by {first}")
    need(contents(folder) == before, "files have changed")
    if "result" in first[0]:
        need("cancel" in line, f"it was accepted: {str(first[0])[:100]}")
        return json.dumps(first[0]["result"]), "the worker"
    error = first[0]["error"]
    need((error.get("data") or {}).get("type") != "internal", str(error)[:300])
    return f"{error['code']}: {error['message'][:200]}", "the worker"


# -- trainings -------------------------------------------------------------------------------------------------


def _training() -> Iterator[Fault]:
    yield Fault("training", "a folder that holds a run", _second_run)
    yield Fault("training", "two at once in a folder", _two_at_once)
    yield Fault("training", "resumed with another learning rate", _other_run)
    yield Fault("training", "the newest state is cut off", lambda f: _damaged_state(f, lambda data: data[:-100]))
    yield Fault("training", "a bit of the newest state has changed", lambda f: _damaged_state(f, _flipped))
    yield Fault("training", "both states are damaged", _no_state)
    yield Fault(
        "training",
        "nothing to resume",
        lambda f: refused(lambda: RunFolder(f / "no", resume=True, overwrite=False), f),
    )
    yield Fault("training", "a line of the metrics is cut off", _cut_metrics)
    yield Fault("full disk", "metrics of a training", _metrics_without_room)
    yield Fault("kill", "while a result is written", _killed)


def _second_run(folder: Path) -> tuple[str, str]:
    (folder / "model.safetensors").write_text(OLD)
    (folder / "run.lock").write_text("")
    return refused(lambda: RunFolder(folder, resume=False, overwrite=False), folder)


def _two_at_once(folder: Path) -> tuple[str, str]:
    first = RunFolder(folder, resume=False, overwrite=False)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom diffgesture.errors import GestureError\n"
        "from diffgesture.training.run_folder import RunFolder\n"
        "try:\n    RunFolder(Path(sys.argv[2]), resume=True, overwrite=False)\n"
        "except GestureError as error:\n    print(error)"
    )
    words = [sys.executable, "-c", code, str(ROOT / "backend"), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    first.release()
    need("Another training runs" in done.stdout, done.stderr[-300:])
    return done.stdout.strip(), "the first run"


def _other_run(folder: Path) -> tuple[str, str]:
    begun = settings_of_run(Config(layout="ted"))
    return refused(lambda: check_same_run(folder, Config(layout="ted", learning_rate=1.0), begun), folder)


def _states(folder: Path) -> torch.nn.Linear:
    network = torch.nn.Linear(4, 4)
    for step in (1, 2):
        with torch.no_grad():
            network.weight.fill_(step)
        save_state(
            folder,
            network,
            ExponentialMovingAverage(network, 0.9),
            torch.optim.Adam(network.parameters()),
            {"step": step},
        )
    return network


def _load(folder: Path, network: torch.nn.Linear, told: list[str]) -> dict[str, Any]:
    ema = ExponentialMovingAverage(network, 0.9)
    return load_state(folder, network, ema, torch.optim.Adam(network.parameters()), told.append)


def _flipped(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 64]) + data[-4:]


def _damaged_state(folder: Path, damage: Callable[[bytes], bytes]) -> tuple[str, str]:
    network, told = _states(folder), []
    path = folder / "state.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    progress = _load(folder, network, told)
    need(progress["step"] == 1 and float(network.weight[0, 0]) == 1.0, "the older state was not used")
    need(len(told) == 1, "it was not said")
    return told[0], "the state before"


def _no_state(folder: Path) -> tuple[str, str]:
    network = _states(folder)
    for name in ("state.safetensors", "state.previous.safetensors"):
        (folder / name).write_bytes(b"x")
    return refused(lambda: _load(folder, network, []), folder)


def _cut_metrics(folder: Path) -> tuple[str, str]:
    (folder / "metrics.jsonl").write_bytes(b'{"step": 1}\n{"step": 9}\n{"st\xff')
    _metrics(folder, 5)
    need((folder / "metrics.jsonl").read_text() == '{"step": 1}\n', "other lines were kept")
    return "(nothing)", "the steps of this run"


def _metrics_without_room(folder: Path) -> tuple[str, str]:
    (folder / "metrics.jsonl").write_text('{"step": 1}\n')
    log = _metrics(folder, 1)
    before = set(contents(folder))
    try:
        with full_disk():
            log.add(2, text="x" * 5000)
    except OutputError as error:
        told = sentence(error)
    else:
        raise NotAsPromised("it was accepted")
    need(set(contents(folder)) == before, "files have changed")
    need((folder / "metrics.jsonl").read_text().startswith('{"step": 1}\n'), "the lines before are lost")
    return told, "the lines before"


# -- programs, logs --------------------------------------------------------------------------------------------


def _program(folder: Path, text: str) -> str:
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def _programs() -> Iterator[Fault]:
    found = 'echo \'diffgesture-probe {"version": [3, 11, 0], "executable": "x", "missing": []}\''
    scripts = {
        "says nothing": "true",
        "ends with 1": "exit 1",
        "says nonsense": "echo diffgesture-probe nonsense",
        "says a list": "echo 'diffgesture-probe []'",
        "says versions of text": 'echo \'diffgesture-probe {"version": "x", "missing": []}\'',
        "is too old": 'echo \'diffgesture-probe {"version": [3, 6, 0], "executable": "x", "missing": []}\'',
        "has a torch that cannot be loaded": f'{found}; echo \'diffgesture-imports {{"torch": "WinError 126"}}\'',
        "has a torch that ends the process": f"{found}; exit 139",
        "leaves a child that holds its output": "sleep 20 & exit 1",
        "says 2000 levels": "echo 'diffgesture-probe " + "[" * 2000 + "'",
    }
    for name, script in scripts.items():
        yield Fault(
            "Python",
            name,
            lambda folder, text=script: refused(partial(interpreter.probe, _program(folder, text)), folder),
        )
    yield Fault("Python", "is a folder", lambda f: refused(lambda: interpreter.probe(str(f)), f))
    yield Fault("Python", "is a text that does not run", _text_as_program)
    yield Fault("Python", "lies in the current folder", _current_folder)
    yield Fault("log", "others may write in its folder", lambda f: _shared_folder(f, "open"))
    yield Fault("log", "its folder is a link", lambda f: _shared_folder(f, "link"))
    yield Fault("log", "a link lies in its place", _linked_log)
    yield Fault("log", "grows without end", _long_log)


def _text_as_program(folder: Path) -> tuple[str, str]:
    (folder / "python3").write_text("hello")
    (folder / "python3").chmod(0o755)
    return refused(lambda: interpreter.probe(str(folder / "python3")), folder)


def _current_folder(folder: Path) -> tuple[str, str]:
    _program(folder, "touch ran")
    here = os.getcwd()
    os.chdir(folder)
    try:
        for path in ("", ".", "./", f":{'.'}:"):
            need(not interpreter.candidates({"PATH": path}), f"found with PATH={path!r}")
        found = interpreter.candidates({}, which=lambda name: name)  # what Windows' search gives
    finally:
        os.chdir(here)
    need(not found and not (folder / "ran").exists(), f"taken: {found}")
    return "(it is not looked at)", "everything"


def _shared_folder(folder: Path, how: str) -> tuple[str, str]:
    target = folder / "logs"
    if how == "link":
        (folder / "elsewhere").mkdir()
        target.symlink_to(folder / "elsewhere")
    else:
        target.mkdir()
        target.chmod(0o777)
    need(private_folder(target) is None, "it was used")
    fresh = private_folder(folder / "own")
    need(fresh and stat.S_IMODE(fresh.stat().st_mode) == 0o700, "the own folder is open to others")
    return "(a folder of this user's own is used)", "everything"


def _linked_log(folder: Path) -> tuple[str, str]:
    (folder / "precious").write_text(OLD)
    logs = folder / "logs"
    logs.mkdir()
    (logs / f"worker-{os.getpid()}.log").symlink_to(folder / "precious")
    prepare_log(logs, "worker")
    need((folder / "precious").read_text() == OLD, "what the link points to has changed")
    return "(a new log)", "what the link points to"


def _long_log(folder: Path) -> tuple[str, str]:
    log = folder / "a.log"
    log.write_bytes(b"x" * (MAX_LOG_BYTES + 1) + b"the end")
    need(cut_log(log) and log.stat().st_size < MAX_LOG_BYTES, "it was not cut")
    need(log.read_bytes().endswith(b"the end"), "the end is lost")
    return "(a remark in the log)", "its end"
