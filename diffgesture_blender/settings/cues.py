# SPDX-License-Identifier: GPL-3.0-or-later
"""Gesture cues as timeline markers: ``cue you``, ``cue you @Ana`` for one character, ``cue off you`` for none.

Markers with other names are never read, moved or removed. The names are those of ``backend/words/cues.json``.
"""

import csv
import difflib
import io
import json
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import bpy

from ..errors import DiffGestureError
from ..retarget.aim_measure import Target
from ..sound.sequencer import frame_in_shot
from ..timing import frame_rate

PREFIX: Final = "cue "
_OFF: Final = "off "
_AIMS: Final = ("point ", "look ")
_LONGEST: Final = 63
"""Bytes that the name of a marker holds; what is longer is cut off by Blender."""
_SAID: Final = re.compile(r"\s*\([^()]*\)$")
_TABLE: Final = Path(__file__).resolve().parents[2] / "backend" / "words" / "cues.json"


@dataclass(frozen=True)
class MarkerCue:
    """What a marker asks for: ``name`` as written, ``on``, and the character's name, empty for every one.

    ``said``: the words that brought it, with their brackets; ``cut``: the character's name may be cut off.
    """

    frame: float
    name: str
    on: bool
    character: str
    said: str = ""
    cut: bool = False

    @property
    def aim(self) -> tuple[str, str] | None:
        """("point" or "look", the target's name) of a cue that aims at something."""
        return aim_of(self.name)

    def meant_for(self, armature: bpy.types.Object | None) -> bool:
        if not self.character or armature is None:
            return not self.character
        return armature.name == self.character or (self.cut and armature.name.startswith(self.character))


def aim_of(text: str) -> tuple[str, str] | None:
    """("point" or "look", the target's name) of ``point Cup``, ``look camera``; None for other cues."""
    kind, _, name = text.strip().partition(" ")
    if _SAID.fullmatch(name.strip()):  # cue point (look at this): the words that brought it
        return None
    return (kind.casefold(), name.strip()) if f"{kind.casefold()} " in _AIMS and name.strip() else None


@cache
def vocabulary() -> dict[str, dict[str, Any]]:
    """The rows of the table by class: ``sentence``, ``icon``, ``aliases``."""
    return json.loads(_TABLE.read_text(encoding="utf-8"))


def label(name: str) -> str:
    """A class as a marker writes it: ``count 3``."""
    return name.replace("_", " ")


def class_of(text: str) -> str:
    """The class that a marker's word means; DiffGestureError with the nearest names where there is none."""
    plain = "_".join(text.casefold().replace("-", " ").replace("_", " ").split())
    known = {alias: name for name, row in vocabulary().items() for alias in (name, *row.get("aliases", ()))}
    if plain in known:
        return known[plain]
    near = dict.fromkeys(known[word] for word in difflib.get_close_matches(plain, known, 3))
    hint = f"did you mean {', '.join(map(label, near))}?" if near else "choose one of Add Gesture Cue at Playhead."
    raise DiffGestureError(f"There is no gesture cue '{text}'; {hint}")


def class_or_none(text: str) -> str | None:
    """The class that a marker's word means, if there is one."""
    try:
        return class_of(text)
    except DiffGestureError:
        return None


def marker_name(name: str, character: str = "", on: bool = True, said: str = "") -> str:
    """The name of a marker that asks for a class; with the words that brought it, ``said``, where they fit."""
    head, tail = f"{PREFIX}{'' if on else _OFF}{label(name)}", f" @{character}" if character else ""
    word = f" ({re.sub('[()@]', '', said)})" if said and said != label(name) else ""
    whole = f"{head}{word}{tail}"
    return whole if len(whole.encode()) <= _LONGEST else f"{head}{tail}"


def aim_name(kind: str, target: str, character: str = "", on: bool = True) -> str:
    """The name of a marker that aims at an object."""
    return f"{PREFIX}{'' if on else _OFF}{kind} {target}{f' @{character}' if character else ''}"


def switched(cue: MarkerCue) -> str:
    """The name of the cue's marker switched on or off."""
    if cue.aim:
        return aim_name(*cue.aim, cue.character, not cue.on)
    return marker_name(cue.name, cue.character, not cue.on, cue.said)


