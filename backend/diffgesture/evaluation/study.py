# SPDX-License-Identifier: GPL-3.0-or-later
"""Material for user studies: videos with neutral names and one camera, a key file, a page that collects votes.

Three questions, as in the GENEA challenges. *rating*: how human-like is this motion, one video each. *pairs*:
which of two systems moves more like a person, the same speech. *mismatched*: which of two motions of one system
belongs to this speech, its own or that of another clip. Left and right, order and names are drawn from a seed;
what is what stands in the key alone.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..errors import ConfigError, OutputError
from ..writing import reason, write_file
from .side_by_side import save_comparison
from .takes import Take, take_of_directions

KINDS: Final = ("rating", "pairs", "mismatched")
QUESTIONS: Final = {
    "rating": "How human-like does this motion appear? Do not judge the voice.",
    "pairs": "Which of the two moves more like a person who says this?",
    "mismatched": "Which of the two motions belongs to this speech, in rhythm, intonation and meaning?",
}
_PAGE: Final = Path(__file__).with_name("study.html")


@dataclass(frozen=True)
class Stimulus:
    """One video: the shown motions from left to right, each a system and the take whose motion it is."""

    file: str
    kind: str
    speech: str
    start: float
    end: float
    shown: tuple[tuple[str, str], ...]


def make_study(
    systems: Mapping[str, Sequence[Take]],
    folder: Path,
    *,
    kinds: Sequence[str] = KINDS,
    clips: int = 10,
    seconds: float = 10.0,
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Videos, ``index.html``, ``hemvip.json`` and ``key.json`` into a folder; the files.

    Clips of ``seconds`` are cut at the same places for every system from the takes that all of them have.
    ConfigError for too few systems or takes.
    """
    common = [take.name for take in next(iter(systems.values()))]
    by_name = {system: {take.name: take for take in takes} for system, takes in systems.items()}
    common = [name for name in common if all(name in takes for takes in by_name.values())]
    if not common:
        raise ConfigError("The systems have no take in common: call their files alike.")
    if "pairs" in kinds and len(systems) < 2:
        raise ConfigError("Pairs need at least two systems; add one, or leave pairs out (--kinds).")
    cuts = _cuts([by_name[system] for system in systems], common, clips, seconds)
    if "mismatched" in kinds and len(cuts) < 2:
        raise ConfigError("Mismatched pairs need at least two clips: give more takes, or shorter --seconds.")
    rng = np.random.default_rng(seed)
    stimuli = _stimuli(list(systems), cuts, kinds, rng)
    try:
        (folder / "stimuli").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {folder} cannot be made: {reason(error)}.") from error
    for number, stimulus in enumerate(stimuli, start=1):
        report(f"drawing {number} of {len(stimuli)}: {stimulus.file}")
        _draw(folder / "stimuli" / stimulus.file, stimulus, by_name)
    pages = [{"file": f"stimuli/{s.file}", "kind": s.kind, "question": QUESTIONS[s.kind]} for s in stimuli]
    key = {"seed": seed, "systems": list(systems), "stimuli": {s.file: asdict(s) for s in stimuli}}
    page = _PAGE.read_text(encoding="utf-8").replace("/*PAGES*/[]", json.dumps(pages))
    files = {
        "index.html": page,
        "hemvip.json": json.dumps(_hemvip(stimuli), indent=1) + "\n",
        "key.json": json.dumps(key, indent=1) + "\n",
    }
    for name, text in files.items():
        write_file(folder / name, text)
    return [*(folder / name for name in files), *(folder / "stimuli" / s.file for s in stimuli)]


Cut = tuple[str, float, float]
"""A take's name with the clip's start and end in seconds."""


