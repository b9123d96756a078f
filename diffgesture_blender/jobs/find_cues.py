# SPDX-License-Identifier: GPL-3.0-or-later
"""*Find Cues*: the gestures that the words could bring, as markers, before or after anything was generated."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ..errors import DiffGestureError
from ..settings import cues
from ..state import character
from ..state.session import remove_folder, session
from ..timing import frame_rate
from ..worker import Call, JobCancelled
from .generate import IDLE_TIMEOUT
from .request import JobRequest


@dataclass(frozen=True)
class Found:
    """How many markers were added, and what to say."""

    added: int
    language: str
    warnings: tuple[str, ...]


class FindCuesJob:
    """Asks the worker for the cues of a request's transcript. ``poll`` until ``done``, then ``finish``."""

    undo_message: Final = "Find Cues"

    def __init__(self, request: JobRequest) -> None:
        self.request = request
        self._connection = session.backend.connect(request.machine.setup)
        self._call: Call | None = None
        self._error: BaseException | None = None

    @property
    def done(self) -> bool:
        return self._error is not None or (self._call is not None and self._call.done)

    @property
    def fraction(self) -> float:
        return 0.0 if self._call is None else 0.5

    @property
    def text(self) -> str:
        return self._connection.stage if self._call is None else "Reading the words"

    def poll(self, wait: float = 0.0) -> None:
        """Go on, waiting at most about ``wait`` seconds for news."""
        if self.done:
            return
        try:
            if self._call is None:
                self._connection.poll(wait)
                if self._connection.error is not None:
                    raise self._connection.error
                if self._connection.done:
                    assert self._connection.client is not None
                    params = self.request.words_params()
                    self._call = self._connection.client.call(
                        "find_cues", params, doing="reading the words", idle_timeout=IDLE_TIMEOUT
                    )
            else:
                assert self._connection.client is not None
                self._connection.client.poll(wait)
        except DiffGestureError as error:
            self._error = error

    def cancel(self) -> None:
        """Give up; the worker's answer, a moment later, is not heard."""
        if self._call is None:
            self._connection.cancel()
        self._error = self._error or JobCancelled()

    def obstacle(self) -> str | None:
        """Markers can be added at any time."""
        return None

    refusal = obstacle

    def discard(self) -> None:
        """Remove the job's files."""
        remove_folder(self.request.folder)

    def steps(self) -> Iterator[None]:
        """None of them takes long."""
        return iter(())

    def finish(self) -> Found:
        """Put the markers on the timeline; raises the error that ended the job."""
        if self._error is not None:
            raise self._error
        assert self._call is not None
        if self._call.error is not None:
            raise self._call.error
        self.discard()
        return self._mark(self._call.result or {})

    def _mark(self, reply: dict[str, Any]) -> Found:
        request = self.request
        scene = character.find_scene(request.scene_uid)
        armature = None if scene is None else character.find_armature(request.armature_uid, scene)
        if scene is None or armature is None:
            raise DiffGestureError("The scene or the character is gone; nothing was changed.")
        rate, added = frame_rate(scene), 0
        # What is there already stays as the animator has it: moved, renamed, switched off.
        taken = [cue.frame for _, _, cue in cues.markers(scene, armature)]
        for name, seconds, *_said in reply.get("cues", ()):
            frame = round(request.frame_start + float(seconds) * rate)
            if all(abs(frame - other) >= rate for other in taken):
                scene.timeline_markers.new(cues.marker_name(str(name), armature.name), frame=frame)
                added += 1
        if added:
            # From here on the markers count: what is removed from the timeline shall not come back from the words.
            scene.diffgesture.transcript = "NONE"
        warnings = (*map(str, reply.get("warnings", ())), *request.notes)
        return Found(added, str(reply.get("language", "")), warnings)

    def show(self, result: Found) -> bool:
        """What was found, as a notice."""
        session.notice = " ".join((_sentence(result), *result.warnings))
        return True


def _sentence(found: Found) -> str:
    if not found.added:
        return "No further gestures were found in the words; raise Words, or add cues by hand."
    count = "1 marker was" if found.added == 1 else f"{found.added} markers were"
    return f"{count} added. They are what counts now, so Transcript is set to None."
