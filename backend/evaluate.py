#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure checkpoints and motion files: python backend/evaluate.py --checkpoint F --speech FOLDER --real FOLDER"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffgesture.command_line import run_command
from diffgesture.controls import parse_controls
from diffgesture.errors import ConfigError, OutputError
from diffgesture.writing import check_folder, file_name, write_file

if TYPE_CHECKING:
    from diffgesture.model.card import Card


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="evaluate.py",
        description="Generate from held-out speech, or take motion files of any system, and measure the motion"
        " beside that of real people. What each number means is written in docs/EVALUATION.md.",
    )
    what = parser.add_argument_group("what is measured")
    what.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights (default: the bundled ones)")
    what.add_argument("--reference", type=Path, metavar="FILE", help="a second checkpoint, preset reference")
    what.add_argument(
        "--motions",
        nargs="+",
        action="extend",
        default=[],
        metavar="[NAME=]FOLDER",
        help="motion files of other systems (our npz, BVH, SMPL-X npz), with speech of the same names",
    )
    what.add_argument(
        "--baselines",
        nargs="*",
        choices=("static", "nearest", "random"),
        metavar="NAME",
        help="with --data: a static pose, the training clip with the nearest speech, another clip (default: all)",
    )
    against = parser.add_argument_group("against what")
    against.add_argument("--data", type=Path, metavar="DATASET", help="speech and real motion: a split of it")
    against.add_argument(
        "--split", default="val", choices=("val", "test", "train"), help="which part of --data (default: val)"
    )
    against.add_argument(
        "--seconds", nargs=2, type=float, metavar=("MIN", "MAX"), help="of --data only takes of such a length"
    )
    against.add_argument("--speech", type=Path, metavar="FOLDER", help="speech: audio files")
    against.add_argument("--real", type=Path, metavar="FOLDER", help="real takes to compare with: npz and audio")
    published = parser.add_argument_group("published metrics")
    published.add_argument("--legacy", action="store_true", help="the published metrics instead (needs --data)")
    published.add_argument(
        "--windows",
        choices=("filtered", "all"),
        help="those that passed the published filters, as the official loader scores, or one every 10 frames"
        " (default: filtered where the data set lists any)",
    )
    published.add_argument("--autoencoder", type=Path, metavar="FILE", help="for the published FGD and Diversity")
    published.add_argument(
        "--as-published",
        action="store_true",
        help="with --legacy: keep what the official script does by oversight, batch normalisation by"
        " the statistics of"
        " batches of 128 windows and no incomplete last batch",
    )
    published.add_argument(
        "--all-measures",
        action="store_true",
        help="with --data: the panel, and below it the published metrics of windows cut out of the same takes",
    )
    words = parser.add_argument_group("gestures by words")
    words.add_argument(
        "--cues",
        nargs="?",
        type=int,
        const=20,
        metavar="ROUNDS",
        help="instead: ask for gesture cues over --speech, this often (default: 20), and see which come when",
    )
    words.add_argument(
        "--sentences", type=Path, metavar="FILE.csv", help="instead: what a table of words proposes for these"
    )
    words.add_argument("--word-table", type=Path, metavar="FILE.json", help="for --sentences (default: English)")
    how = parser.add_argument_group("how it is generated")
    how.add_argument(
        "--preset",
        choices=("default", "reference"),
        help="default: default; with --legacy and a published network, reference",
    )
    how.add_argument("--seed", type=int, default=0, metavar="N", help="(default: 0)")
    how.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the preset's)")
    how.add_argument("--guidance", type=float, metavar="W", help="guidance scale (default: the preset's)")
    how.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="CONTROL=VALUE",
        help="other controls of docs/CONTROLS.md, such as stabilizer=none or schedule=new",
    )
    how.add_argument(
        "--seeded",
        action="store_true",
        help="with --data and --preset reference: begin each take with its own first frames",
    )
    how.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N clips (with --legacy: windows)")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write panel.json, panel.md and plots")
    parser.add_argument(
        "--video",
        action="store_true",
        help="also draw all systems beside human motion: three takes, or with --legacy five windows (needs -o)",
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
    if arguments.legacy and not arguments.data:
        raise ConfigError("Give --data DATASET with --legacy.")
    if not arguments.data and not arguments.speech and not arguments.motions:
        raise ConfigError("Give --data DATASET, --speech FOLDER or --motions FOLDER.")
    if arguments.data and arguments.speech:
        raise ConfigError("Give either --data or --speech, not both.")
    if arguments.baselines is not None and not arguments.data:
        raise ConfigError("--baselines needs --data DATASET, whose training takes they are made from.")
    if arguments.as_published and not arguments.legacy:
        raise ConfigError("--as-published goes with --legacy.")
    if arguments.all_measures and (arguments.legacy or not arguments.data):
        raise ConfigError("--all-measures needs --data DATASET and goes without --legacy.")
    if arguments.video and not arguments.output:
        raise ConfigError("--video needs a folder to write to: add -o FOLDER.")
    if arguments.seeded and (arguments.preset != "reference" or not arguments.data or arguments.legacy):
        raise ConfigError("--seeded needs --data and --preset reference; --legacy is always seeded.")
    if arguments.limit is not None and arguments.limit < 1:
        raise ConfigError("--limit must be at least 1.")
    if arguments.output:
        check_folder(arguments.output)
    (_legacy if arguments.legacy else _panel)(arguments)


def _networks(arguments: argparse.Namespace) -> dict[str, Any]:
    """Checkpoints by name; none where only motion files are measured."""
    from diffgesture.model.checkpoint import load_checkpoint
    from diffgesture.model.devices import pick_device

    if arguments.checkpoint is None and arguments.motions:
        return {}
    networks = {"ours": load_checkpoint(arguments.checkpoint, pick_device(arguments.device))}
    if arguments.reference:
        networks["reference"] = load_checkpoint(arguments.reference, pick_device(arguments.device))
    return networks


def _preset(networks: dict[str, Any]) -> str:
    """Recurrent networks know the preset reference alone."""
    return "reference" if networks and networks["ours"].card.is_recurrent else "default"


def _baselines(arguments: argparse.Namespace) -> list[str]:
    from diffgesture.evaluation.baselines import BASELINES

    return [] if arguments.baselines is None else arguments.baselines or list(BASELINES)


def _panel(arguments: argparse.Namespace) -> None:
    from diffgesture.data.dataset import Dataset
    from diffgesture.evaluation import evaluation as ev
    from diffgesture.evaluation.baselines import baseline_takes
    from diffgesture.evaluation.report import markdown_table
    from diffgesture.evaluation.systems import motions_of, named_paths, per_system
    from diffgesture.evaluation.takes import load_real_takes
    from diffgesture.generation.synthesis import Settings

    networks = _networks(arguments)
    dataset = Dataset(arguments.data) if arguments.data else None
    layout = next(iter(networks.values())).skeleton.name if networks else None
    if dataset is not None and layout not in (None, dataset.layout):
        Dataset(arguments.data, layout)  # says what is wrong
    layout = layout or (dataset.layout if dataset else "ted_expressive")
    paired = []
    if dataset:
        paired = ev.takes_of_dataset(dataset, arguments.split, arguments.limit, arguments.seconds)
    real = load_real_takes(arguments.real, layout) if arguments.real else paired
    if paired:
        speech = [ev.speech_of_take(take, arguments.seeded) for take in paired]
    else:
        speech = ev.speech_of_folder(arguments.speech, arguments.limit) if arguments.speech else []
    controls = _controls(arguments)
    settings = {
        "ours": Settings(**{**controls, "preset": arguments.preset or _preset(networks)}),
        "reference": Settings(**{**controls, "preset": "reference", "guidance": None}),
    }
    systems = {
        name: ev.generate_takes(network, speech, settings[name], _say) for name, network in networks.items()
    }
    for name, folder in named_paths(arguments.motions, "--motions").items():
        systems[name] = motions_of(folder, layout, speech)
    for name in _baselines(arguments):
        assert dataset is not None
        systems[name] = baseline_takes(name, paired, dataset)
    evaluation = ev.evaluate(systems, real, "real" if arguments.real else "data", _say)
    card = networks["ours"].card if networks else None
    header = _header(arguments, card, settings["ours"].preset)
    written = ev.write_evaluation(evaluation, arguments.output, header) if arguments.output else []
    if arguments.video:
        if networks and not paired and real:
            for name, network in networks.items():  # the people's own speech
                own = [ev.speech_of_take(take) for take in real[:3]]
                systems[name] = ev.generate_takes(network, own, settings[name], _say)
        written += _videos(arguments.output, systems, "data" if dataset else "human", paired or real, layout)
    published = _published(arguments, dataset, systems) if arguments.all_measures else {}
    if published:
        header["published"] = published
        if arguments.output:
            write_file(arguments.output / "published.md", per_system(published))
            written.append(arguments.output / "published.md")
    if arguments.json:
        print(json.dumps({**header, **evaluation.as_json(), "files": [str(path) for path in written]}))
    else:
        print(markdown_table(evaluation.columns), end="")
        if published:
            print("\n" + per_system(published), end="")
    for path in written:
        _say(str(path))


def _published(arguments: argparse.Namespace, dataset: Any, systems: dict[str, Any]) -> dict[str, Any]:
    """Published metrics of what the systems did in whole takes, in the windows that `--legacy` scores."""
    from diffgesture.evaluation.legacy import cut_windows, published_metrics
    from diffgesture.evaluation.paper_table import people
    from diffgesture.evaluation.systems import windows_of_takes
    from diffgesture.model.embedding import load_autoencoder

    autoencoder = load_autoencoder(arguments.autoencoder) if arguments.autoencoder else None
    names = {file_name(take.name) for takes in systems.values() for take in takes}
    windows = cut_windows(dataset, arguments.split, kind=arguments.windows, takes=names)
    metrics = {
        name: published_metrics(windows_of_takes(takes, windows, dataset), windows, dataset, autoencoder)
        for name, takes in systems.items()
    }
    return {**metrics, "data": people(windows, dataset, autoencoder)}


def _videos(folder: Path, systems: dict[str, Any], given: str, human: list[Any], layout: str) -> list[Path]:
    """All systems beside the people's motion of the same speech, for up to three takes."""
    from diffgesture.evaluation.side_by_side import save_comparison

    shown = [(take.name, {given: take}) for take in human[:3]] or [(next(iter(systems.values()))[0].name, {})]
    paths = []
    for name, people in shown:
        takes = {
            system: own
            for system, group in systems.items()
            if (own := next((take for take in group if file_name(take.name) == file_name(name)), None))
        }
        if not takes:
            continue
        path = folder / f"{file_name(name)}.mp4"
        save_comparison(path, {**takes, **people}, layout, next(iter(takes.values())).fps)
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
    from diffgesture.evaluation import evaluation as ev
    from diffgesture.evaluation.baselines import baseline_windows
    from diffgesture.evaluation.legacy import (
        cut_windows,
        default_preset,
        generate_windows,
        published_metrics,
        whole_batches,
    )
    from diffgesture.evaluation.side_by_side import save_windows
    from diffgesture.evaluation.systems import motions_of, named_paths, per_system, windows_of_takes
    from diffgesture.generation.synthesis import Settings
    from diffgesture.model.embedding import load_autoencoder

    networks = _networks(arguments)
    autoencoder = load_autoencoder(arguments.autoencoder) if arguments.autoencoder else None
    dataset = Dataset(arguments.data, networks["ours"].skeleton.name if networks else None)
    windows = cut_windows(dataset, arguments.split, arguments.limit, arguments.windows)
    if arguments.as_published:
        windows = whole_batches(windows)
    systems = {}
    for name, network in networks.items():
        systems[name] = generate_windows(
            network,
            windows,
            preset="reference" if name == "reference" else arguments.preset,
            sampling=Settings(**_controls(arguments)).reference,
            seed=arguments.seed,
            batch_statistics=arguments.as_published,
            report=_say,
        )
    for name, folder in named_paths(arguments.motions, "--motions").items():
        people = ev.takes_of_dataset(dataset, arguments.split)
        takes = motions_of(folder, dataset.layout, [ev.speech_of_take(take) for take in people])
        systems[name] = windows_of_takes(takes, windows, dataset)
    for name in _baselines(arguments):
        systems[name] = baseline_windows(name, windows, dataset)
    metrics = {
        name: published_metrics(motion, windows, dataset, autoencoder, arguments.seed)
        for name, motion in systems.items()
    }
    preset = arguments.preset or (default_preset(networks["ours"]) if networks else None)
    card = networks["ours"].card if networks else None
    result = {**_header(arguments, card, preset), "split": arguments.split, "windows": windows.kind}
    result["as_published"] = arguments.as_published
    result["legacy"] = next(iter(metrics.values()))
    result["systems"] = metrics
    if arguments.output:
        try:
            arguments.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The folder {arguments.output} cannot be made: {error.strerror or error}."
            ) from error
        write_file(arguments.output / "legacy.json", json.dumps(result, indent=1) + "\n")
    if arguments.video:
        for path in save_windows(arguments.output, systems, windows, dataset):
            _say(str(path))
    _say(f"{len(windows.rows)} windows of the split '{arguments.split}', {windows.kind}")
    if arguments.json:
        print(json.dumps(result))
        return
    print(per_system(metrics), end="")
    if autoencoder is None:
        _say("FGD, feature distance and Diversity need --autoencoder FILE.")


def _controls(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the options and --set say about controls."""
    given: dict[str, Any] = {name: getattr(arguments, name) for name in ("seed", "steps", "guidance")}
    return {**given, **parse_controls(arguments.set)}


def _header(arguments: argparse.Namespace, card: "Card | None", preset: str | None) -> dict[str, Any]:
    return {
        "checkpoint": None if card is None else card.name,
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