def cue_of(marker: bpy.types.TimelineMarker) -> MarkerCue | None:
    """What a marker asks for; None for a marker that is no cue."""
    if not marker.name.casefold().startswith(PREFIX):
        return None
    rest = marker.name[len(PREFIX) :].strip()
    on = not rest.casefold().startswith(_OFF)
    name, _, character = (rest if on else rest[len(_OFF) :]).partition("@")
    name, said = name.strip(), ""
    if aim_of(name) is None and (found := _SAID.search(name)):
        name, said = name[: found.start()], found[0].strip(" ()")
    cut = len(marker.name.encode()) >= _LONGEST
    return MarkerCue(marker.frame, name, on, character.strip(), said, cut)


def markers(
    scene: bpy.types.Scene, armature: bpy.types.Object | None
) -> list[tuple[int, bpy.types.TimelineMarker, MarkerCue]]:
    """(index, marker, cue) of the scene's cues for a character, by time."""
    found = [(index, marker, cue_of(marker)) for index, marker in enumerate(scene.timeline_markers)]
    mine = [(i, marker, cue) for i, marker, cue in found if cue is not None and cue.meant_for(armature)]
    return sorted(mine, key=lambda item: item[2].frame)


def placed(
    scene: bpy.types.Scene, armature: bpy.types.Object, edit: bpy.types.Scene | None = None
) -> tuple[list[tuple[str, MarkerCue]], list[str]]:
    """(marker's name, cue) of the scene and of ``edit``, the sequencer's, where it shows the scene; and notes."""
    found, told = [(marker.name, cue) for _, marker, cue in markers(scene, armature)], []
    if edit is not None and edit != scene:
        for _, marker, cue in markers(edit, armature):
            try:
                there = replace(cue, frame=frame_in_shot(cue.frame, edit, scene))
                found.append((marker.name, there))
            except DiffGestureError as error:
                told.append(f"The marker '{marker.name}' of the scene {edit.name} is left out. {error}")
    return found, told


def cues_of_scene(
    scene: bpy.types.Scene, armature: bpy.types.Object, frame_start: float, edit: bpy.types.Scene | None = None
) -> tuple[list[tuple[str, float]], list[str]]:
    """(class, seconds of the speech) of the markers that are on, and a sentence for each that cannot be used."""
    cues = []
    found, told = placed(scene, armature, edit)
    for name, cue in found:
        if not cue.on or cue.aim:
            continue
        try:
            cues.append((class_of(cue.name), round((cue.frame - frame_start) / frame_rate(scene), 4)))
        except DiffGestureError as error:
            told.append(f"The marker '{name}' at frame {cue.frame:g} is left out. {error}")
    return cues, told


def aims_of_scene(
    scene: bpy.types.Scene,
    armature: bpy.types.Object,
    frame_start: float,
    text: str = "",
    edit: bpy.types.Scene | None = None,
) -> tuple[tuple[Target, ...], str]:
    """What markers and ``text`` (as on a command line) aim at, and the rest of the text."""
    found = [
        Target(*cue.aim, (cue.frame - frame_start) / frame_rate(scene), f"The marker '{name}'")
        for name, cue in placed(scene, armature, edit)[0]
        if cue.on and cue.aim
    ]
    rest = []
    for item in _inline(text).split(","):
        seconds, _, name = item.partition(":")
        aim, time = aim_of(name), _number(seconds)
        if aim is None or time is None:
            rest.append(item)
        else:
            found.append(Target(*aim, time, f"The cue '{item.strip()}'"))
    return tuple(found), ",".join(rest)


def _inline(text: str) -> str:
    """A file of cues that aims at something as cues of a command line; other files are the worker's to read."""
    path = Path(text.strip())
    if path.suffix.casefold() not in (".csv", ".json"):
        return text
    try:
        written = path.read_text(encoding="utf-8-sig")
        rows: list[Any] = list(csv.reader(io.StringIO(written)))
        if path.suffix.casefold() == ".json":
            rows = [
                [row.get("time"), row.get("cue")] if isinstance(row, dict) else row for row in json.loads(written)
            ]
        pairs = [(str(row[0]).strip(), str(row[1]).strip()) for row in rows if len(row) > 1]
    except (OSError, ValueError, TypeError, AttributeError):
        return text
    if not any(aim_of(name) for _, name in pairs) or any("," in name for _, name in pairs):
        return text
    return ",".join(f"{time}:{name}" for time, name in pairs if _number(time) is not None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
