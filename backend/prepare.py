# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes data sets from corpora of all kinds, all in one format."""

import argparse
import json
import sys
from pathlib import Path

from diffgesture.command_line import run_command
from diffgesture.composing.compose import SOUND_ALONE, compose_dataset
from diffgesture.composing.held_out import write_held_out_speech
from diffgesture.composing.strokes import write_strokes
from diffgesture.data.dataset import Dataset
from diffgesture.data.importers.commands import add_importers
from diffgesture.errors import DataError
from diffgesture.writing import check_folder, check_outputs


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _add_compose(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("compose", help="pair gesture units with the accents of real speech")
    parser.add_argument("source", type=Path, help="folder with motion/ and speech/")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the data set")
    parser.add_argument("--hours", type=float, default=5.0, help="length of the data set (default: 5)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same data set (default: 1)")
    parser.add_argument(
        "--sound-alone",
        type=float,
        default=SOUND_ALONE,
        metavar="SHARE",
        help=f"share of takes with noise, music or breath and no speech (default: {SOUND_ALONE})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.set_defaults(run=_compose)


def _compose(arguments: argparse.Namespace) -> dict[str, object]:
    check_folder(arguments.output)
    if not 0.0 < arguments.hours <= 100.0:
        raise DataError("--hours must be more than 0 and at most 100.")
    if not 0.0 <= arguments.sound_alone <= 0.9:
        raise DataError("--sound-alone must be between 0 and 0.9: someone has to speak.")
    statistics = compose_dataset(
        arguments.source,
        arguments.output,
        arguments.hours,
        arguments.seed,
        _say,
        arguments.sound_alone,
    )
    return {"dataset": str(arguments.output), "statistics": statistics}


def _add_held_out(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("held-out", help="speech of the speakers that composed data sets do not train on")
    parser.add_argument("source", type=Path, help="folder with speech/")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for tune/*.wav and report/*.wav")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.set_defaults(run=_held_out)


def _add_strokes(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("strokes", help="the library of labelled strokes for cues (words/strokes.npz)")
    parser.add_argument("source", type=Path, help="folder with motion/ and handshapes/")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.npz", help="the library")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.set_defaults(run=_strokes)


def _add_presence(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("presence", help="the network that tells speech from other sounds")
    parser.add_argument("source", type=Path, help="folder with speech/")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.safetensors", help="its weights")
    parser.add_argument("--takes", type=int, default=800, help="pieces of 10 to 20 s to learn from (default: 800)")
    parser.add_argument("--steps", type=int, default=3000, help="steps of training (default: 3000)")
    parser.add_argument("--seed", type=int, default=1, help="of data and training (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.set_defaults(run=_presence)


def _presence(arguments: argparse.Namespace) -> dict[str, object]:
    from diffgesture.composing.presence_data import labelled_sound
    from diffgesture.composing.recordings import load_recordings
    from diffgesture.training.presence import train_presence
    from diffgesture.writing import write_file
    from safetensors.torch import save

    check_outputs([arguments.output])
    if arguments.takes < 1 or arguments.steps < 1:
        raise DataError("--takes and --steps must be at least 1.")
    data = list(labelled_sound(load_recordings(arguments.source), arguments.takes, arguments.seed))
    minutes = sum(len(label) for _, label in data) / 15.0 / 60.0
    _say(f"{minutes:.0f} minutes of sound, {sum(y.sum() for _, y in data) / 15.0 / 60.0:.0f} of them spoken")
    write_file(arguments.output, save(train_presence(data, arguments.steps, arguments.seed, _say)))
    return {"weights": str(arguments.output), "minutes": round(minutes, 1)}


def _add_draft(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "draft", help="a draft of a transcript (English; needs pocketsphinx), to be corrected"
    )
    parser.add_argument("source", type=Path, metavar="AUDIO", help="clean English speech")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.srt", help="the captions")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.set_defaults(run=_draft)


def _draft(arguments: argparse.Namespace) -> dict[str, object]:
    from diffgesture.speech.audio import load_audio
    from diffgesture.words.forced import captions, drafted
    from diffgesture.writing import write_file

    words = drafted(load_audio(arguments.source))
    if not words:
        raise DataError(f"No words were heard in {arguments.source}.")
    write_file(arguments.output, captions(words))
    return {"transcript": str(arguments.output), "words": len(words)}


def _held_out(arguments: argparse.Namespace) -> dict[str, object]:
    check_folder(arguments.output)
    return {"files": write_held_out_speech(arguments.source, arguments.output)}


def _strokes(arguments: argparse.Namespace) -> dict[str, object]:
    check_outputs([arguments.output])
    return {"strokes": write_strokes(arguments.source, arguments.output)}


def _add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("report", help="the panel of a data set, beside real takes if given")
    parser.add_argument("source", type=Path, help="data set folder")
    parser.add_argument("--real", type=Path, help="folder with real takes (*.npz and audio)")
    parser.add_argument("--takes", type=int, default=150, help="at most this many takes (default: 150)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> dict[str, object]:
    from diffgesture.evaluation.evaluation import evaluate, takes_of_dataset
    from diffgesture.evaluation.report import markdown_table
    from diffgesture.evaluation.scorecard import columns_as_json
    from diffgesture.evaluation.takes import load_real_takes

    data = Dataset(arguments.source)
    given = takes_of_dataset(data, None, arguments.takes)
    real = load_real_takes(arguments.real, data.layout) if arguments.real else []
    panel = evaluate({"data": given}, real, report=_say).columns
    table = columns_as_json(panel) if arguments.json else "\n" + markdown_table(panel)
    return {"dataset": str(arguments.source), "hours": data.card["hours"], "table": table}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prepare.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_compose(commands)
    _add_held_out(commands)
    _add_strokes(commands)
    _add_presence(commands)
    _add_draft(commands)
    _add_report(commands)
    add_importers(commands, _say)
    return parser.parse_args(arguments)


def _run(arguments: argparse.Namespace) -> None:
    result = arguments.run(arguments)
    if arguments.json:
        print(json.dumps(result))
    else:
        print("\n".join(f"{key}: {value}" if key != "table" else str(value) for key, value in result.items()))


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. Returns 0, or 2 with one line on stderr when the input cannot be used."""
    return run_command(_run, lambda: parse_arguments(arguments))


if __name__ == "__main__":
    sys.exit(main())
