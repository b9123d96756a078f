# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and speakers as numbers: a vocabulary of the training takes, and one word index for each frame of a
window.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from ..errors import ConfigError

SPECIAL: Final = ("<PAD>", "<SOS>", "<EOS>", "<UNK>")
"""First entries of a vocabulary, as published: 0 means that no word begins in a frame, 3 an unknown word."""
UNKNOWN: Final = 3
_OTHER: Final = re.compile(r"[^\w']+")

TimedWord = tuple[str, float, float]


def plain(word: str) -> str:
    """A word in lower case without punctuation."""
    return _OTHER.sub("", word.lower())


@dataclass(frozen=True)
class Vocabulary:
    """Word to index; ``names`` in the order of their indices."""

    names: tuple[str, ...]

    @classmethod
    def of_words(cls, words: Iterable[str], least: int = 1) -> "Vocabulary":
        """Every word that comes at least ``least`` times, the frequent ones first."""
        counts = Counter(map(plain, words))
        counts.pop("", None)
        kept = sorted((word for word, count in counts.items() if count >= least), key=lambda w: (-counts[w], w))
        return cls((*SPECIAL, *kept))

    @cached_property
    def indices(self) -> Mapping[str, int]:
        return {name: k for k, name in enumerate(self.names)}

    def of_window(self, words: Sequence[TimedWord], start: float, frames: int, fps: float) -> np.ndarray:
        """(frames,) indices: each word in the frame that it begins in, the last of several stays (as
        published).
        """
        table, row = self.indices, np.zeros(frames, dtype=np.int64)
        for word, begin, end in words:
            frame = int(np.floor((begin - start) * fps))
            if end > start and frame < frames and plain(word):
                row[max(0, frame)] = table.get(plain(word), UNKNOWN)
        return row


def read_vectors(path: Path, vocabulary: Vocabulary) -> np.ndarray:
    """(words, n) vectors of a fastText text file (``.vec``) for a vocabulary; words that it lacks are drawn small.

    ConfigError where it is no such file.
    """
    wanted, found = vocabulary.indices, dict[int, np.ndarray]()
    dim = 0
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file):
                parts = line.rstrip().split(" ")
                if number == 0 and len(parts) == 2:
                    continue
                dim = dim or len(parts) - 1
                if len(parts) == dim + 1 and parts[0] in wanted:
                    found[wanted[parts[0]]] = np.array(parts[1:], dtype=np.float32)
    except (OSError, ValueError) as error:
        raise ConfigError(f"The word vectors {path} cannot be read: {error}.") from error
    if not found:
        raise ConfigError(f"{path} holds no vector for any word of the data: give a fastText .vec file of text.")
    vectors = np.random.default_rng(0).normal(0, 0.1, (len(vocabulary.names), dim)).astype(np.float32)
    for index, vector in found.items():
        vectors[index] = vector
    return vectors
