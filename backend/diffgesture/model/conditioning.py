# SPDX-License-Identifier: GPL-3.0-or-later
"""What a network is conditioned on: named streams of numbers per frame, each with a bit that says it is given.

The network reads one tensor (T, C): for each stream, in the card's order, its standardised values and then the
bit; a stream that is not given is zeros. Training and generation both pass through ``Stream.encode``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

MAX_STREAMS: Final = 16
MAX_STREAM_DIM: Final = 1024


@dataclass(frozen=True, eq=False)
class Stream:
    """One condition: ``dim`` numbers per frame, standardised by ``mean`` and ``std`` (dim,).

    ``columns`` may name the numbers; ``padding`` (dim,) is what follows behind the end of a clip.
    """

    name: str
    dim: int
    mean: np.ndarray
    std: np.ndarray
    padding: np.ndarray
    columns: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Columns in the network's input: the values and the bit."""
        return self.dim + 1

    def encode(self, values: np.ndarray, given: np.ndarray | float = 1.0) -> np.ndarray:
        """Values (..., dim) and bits (..., 1) to the network's columns (..., dim + 1) float32."""
        standardised = (values - self.mean) / self.std
        bits = np.broadcast_to(np.asarray(given, dtype=np.float32), (*values.shape[:-1], 1))
        return np.concatenate([standardised * bits, bits], axis=-1).astype(np.float32)

    @classmethod
    def from_card(cls, name: str, entry: Mapping[str, Any]) -> "Stream":
        """From its entry on the card; ValueError where that is strange."""
        columns = tuple(str(column) for column in entry.get("columns", ()))
        dim = entry.get("dim", len(columns) or len(entry.get("mean", ())))
        if isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= MAX_STREAM_DIM:
            raise ValueError(f"the stream {name} has {dim!r:.40} numbers")
        if columns and len(columns) != dim:
            raise ValueError(f"the stream {name} has {dim} numbers, but {len(columns)} names for them")
        vectors = {}
        for key, default in (("mean", 0.0), ("std", 1.0), ("silence", 0.0)):
            vector = np.asarray(entry.get(key, np.full(dim, default)), dtype=np.float64)
            if vector.shape != (dim,) or not np.isfinite(vector).all():
                raise ValueError(f"the stream {name}: {key} must be {dim} numbers")
            vectors[key] = vector
        if (vectors["std"] <= 0).any():
            raise ValueError(f"the stream {name} has a standard deviation that is not positive")
        return cls(name, dim, vectors["mean"], vectors["std"], vectors["silence"], columns)

    @classmethod
    def all_of_card(cls, card: Mapping[str, Any]) -> tuple["Stream", ...]:
        """The streams of a card: ``features`` is the stream ``speech``, those of ``streams`` come after it."""
        further = card.get("streams", {})
        if not isinstance(further, dict):
            raise ValueError("streams must be a table")
        entries = further if "speech" in further else {"speech": card["features"], **further}
        if len(entries) > MAX_STREAMS:
            raise ValueError(f"there are {len(entries)} streams, of which {MAX_STREAMS} can be used")
        return tuple(cls.from_card(name, entry) for name, entry in entries.items())

    def as_card(self) -> dict[str, Any]:
        """The entry that ``from_card`` reads."""
        entry: dict[str, Any] = {"dim": self.dim}
        if self.columns:
            entry["columns"] = list(self.columns)
        for key, vector in (("mean", self.mean), ("std", self.std), ("silence", self.padding)):
            entry[key] = [round(float(value), 6) for value in vector]
        return entry


def streams_on_card(streams: Sequence[Stream]) -> dict[str, Any]:
    """The fields ``features`` and ``streams`` of a card, as ``Stream.all_of_card`` reads them."""
    speech, *further = streams
    return {"features": speech.as_card(), "streams": {stream.name: stream.as_card() for stream in further}}


def condition_dim(streams: Sequence[Stream]) -> int:
    """C, the columns of all streams."""
    return sum(stream.width for stream in streams)


class Conditioning:
    """The streams of one clip as the network wants them: ``values`` (T, C) float32."""

    def __init__(self, streams: Sequence[Stream], given: Mapping[str, np.ndarray], num_frames: int) -> None:
        """``given``: stream -> (up to T, dim); shorter ones are followed by the stream's padding.

        Streams that are not named are not given. ValueError for a name or a width that the network lacks.
        """
        self.streams, self.num_frames = tuple(streams), num_frames
        if unknown := set(given) - {stream.name for stream in streams}:
            raise ValueError(f"the network knows no stream {', '.join(sorted(unknown))}")
        self.values = np.zeros((num_frames, condition_dim(streams)), dtype=np.float32)
        self._columns: dict[str, slice] = {}
        start = 0
        for stream in streams:
            self._columns[stream.name] = slice(start, start + stream.width)
            start += stream.width
            if stream.name in given:
                values = np.asarray(given[stream.name])
                if values.ndim != 2 or values.shape[1] != stream.dim or len(values) > num_frames:
                    raise ValueError(f"the stream {stream.name} has the shape {values.shape}")
                behind = np.repeat(stream.padding[None], num_frames - len(values), axis=0)
                self.values[:, self._columns[stream.name]] = stream.encode(np.concatenate([values, behind]))

    def is_padding(self, name: str) -> bool:
        """Whether the stream is given and is nothing but what follows behind a clip's end: silence, for speech."""
        stream = next((stream for stream in self.streams if stream.name == name), None)
        return stream is not None and bool(
            (self.values[:, self._columns[name]] == stream.encode(stream.padding)).all()
        )

    def without(self, *names: str) -> np.ndarray:
        """(T, C) as if the streams ``names`` were not given."""
        values = self.values.copy()
        for name in names:
            values[:, self._columns[name]] = 0
        return values

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._columns)
