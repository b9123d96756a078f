# SPDX-License-Identifier: GPL-3.0-or-later
"""*Find Cues*: the gestures that the words could bring, as markers, before or after anything was generated."""

from dataclasses import dataclass
from typing import Any

from ..errors import DiffGestureError
from ..settings import cues
from ..settings.of_character import settings_for
from ..state import character
from ..state.session import session
from ..timing import frame_rate
from .asking import Asking


@dataclass(frozen=True)
class Found:
    """How many markers were added, and what to say."""

    added: int
    language: str
    warnings: tuple[str, ...]


class FindCuesJob(Asking):
    """Asks for the cues of a request's transcript and marks them on the timeline."""

    undo_message = "Find Cues"
    method = "find_cues"
    doing = "reading the words"

    def use(self, reply: dict[str, Any]) -> Found:
        """Put the markers on the timeline."""
        request = self.request
        scene = character.find_scene(request.scene_uid)
        armature = None if scene is None else character.find_armature(request.armature_uid, scene)
        if scene is None or armature is None:
            raise DiffGestureError("The scene or the character is gone; nothing was changed.")
        rate, added = frame_rate(scene), 0
        # What is there already stays as the animator has it: moved, renamed, switched off.
        taken = [cue.frame for _, _, cue in cues.markers(scene, armature)]
        for name, seconds, said in reply.get("cues", ()):
            frame = round(request.frame_start + float(seconds) * rate)
            if all(abs(frame - other) >= rate for other in taken):
                scene.timeline_markers.new(cues.marker_name(str(name), armature.name, said=str(said)), frame=frame)
                added += 1
        if added:
            # From here on the markers count: what is removed from the timeline shall not come back from the words.
            settings_for(armature, scene).transcript = "NONE"
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