def _cuts(systems: list[dict[str, Take]], common: list[str], clips: int, seconds: float) -> list[Cut]:
    """Places of up to ``clips`` clips, evenly spread over the takes; whole takes that are shorter."""
    places: list[Cut] = []
    for name in common:
        length = min(takes[name].seconds for takes in systems)
        count = max(1, int(length // seconds))
        places += [(name, k * seconds, min(length, (k + 1) * seconds)) for k in range(count)]
    chosen = np.unique(np.linspace(0, len(places) - 1, min(clips, len(places))).round().astype(int))
    return [places[k] for k in chosen]


def _stimuli(
    systems: list[str], cuts: list[Cut], kinds: Sequence[str], rng: np.random.Generator
) -> list[Stimulus]:
    drafts: list[tuple[str, Cut, list[tuple[str, str]]]] = []
    for kind in kinds:
        for place, cut in enumerate(cuts):
            if kind == "rating":
                drafts += [(kind, cut, [(system, _name(cut))]) for system in systems]
            elif kind == "pairs":
                drafts += [
                    (kind, cut, [(a, _name(cut)), (b, _name(cut))])
                    for k, a in enumerate(systems)
                    for b in systems[k + 1 :]
                ]
            else:
                other = cuts[(place + 1) % len(cuts)]
                drafts += [(kind, cut, [(system, _name(cut)), (system, _name(other))]) for system in systems]
    order = rng.permutation(len(drafts))
    names = rng.choice(16**6, size=len(drafts), replace=False)
    stimuli = []
    for name, (kind, (speech, start, end), shown) in zip(names, (drafts[k] for k in order), strict=True):
        sides = [shown[k] for k in rng.permutation(len(shown))]
        stimuli.append(Stimulus(f"{name:06x}.mp4", kind, speech, start, end, tuple(sides)))
    return stimuli


def _name(cut: Cut) -> str:
    """What is shown, for the key: take and start."""
    return f"{cut[0]}@{cut[1]:g}"


def _draw(path: Path, stimulus: Stimulus, systems: dict[str, dict[str, Take]]) -> None:
    """All motions over the speech of the stimulus; the camera is the same for every video."""
    length = stimulus.end - stimulus.start
    takes: dict[str, Take] = {}
    for label, (system, shown) in zip("AB", stimulus.shown, strict=False):
        name, _, start = shown.rpartition("@")
        speech = systems[system][stimulus.speech]
        motion = _part(systems[system][name], float(start), length)
        rate = len(speech.audio) / speech.seconds
        audio = speech.audio[round(stimulus.start * rate) : round(stimulus.end * rate)]
        assert motion.directions is not None
        takes[label if len(stimulus.shown) > 1 else ""] = take_of_directions(
            stimulus.file, audio, motion.directions, motion.layout, motion.fps
        )
    first = next(iter(takes.values()))
    save_comparison(path, takes, first.layout, first.fps)


def _part(take: Take, start: float, length: float) -> Take:
    if take.directions is None:
        raise ConfigError(f"The take '{take.name}' has arms alone, which a study cannot show.")
    first = min(round(start * take.fps), len(take.directions) - 1)
    directions = np.asarray(take.directions)[first : first + max(1, round(length * take.fps))]
    return take_of_directions(take.name, take.audio[:0], directions, take.layout, take.fps)


def _hemvip(stimuli: Sequence[Stimulus]) -> dict[str, Any]:
    """Pages for HEMVIP-like tests: for each clip the rated videos of all systems side by side."""
    pages: dict[str, list[str]] = {}
    for stimulus in stimuli:
        if stimulus.kind == "rating":
            pages.setdefault(f"{stimulus.speech}@{stimulus.start:g}", []).append(stimulus.file)
    return {
        "question": QUESTIONS["rating"],
        "pages": [
            {"name": f"page{number}", "stimuli": files} for number, files in enumerate(pages.values(), start=1)
        ],
    }


# -- Votes -----------------------------------------------------------------------------------------------------


def count_votes(key: dict[str, Any], votes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ratings (median and 95 % bootstrap interval of the mean), preferences and matched choices for each system.

    ``votes``: one file's contents for each participant. Votes on files that the key lacks are counted as unknown.
    """
    ratings: dict[str, list[float]] = {}
    wins: dict[str, list[int]] = {}
    matched: dict[str, list[int]] = {}
    unknown = 0
    for vote in (vote for sheet in votes for vote in sheet.get("votes", ())):
        stimulus = key["stimuli"].get(Path(str(vote.get("file", ""))).name)
        if stimulus is None:
            unknown += 1
            continue
        shown, value = stimulus["shown"], vote.get("value")
        if stimulus["kind"] == "rating":
            ratings.setdefault(shown[0][0], []).append(float(value))
            continue
        # +1 a win or the right motion, 0 equal, -1 the other.
        sign = {"A": 1, "B": -1}.get(str(value), 0)
        if stimulus["kind"] == "pairs":
            wins.setdefault(shown[0][0], []).append(sign)
            wins.setdefault(shown[1][0], []).append(-sign)
        else:
            own = f"{stimulus['speech']}@{stimulus['start']:g}"
            matched.setdefault(shown[0][0], []).append(sign if shown[0][1] == own else -sign)
    return {
        "ratings": {system: {"median": float(np.median(v)), **_mean(v)} for system, v in ratings.items()},
        "preferences": {system: _mean(v) for system, v in wins.items()},
        "matched": {system: _mean(v) for system, v in matched.items()},
        "unknown": unknown,
    }


def _mean(values: Sequence[float]) -> dict[str, float]:
    array, rng = np.asarray(values, dtype=float), np.random.default_rng(0)
    draws = array[rng.integers(0, len(array), (1000, len(array)))].mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return {"mean": float(array.mean()), "low": float(low), "high": float(high), "votes": float(len(array))}
