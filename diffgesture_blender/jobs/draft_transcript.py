# SPDX-License-Identifier: GPL-3.0-or-later
"""*Draft Transcript*: what the backend hears, as text strips to be corrected. Needs PocketSphinx in its Python."""

from typing import Any

from .. import compat
from ..errors import DiffGestureError
from ..settings.of_character import settings_for
from ..state import character
from ..state.session import session
from ..timing import frame_rate
from .asking import Asking


class DraftTranscriptJob(Asking):
    """Asks for a draft of what is said and puts it into the sequencer, a strip for each phrase."""

    undo_message = "Draft Transcript"
    method = "draft_transcript"
    doing = "listening for words"

    def use(self, reply: dict[str, Any]) -> int:
        """Add the strips; their number."""
        request = self.request
        scene = character.find_scene(request.scene_uid)
        if scene is None:
            raise DiffGestureError("The scene is gone; nothing was changed.")
        captions = reply.get("captions", ())
        if not captions:
            raise DiffGestureError("No words were heard; a draft can be made of clean English alone.")
        editor, rate = scene.sequence_editor_create(), frame_rate(scene)
        channel = max((strip.channel for strip in compat.top_strips(editor)), default=0) + 1
        for start, end, text in captions:
            frames = [round(request.frame_start + float(seconds) * rate) for seconds in (start, end)]
            strip = compat.new_text_strip(
                editor, str(text)[:30], channel, frames[0], max(frames[1] - frames[0], 1)
            )
            strip.text = str(text)
        settings_for(character.find_armature(request.armature_uid, scene), scene).transcript = "STRIPS"
        return len(captions)

    def show(self, result: int) -> bool:
        """What was added, as a notice."""
        session.notice = f"{result} text strips were added: a draft. Correct them, then press Find Cues."
        return True
