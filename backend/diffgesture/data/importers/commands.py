# SPDX-License-Identifier: GPL-3.0-or-later
"""The importers as commands of ``prepare.py``."""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from ...errors import DataError, OutputError
from ...motion.skeletons import SKELETONS
from ...writing import check_folder
from ..dataset import DatasetWriter
from . import filters, ted
from .folders import Recording, assign_splits, find_beat2, find_bvh, find_npz, import_folder
from .lmdb_file import LmdbFile
from .mean_poses import MEAN_POSES

Report = Callable[[str], None]

_FOLDER_HELP: Final = {
    "bvh": "BVH files and audio files of the same names (ZeroEGGS, TalkingWithHands, your own captures)",
    "beat2": "SMPL-X archives and audio files of the same names (BEAT2)",
    "npz": "motion archives of the corpora and their audio",
}


def add_importers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", report: Report) -> None:
    """Adds ted-lmdb, bvh, beat2 and npz; ``report`` gets progress and remarks."""
    _add_ted(commands, report)
    for name, text in _FOLDER_HELP.items():
        _add_folder(commands, name, text, report)


def _add_common(parser: argparse.ArgumentParser, published: bool) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the data set")
    parser.add_argument(
        "--val", type=_share, default=0.1, metavar="SHARE", help="share for validation (default: 0.1)"
    )
    parser.add_argument("--test", type=_share, default=0.0, metavar="SHARE", help="share for testing (default: 0)")
    parser.add_argument("--seed", type=int, default=1, help="draws the splits (default: 1)")
    parser.add_argument(
        "--filters",
        default="published" if published else "none",
        metavar="NAMES",
        help="which windows to leave out: published, none, or some of pose,spine-angle,motion,words "
        f"(default: {'published' if published else 'none'})",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.5,
        metavar="SECONDS",
        help="how much the lengths of audio and motion may differ (default: 0.5)",
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out what cannot be used, with a line each, instead of stopping",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError("must be at least 0 and less than 1")
    return value


class _Bad:
    """What happens to unusable input: an end, or a line and a count."""

    def __init__(self, skip: bool, report: Report) -> None:
        self.skip, self.report, self.count = skip, report, 0

    def __call__(self, message: str) -> None:
        if not self.skip:
            raise DataError(message, "To leave out what cannot be used, add --skip-bad.")
        self.count += 1
        self.report(f"left out: {message}")


def _add_ted(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", report: Report) -> None:
    parser = commands.add_parser("ted-lmdb", help="the official TED Gesture and TED Expressive data")
    parser.add_argument(
        "source",
        type=Path,
        help="LMDB folder; for one that is named …_train, the …_val and …_test beside it are taken along",
    )
    parser.add_argument("--layout", choices=sorted(SKELETONS), help="the layout that the data must have")
    parser.add_argument("--only", action="store_true", help="take no other database along")
    _add_common(parser, published=True)
    parser.set_defaults(run=lambda arguments: _run_ted(arguments, report))


def _run_ted(arguments: argparse.Namespace, report: Report) -> dict[str, object]:
    check_folder(arguments.output)
    databases = ted.find_databases(arguments.source)
    if arguments.only:
        databases = databases[:1]
    bad = _Bad(arguments.skip_bad, report)
    skeleton = _ted_layout(databases[0][0], bad)
    if arguments.layout not in (None, skeleton.name):
        raise DataError(f"{databases[0][0]} has the layout {skeleton.name}, but {arguments.layout} is asked for.")
    windows = filters.WindowFilter(skeleton, MEAN_POSES[skeleton.name], filters.parse_filters(arguments.filters))
    # Where the names of the databases tell no validation data, some videos (one a record) are held out.
    held_out: dict[int, str] = {}
    if "val" not in [split for _, split in databases]:
        databases = [(path, "" if split == "train" else split) for path, split in databases]
        with LmdbFile(databases[0][0]) as database:
            records = [str(k) for k in range(len(database))]
        splits = assign_splits(records, records, arguments.val, arguments.test, arguments.seed)
        held_out = {k: splits[record] for k, record in enumerate(records)}
    writer = DatasetWriter(arguments.output, skeleton.name, ted.FPS)
    provenance = {"importer": "ted-lmdb", "source": [path.name for path, _ in databases]}

    def run() -> None:
        ted.import_ted(databases, writer, windows, arguments.tolerance, bad, held_out, report)

    return _complete(writer, run, provenance, windows, bad)


def _ted_layout(path: Path, bad: _Bad) -> Any:
    """The layout of the first readable clip."""
    # What is left out is told when it is imported.
    for clip in ted.read_clips(path, (lambda _: None) if bad.skip else bad):
        return ted.layout_of(clip)
    raise DataError(f"{path} holds no clips.")


def _add_folder(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str, report: Report
) -> None:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("source", type=Path, help="folder; folders in it are searched too")
    parser.add_argument(
        "--layout", choices=sorted(SKELETONS), default="ted_expressive", help="default: ted_expressive"
    )
    parser.add_argument("--fps", type=float, default=15.0, help="frame rate of the data set (default: 15)")
    parser.add_argument("--split-by", choices=("take", "speaker"), default="take", help="default: take")
    parser.add_argument(
        "--speaker",
        metavar="REGEX",
        help="finds the speaker in a file's name, by its first group (default: the folder the file is in)",
    )
    parser.add_argument(
        "--low-pass",
        action="store_true",
        help="take what the frame rate cannot show away before frames are left out (default: as published, not)",
    )
    parser.add_argument("--licence", default="", metavar="TEXT", help="licence of the data, kept with each take")
    if name != "beat2":
        parser.add_argument(
            "--map", type=Path, metavar="JSON", help="names of the skeleton's joints (form: rigs/*.json)"
        )
    _add_common(parser, published=False)
    parser.set_defaults(run=lambda arguments: _run_folder(arguments, report))


def _run_folder(arguments: argparse.Namespace, report: Report) -> dict[str, object]:
    if not 1.0 <= arguments.fps <= 240.0:
        raise DataError("--fps must be between 1 and 240.")
    check_folder(arguments.output)
    bad = _Bad(arguments.skip_bad, report)
    recordings = _find(arguments, bad)
    if not recordings:
        raise DataError(f"{arguments.source} holds no motion with audio of the same name.")
    names = [recording.name for recording in recordings]
    groups = [recording.speaker for recording in recordings] if arguments.split_by == "speaker" else names
    splits = assign_splits(names, groups, arguments.val, arguments.test, arguments.seed)
    picked = filters.parse_filters(arguments.filters)
    skeleton = SKELETONS[arguments.layout]
    windows = filters.WindowFilter(skeleton, MEAN_POSES[skeleton.name], picked) if picked else None
    writer = DatasetWriter(arguments.output, skeleton.name, arguments.fps)
    provenance = {"importer": arguments.command, "source": arguments.source.name, "licence": arguments.licence}
    provenance |= {"low_pass": True} if arguments.low_pass else {}

    def run() -> None:
        import_folder(
            recordings,
            splits,
            writer,
            arguments.tolerance,
            arguments.licence,
            bad,
            windows,
            report,
            arguments.low_pass,
        )

    return _complete(writer, run, provenance, windows, bad)


def _find(arguments: argparse.Namespace, bad: _Bad) -> list[Recording]:
    source, speaker = arguments.source, arguments.speaker
    if arguments.command == "bvh":
        return find_bvh(source, speaker, arguments.map, bad)
    if arguments.command == "beat2":
        return find_beat2(source, speaker, bad)
    return find_npz(source, speaker, arguments.map, bad)


def _complete(
    writer: DatasetWriter,
    run: Callable[[], None],
    provenance: dict[str, Any],
    windows: filters.WindowFilter | None,
    bad: _Bad,
) -> dict[str, object]:
    """Runs an import and completes the data set, also when the disk gets full on the way."""
    full: OutputError | None = None
    try:
        run()
    except OutputError as error:
        if not writer.takes:
            writer.discard()
            raise
        full = error
    except BaseException:
        writer.discard()
        raise
    if not writer.takes:
        writer.discard()
        raise DataError("Nothing could be used, no data set was written.")
    selection = None
    if windows is not None:
        selection = {
            "frames": windows.window,
            "stride": windows.stride,
            "filters": list(windows.filters),
            "rejected": dict(windows.rejected),
        }
    writer.close(_statistics(writer), {**provenance, "left_out": bad.count}, selection)
    if full is not None:
        raise full
    result = {"dataset": str(writer.folder), "layout": writer.skeleton.name, **_statistics(writer)}
    if selection is not None:
        result |= {"windows": writer.num_windows, "rejected": selection["rejected"]}
    return {**result, "left_out": bad.count}


def _statistics(writer: DatasetWriter) -> dict[str, Any]:
    splits = Counter(take.split for take in writer.takes)
    frames = sum(take.frames for take in writer.takes)
    return {
        "takes": len(writer.takes),
        "splits": dict(splits),
        "speakers": len({take.speaker for take in writer.takes}),
        "minutes": round(float(np.divide(frames, writer.fps * 60)), 2),
    }
