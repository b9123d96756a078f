#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a checkpoint: python backend/evaluate.py --checkpoint F --speech FOLDER --real FOLDER"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffgesture.command_line import run_command
from diffgesture.controls import parse_controls

if TYPE_CHECKING:
    from diffgesture.model.card import Card
from diffgesture.errors import ConfigError, OutputError
from diffgesture.writing import file_name, write_file


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="evaluate.py",
        description="Generate from held-out speech and measure the motion beside that of real people. What each"
        " number means is written in docs/EVALUATION.md.",
    )
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights (default: the bundled ones)")
    parser.add_argument(
        "--data", type=Path, metavar="DATASET", help="speech and real motion: its validation split"
    )
    parser.add_argument(
        "--split", default="val", choices=("val", "test", "train"), help="which part of --data (default: val)"
    )
    parser.add_argument("--speech", type=Path, metavar="FOLDER", help="speech: audio files")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="real takes to compare with: npz and audio")
    parser.add_argument("--reference", type=Path, metavar="FILE", help="a second checkpoint, preset reference")
    parser.add_argument("--legacy", action="store_true", help="the published metrics instead (needs --data)")
    parser.add_argument(
        "--windows",
        choices=("filtered", "all"),
        help="with --legacy: those that passed the published filters, as the official loader scores,"
        " or one every 10"
        " frames (default: filtered where the data set lists any)",
    )
    parser.add_argument("--autoencoder", type=Path, metavar="FILE", help="for the published FGD and Diversity")
    parser.add_argument(
        "--cues",
        nargs="?",
        type=int,
        const=20,
        metavar="ROUNDS",
        help="instead: ask for gesture cues over --speech, this often (default: 20), and see which come when",
    )
    parser.add_argument(
        "--sentences", type=Path, metavar="FILE.csv", help="instead: what a table of words proposes for these"
    )
    parser.add_argument("--word-table", type=Path, metavar="FILE.json", help="for --sentences (default: English)")
    parser.add_argument(
        "--preset",
        choices=("default", "reference"),
        help="default: default; with --legacy and a published network, reference",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(default: 0)")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the preset's)")
    parser.add_argument("--guidance", type=float, metavar="W", help="guidance scale (default: the preset's)")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="CONTROL=VALUE",
        help="other controls of docs/CONTROLS.md, such as stabilizer=none or schedule=new",
    )
    parser.add_argument(
        "--seeded",
        action="store_true",
        help="with --data and --preset reference: begin each take with its own first frames",
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips (with --legacy: windows)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write panel.json, panel.md and plots")
    parser.add_argument(
        "--video",
        action="store_true",
        help="also draw generated beside human motion of the same speech: three takes, or with"
        " --legacy five windows"
        " (needs -o)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    return parser.parse_args(arguments)


def main(arguments: argparse.Namespace) -> None:
    if arguments.sentences:
        _sentences(arguments)
        return
    if arguments.cues is not None:
        _cues(arguments)
        return
    if not arguments.data and not (arguments.speech and not arguments.legacy):
        raise ConfigError(
            "Give --data DATASET" + (" with --legacy." if arguments.legacy else " or --speech FOLDER.")
        )
    if arguments.data and arguments.speech:
        raise ConfigError("Give either --data or --speech, not both.")
    if arguments.video and not arguments.output:
        raise ConfigError("--video needs a folder to write to: add -o FOLDER.")
    if arguments.seeded and (arguments.preset != "reference" or not arguments.data or arguments.legacy):
        raise ConfigError("--seeded needs --data and --preset reference; --legacy is always seeded.")
    if arguments.limit is not None and arguments.limit < 1:
        raise ConfigError("--limit must be at least 1.")
    (_legacy if arguments.legacy else _panel)(arguments)


def _panel(arguments: argparse.Namespace) -> None:
    from diffgesture.data.dataset import Dataset
    from diffgesture.evaluation import evaluation as ev
    from diffgesture.evaluation.report import markdown_table
    from diffgesture.evaluation.takes import load_real_takes
    from diffgesture.generation.synthesis import Settings
    from diffgesture.model.checkpoint import load_checkpoint
    from diffgesture.model.devices import pick_device

    checkpoint = load_checkpoint(arguments.checkpoint, pick_device(arguments.device))
    layout = checkpoint.skeleton.name
    settings = Settings(**{**_controls(arguments), "preset": arguments.preset or "default"})
    paired = []
    if arguments.data:
        paired = ev.takes_of_dataset(Dataset(arguments.data, layout), arguments.split, arguments.limit)
    real = load_real_takes(arguments.real, layout) if arguments.real else paired
    if paired:
        speech = [ev.speech_of_take(take, arguments.seeded) for take in paired]
    else:
        speech = ev.speech_of_folder(arguments.speech, arguments.limit)
    systems = {"ours": (checkpoint, settings)}
    if arguments.reference:
        reference = load_checkpoint(arguments.reference, pick_device(arguments.device))
        systems["reference"] = (
            reference,
            Settings(**{**_controls(arguments), "preset": "reference", "guidance": None}),
        )
    generated = {
        name: ev.generate_takes(network, speech, options, _say) for name, (network, options) in systems.items()
    }
    evaluation = ev.evaluate(generated, real, "real" if arguments.real else "data", _say)
    header = _header(arguments, checkpoint.card, settings.preset)
    written = ev.write_evaluation(evaluation, arguments.output, header) if arguments.output else []
    if arguments.video:
        written += _videos(arguments, systems, generated, paired or real)
    if arguments.json:
        print(json.dumps({**header, **evaluation.as_json(), "files": [str(path) for path in written]}))
    else:
        print(markdown_table(evaluation.columns), end="")
    for path in written:
        _say(str(path))


def _videos(arguments: argparse.Namespace, systems: Any, generated: Any, human: list[Any]) -> list[Path]:
    """Generated beside given motion of the same speech, for up to three takes."""
    from diffgesture.evaluation import evaluation as ev
    from diffgesture.evaluation.side_by_side import save_comparison

    paths = []
    given = "data" if arguments.data else "human"
    checkpoint, _ = systems["ours"]
    for take in human[:3]:
        takes = {}
        for name, (network, options) in systems.items():
            known = next((own for own in generated[name] if arguments.data and own.name == take.name), None)
            takes[name] = known or ev.generate_takes(network, [ev.speech_of_take(take)], options, _say)[0]
        path = arguments.output / f"{file_name(take.name)}.mp4"
        save_comparison(path, {**takes, given: take}, checkpoint.skeleton.name, checkpoint.card.fps)
        paths.append(path)
    if not human:
        path = arguments.output / f"{file_name(generated['ours'][0].name)}.mp4"
        takes = {name: group[0] for name, group in generated.items()}
        save_comparison(path, takes, checkpoint.skeleton.name, checkpoint.card.fps)
        paths.append(path)
    return paths


def _cues(arguments: argparse.Namespace) -> None:
    from diffgesture.evaluation.cues import cue_table, evaluate_cues
    from diffgesture.evaluation.evaluation import speech_of_folder
    from diffgesture.generation.engine import Generator
    from diffgesture.generation.synthesis import Settings

    if not arguments.speech or arguments.cues < 1:
        raise ConfigError("--cues needs --speech FOLDER, and at least 1 round.")
    checkpoint = Generator().checkpoint(arguments.checkpoint, arguments.device)
    speech = speech_of_folder(arguments.speech, arguments.limit)
    settings = Settings(seed=arguments.seed, steps=arguments.steps, guidance=arguments.guidance)
    scores = evaluate_cues(checkpoint, speech, settings, arguments.cues, _say)
    if arguments.json:
        cues = {name: score.as_json() for name, score in scores.items()}
        print(json.dumps({**_header(arguments, checkpoint.card, "default"), "cues": cues}))
    else:
        print(cue_table(scores), end="")


def _sentences(arguments: argparse.Namespace) -> None:
    from diffgesture.evaluation.sentences import evaluate_sentences, read_sentences, sentence_table
    from diffgesture.words.tables import read_table, table

    chosen = read_table(arguments.word_table) if arguments.word_table else table("en")
    score = evaluate_sentences(read_sentences(arguments.sentences), chosen)
    print(json.dumps(score.__dict__) if arguments.json else sentence_table(score), end="")


def _legacy(arguments: argparse.Namespace) -> None:
    from diffgesture.data.dataset import Dataset
    from diffgesture.evaluation.legacy import (
        cut_windows,
        default_preset,
        generate_windows,
        published_metrics,
    )
    from diffgesture.evaluation.side_by_side import save_windows
    from diffgesture.generation.synthesis import Settings
    from diffgesture.model.checkpoint import load_checkpoint
    from diffgesture.model.devices import pick_device
    from diffgesture.model.embedding import load_autoencoder

    checkpoint = load_checkpoint(arguments.checkpoint, pick_device(arguments.device))
    autoencoder = load_autoencoder(arguments.autoencoder) if arguments.autoencoder else None
    dataset = Dataset(arguments.data, checkpoint.skeleton.name)
    windows = cut_windows(dataset, arguments.split, arguments.limit, arguments.windows)
    generated = generate_windows(
        checkpoint,
        windows,
        preset=arguments.preset,
        sampling=Settings(**_controls(arguments)).reference,
        seed=arguments.seed,
        report=_say,
    )
    metrics = published_metrics(generated, windows, dataset, autoencoder, arguments.seed)
    preset = arguments.preset or default_preset(checkpoint)
    result = {**_header(arguments, checkpoint.card, preset), "split": arguments.split, "windows": windows.kind}
    result["legacy"] = metrics
    if arguments.output:
        try:
            arguments.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The folder {arguments.output} cannot be made: {error.strerror or error}."
            ) from error
        write_file(arguments.output / "legacy.json", json.dumps(result, indent=1) + "\n")
    if arguments.video:
        for path in save_windows(arguments.output, generated, windows, dataset):
            _say(str(path))
    _say(f"{len(generated)} windows of the split '{arguments.split}', {windows.kind}")
    if arguments.json:
        print(json.dumps(result))
        return
    print("| published metric | value |\n|---|---|")
    for name, value in metrics.items():
        print(f"| {name} | {'undefined' if value is None else f'{value:.5g}'} |")
    if autoencoder is None:
        _say("FGD, feature distance and Diversity need --autoencoder FILE.")


def _controls(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the options and --set say about controls."""
    given: dict[str, Any] = {name: getattr(arguments, name) for name in ("seed", "steps", "guidance")}
    return {**given, **parse_controls(arguments.set)}


def _header(arguments: argparse.Namespace, card: "Card", preset: str) -> dict[str, Any]:
    return {
        "checkpoint": card.name,
        "preset": preset,
        "seed": arguments.seed,
        "steps": arguments.steps,
        "guidance": arguments.guidance,
        "set": arguments.set,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(run_command(main, parse_arguments))
