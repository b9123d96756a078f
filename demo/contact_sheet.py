# SPDX-License-Identifier: GPL-3.0-or-later
"""A contact sheet: pictures over time, and right below them the speech and how fast the hands move."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROWS: Final = 3
COLUMNS: Final = 8
LABEL_WIDTH: Final = 34
STRIP_HEIGHT: Final = 74
HEADER: Final = 34
GAP: Final = 8
PAUSE_SECONDS: Final = 0.3
PAUSE_DB: Final = -38.0  # below the loudest part
ENERGY_STEP: Final = 0.02  # seconds
GROUND, INK, FAINT = (247, 244, 240), (52, 46, 42), (205, 197, 189)
SPEECH, HANDS, PAUSE = (45, 120, 132), (205, 92, 40), (232, 224, 212)


def speech_energy(samples: np.ndarray, rate: int) -> np.ndarray:
    """(E,) root mean square of mono samples in steps of ENERGY_STEP seconds."""
    step = max(1, round(ENERGY_STEP * rate))
    count = max(1, len(samples) // step)
    padded = np.zeros(count * step)
    padded[: min(len(samples), count * step)] = samples[: count * step]
    return np.sqrt((padded.reshape(count, step) ** 2).mean(axis=1))


def find_pauses(energy: np.ndarray) -> list[tuple[float, float]]:
    """Stretches (start, end) in seconds that are quiet for at least PAUSE_SECONDS."""
    quiet = energy < energy.max() * 10 ** (PAUSE_DB / 20) if energy.max() > 0 else np.ones(len(energy), bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(int)))
    spans = [(a * ENERGY_STEP, b * ENERGY_STEP) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [(a, b) for a, b in spans if b - a >= PAUSE_SECONDS - 1e-9]


def hand_speed(fields: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """Mean speed of both wrists (T,) in m/s from a motion file's fields, and the motion's frames a second."""
    names, pairs = list(fields["joint_names"]), np.asarray(fields["bone_pairs"])
    directions, lengths = np.asarray(fields["directions"]), np.asarray(fields["bone_lengths"])
    joints = np.zeros((len(directions), len(names), 3))
    for bone, (parent, child) in enumerate(pairs):
        joints[:, child] = joints[:, parent] + lengths[bone] * directions[:, bone]
    wrists = joints[:, [names.index("left_wrist"), names.index("right_wrist")]]
    fps = float(fields["fps"])
    if len(wrists) < 2:
        return np.zeros(len(wrists)), fps
    return np.linalg.norm(np.gradient(wrists, axis=0), axis=2).mean(axis=1) * fps, fps


def save_contact_sheet(
    path: Path,
    pictures: Sequence[Path],
    picture_fps: float,
    samples: np.ndarray,
    rate: int,
    motion: dict[str, np.ndarray],
    title: str,
) -> None:
    """ROWS x COLUMNS pictures; each stands over the moment of the speech strip at which it was taken."""
    seconds = len(samples) / rate
    energy, (speed, fps) = speech_energy(samples, rate), hand_speed(motion)
    with Image.open(pictures[0]) as first:
        width, height = first.size
    cell = round(width * 0.92)  # the sides are empty
    row_height = height + STRIP_HEIGHT + GAP
    sheet = Image.new("RGB", (COLUMNS * cell + 2 * GAP, HEADER + ROWS * row_height + GAP), GROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    draw.text((GAP, 9), title, INK, ImageFont.load_default(size=17))
    _legend(draw, sheet.width - GAP, 10, font)
    row_seconds = seconds / ROWS
    for row in range(ROWS):
        top, left = HEADER + row * row_height, GAP
        for column in range(COLUMNS):
            moment = (row + (column + 0.5) / COLUMNS) * row_seconds
            picture = pictures[min(len(pictures) - 1, int(moment * picture_fps))]
            with Image.open(picture) as image:
                cut = image.convert("RGB").crop(((width - cell) // 2, 0, (width - cell) // 2 + cell, height))
            sheet.paste(cut, (left + column * cell, top))
        box = (left, top + height, left + COLUMNS * cell, top + height + STRIP_HEIGHT)
        _strip(draw, box, (row * row_seconds, (row + 1) * row_seconds), energy, speed, fps, font)
    sheet.save(path)


def _legend(draw: ImageDraw.ImageDraw, right: int, y: int, font: ImageFont.FreeTypeFont) -> None:
    for text, colour in (("pause", FAINT), ("speed of the hands", HANDS), ("speech", SPEECH)):
        right -= round(draw.textlength(text, font))
        draw.text((right, y), text, INK, font)
        draw.rectangle((right - 18, y + 4, right - 6, y + 14), colour)
        right -= 34


def _strip(
    draw: ImageDraw.ImageDraw,
    box: tuple[int, int, int, int],
    span: tuple[float, float],
    energy: np.ndarray,
    speed: np.ndarray,
    fps: float,
    font: ImageFont.FreeTypeFont,
) -> None:
    left, top, right, bottom = box
    pixels = np.arange(left, right)
    moments = span[0] + (pixels - left) / (right - left) * (span[1] - span[0])

    def x_of(moment: float) -> float:
        return left + (moment - span[0]) / (span[1] - span[0]) * (right - left)

    for start, end in find_pauses(energy):
        a, b = max(start, span[0]), min(end, span[1])
        if b > a:
            draw.rectangle((x_of(a), top, x_of(b), bottom), PAUSE)
            if x_of(b) - x_of(a) > 40:
                draw.text((x_of(a) + 5, bottom - 18), f"{end - start:.1f} s", (140, 128, 116), font)
    middle = (top + bottom) / 2
    half = energy[np.clip((moments / ENERGY_STEP).astype(int), 0, len(energy) - 1)] / max(energy.max(), 1e-9)
    for x, level in zip(pixels, half * (bottom - top) * 0.42, strict=True):
        draw.line((x, middle - level, x, middle + level), SPEECH)
    curve = np.interp(moments, np.arange(len(speed)) / fps, speed) / max(np.percentile(speed, 99.5), 0.1)
    points = bottom - 2 - np.clip(curve, 0, 1) * (bottom - top - 6)
    draw.line(list(zip(pixels.tolist(), points.tolist(), strict=True)), HANDS, width=2)
    for column in range(COLUMNS + 1):
        x = left + column * (right - left) / COLUMNS
        draw.line((x, top, x, top + 5), INK)
    # As many labels as there is room for.
    apart = int(np.ceil(LABEL_WIDTH / (x_of(1.0) - x_of(0.0))))
    for second in range(int(np.ceil(span[0] / apart)) * apart, int(span[1]) + 1, apart):
        draw.text((x_of(second) + 3, top + 2), f"{second} s", (120, 110, 102), font)
