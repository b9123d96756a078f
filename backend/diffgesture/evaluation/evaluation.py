# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate from held-out speech and measure the result beside real takes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..data.dataset import Dataset
from ..errors import DataError, OutputError
from ..generation.synthesis import Settings, generate
from ..model.checkpoint import Checkpoint
from ..motion.motion_file import Motion
from ..sampling.windows import window_starts
from ..speech.audio import load_audio
from ..writing import reason, written
from .report import markdown_table, save_plots
from .scorecard import Column, columns_as_json, measure, measure_real
from .side_by_side import motion_of_take
from .takes import Take, take_of_directions

AUDIO_SUFFIXES: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4")
_MOST_COLUMNS: Final = 6
"""Real takes that get a column of their own."""


@dataclass(frozen=True)
class Speech:
    """16 kHz speech to generate from; ``path`` when it is a file of its own, ``seed`` what the motion begins
    with.
    """

    name: str
    audio: np.ndarray
    path: Path | None = None
    seed: Motion | None = None
    spoken: tuple[tuple[str, float, float], ...] = ()


@dataclass
class Evaluation:
    """Generated takes by name of the system, the real ones, and the panel's columns."""

    generated: dict[str, list[Take]]
    real: list[Take]
    real_name: str = "real"
    columns: dict[str, Column] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        takes = {**self.generated, self.real_name: self.real}
        return {
            "takes": {
                name: {take.name: round(take.seconds, 2) for take in group} for name, group in takes.items()
            },
            "panel": columns_as_json(self.columns),
        }


Report = Callable[[str], None]
"""Called with a line on what is being done."""


def speech_of_folder(folder: Path, limit: int | None = None) -> list[Speech]:
    """Audio files of a folder and those below it, sorted by path; DataError when there are none."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise DataError(f"There are no audio files ({', '.join(AUDIO_SUFFIXES)}) in {folder}.")
    return [Speech(path.stem, load_audio(path), path) for path in files[:limit]]


def speech_of_take(take: Take, seeded: bool = False) -> Speech:
    """The speech of a take, ``seeded`` with its own first frames."""
    seed = motion_of_take(take, take.layout, take.fps) if seeded else None
    return Speech(take.name, take.audio, seed=seed, spoken=take.spoken)


def takes_of_dataset(
    dataset: Dataset,
    split: str | None = "val",
    limit: int | None = None,
    seconds: Sequence[float] | None = None,
) -> list[Take]:
    """Takes of a split (None: all), ``limit`` of them at most, evenly spread; DataError when there are none.

    ``seconds``: only those that last between the two.
    """
    indices = dataset.indices(split)
    if seconds is not None:
        lengths = {index: dataset.takes[index].frames / dataset.fps for index in indices}
        indices = [index for index in indices if seconds[0] <= lengths[index] <= seconds[1]]
        if not indices:
            raise DataError(
                f"{dataset.folder}: no take of the split '{split}' lasts {seconds[0]:g} to {seconds[1]:g} s."
            )
    if limit is not None and limit < len(indices):
        indices = [indices[k] for k in np.linspace(0, len(indices) - 1, limit).round().astype(int)]
    if not indices:
        raise DataError(
            f"{dataset.folder}: no take is in the split '{split}', so there is nothing to evaluate on."
        )
    takes = []
    for index in indices:
        audio, directions = dataset.take(index)
        name, spoken = dataset.takes[index].name, tuple(dataset.words(index))
        takes.append(take_of_directions(name, audio, directions, dataset.layout, dataset.fps, spoken=spoken))
    return takes


def generate_takes(
    checkpoint: Checkpoint, speech: Sequence[Speech], settings: Settings, report: Report = print
) -> list[Take]:
    """One take per speech, with its seams and the time it took."""
    takes = []
    for number, item in enumerate(speech, start=1):
        report(f"generating {number} of {len(speech)}: {item.name}")
        own = settings.with_spoken(item.spoken)
        result = generate(item.audio, checkpoint, own if item.seed is None else own.seeded(item.seed))
        motion = result.motion
        takes.append(
            take_of_directions(
                item.name,
                item.audio,
                motion.directions,
                motion.layout,
                motion.fps,
                seams=seam_frames(len(motion.directions), checkpoint, settings.preset),
                seconds_to_generate=result.timings["total"],
                audio_path=item.path,
            )
        )
    return takes


def seam_frames(num_frames: int, checkpoint: Checkpoint, preset: str) -> tuple[int, ...] | None:
    """Frames at which one of the generator's windows begins or has just ended, the clip's ends left out.

    None where the whole clip is one sequence.
    """
    card = checkpoint.card
    if preset == "default" and card.reach:
        return None
    if preset == "reference":
        stride = card.window - card.seed_frames
        begins = range(stride, num_frames, stride)
        ends = [begin + card.seed_frames for begin in begins]
    else:
        starts = window_starts(max(num_frames, card.window), card.window, card.overlap)
        begins, ends = starts[1:], [start + card.window for start in starts[:-1]]
    return tuple(sorted({frame for frame in (*begins, *ends) if 0 < frame < num_frames}))


def evaluate(
    generated: dict[str, list[Take]], real: list[Take], real_name: str = "real", report: Report = print
) -> Evaluation:
    """The panel of every system and of the takes it is compared with (none: no comparison)."""
    evaluation = Evaluation(generated, real, real_name)
    for name, takes in generated.items():
        report(f"measuring {name}")
        evaluation.columns[name] = measure(takes, real)
    if real:
        report(f"measuring {real_name}")
        together, alone = measure_real(real)
        evaluation.columns[real_name] = together
        if len(alone) <= _MOST_COLUMNS:
            evaluation.columns |= alone
    return evaluation


def write_evaluation(evaluation: Evaluation, folder: Path, header: dict[str, Any]) -> list[Path]:
    """``panel.json``, ``panel.md`` and plots into ``folder``, which is made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {reason(error)}.") from error
    content = json.dumps({**header, **evaluation.as_json()}, indent=1, ensure_ascii=False)
    with written(folder / "panel.json", folder / "panel.md") as (panel, table):
        panel.write_text(content + "\n", encoding="utf-8")
        table.write_text(markdown_table(evaluation.columns), encoding="utf-8")
    plots = save_plots(folder, {**evaluation.generated, evaluation.real_name: evaluation.real})
    return [folder / "panel.json", folder / "panel.md", *plots]
