# SPDX-License-Identifier: GPL-3.0-or-later
"""The button beside a reason why the character does not show its gestures."""

from dataclasses import replace

import bpy
from bpy.props import IntProperty

from ..retarget.look import Look
from ..retarget.mend import mend
from ..state import character
from ..state.session import session
from ..translations import tr


class DIFFGESTURE_OT_mend(bpy.types.Operator):
    """Do what this message asks for, so that the gestures are seen; then generate again if bones got no keys"""

    bl_idname = "diffgesture.mend"
    bl_label = "Mend"
    bl_options = {"REGISTER", "UNDO"}

    index: IntProperty(options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if session.result is None:
            cls.poll_message_set(tr("Nothing has been generated yet."))
        return session.result is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        result = session.result
        assert result is not None
        armature = character.find_armature(result.armature_uid, context.scene)
        findings = result.look.findings
        if armature is None or not 0 <= self.index < len(findings):
            self.report({"ERROR"}, tr("The character of the last result is not in this scene any more"))
            return {"CANCELLED"}
        finding = findings[self.index]
        try:
            done = mend(armature, context.scene, finding)
        except (AttributeError, KeyError, TypeError, RuntimeError) as error:
            self.report({"ERROR"}, f"This cannot be changed here: {error}")
            return {"CANCELLED"}
        if not done:
            self.report({"ERROR"}, tr("This has to be mended by hand"))
            return {"CANCELLED"}
        left = tuple(each for each in findings if each != finding)
        kept = tuple(text for text in result.warnings if text not in result.look.sentences)
        look = Look(result.look.behind, result.look.largest_error, left) if left else Look()
        session.result = replace(result, look=look, warnings=(*kept, *look.sentences))
        return {"FINISHED"}


CLASSES = (DIFFGESTURE_OT_mend,)
