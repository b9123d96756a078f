# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the list of takes: show, accept, reject."""

import bpy

from ..animation import takes
from ..errors import DiffGestureError
from ..retarget.apply import check_writable
from ..state import character
from ..state.session import session
from ..translations import tr


def _armature(context: bpy.types.Context) -> bpy.types.Object | None:
    settings = getattr(context.scene, "diffgesture", None)
    return character.chosen_armature(settings, context) if settings is not None else None


class _TakeOperator:
    """Works on the take that is chosen in the character's list."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        armature = _armature(context)
        reason = None
        if session.job is not None:
            reason = "Gestures are being generated."
        elif armature is None:
            reason = "Choose the character's armature."
        elif takes.active_take(armature) is None:
            reason = "There is no take; generate gestures first."
        if reason is not None:
            cls.poll_message_set(tr(reason))
        return reason is None

    def execute(self, context: bpy.types.Context) -> set[str]:
        armature = _armature(context)
        assert armature is not None
        take = takes.active_take(armature)
        assert take is not None
        try:
            check_writable(armature)
            self.report({"INFO"}, self.apply(armature, take))
        except DiffGestureError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class DIFFGESTURE_OT_take_show(_TakeOperator, bpy.types.Operator):
    """Let this take animate the character in place of the other takes"""

    bl_idname = "diffgesture.take_show"
    bl_label = "Show Take"

    def apply(self, armature: bpy.types.Object, take: bpy.types.PropertyGroup) -> str:
        takes.show(armature, take)
        return f"{armature.name} is animated by {take.action.name}"


class DIFFGESTURE_OT_take_accept(_TakeOperator, bpy.types.Operator):
    """Keep this take: its generated keys become keys like your own"""

    bl_idname = "diffgesture.take_accept"
    bl_label = "Accept"

    def apply(self, armature: bpy.types.Object, take: bpy.types.PropertyGroup) -> str:
        count = takes.accept(armature, take)
        return f"Accepted {take.action.name}: {count} keys are your own now"


class DIFFGESTURE_OT_take_reject(_TakeOperator, bpy.types.Operator):
    """Remove the generated keys of this take and keep those that you have set; without any, the action goes too"""

    bl_idname = "diffgesture.take_reject"
    bl_label = "Reject"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        if takes.active_take(_armature(context)).accepted:
            cls.poll_message_set(tr("This take is accepted; its keys are your own."))
            return False
        return True

    def apply(self, armature: bpy.types.Object, take: bpy.types.PropertyGroup) -> str:
        name = take.action.name
        kept = takes.reject(armature, take)
        return f"Rejected {name}; your own keys remain" if kept else f"Rejected {name}"


class DIFFGESTURE_OT_take_reject_others(_TakeOperator, bpy.types.Operator):
    """Reject all takes of this character but the chosen and the accepted ones, so that the file does not grow"""

    bl_idname = "diffgesture.take_reject_others"
    bl_label = "Reject Others"

    def apply(self, armature: bpy.types.Object, take: bpy.types.PropertyGroup) -> str:
        kept = take.action
        count = 0
        while True:
            others = (item for item in armature.diffgesture_takes if item.action not in (None, kept))
            other = next((item for item in others if not item.accepted), None)
            if other is None:
                break
            takes.reject(armature, other)
            count += 1
        takes.forget_deleted(armature)
        armature.diffgesture_take = next(
            i for i, item in enumerate(armature.diffgesture_takes) if item.action == kept
        )
        takes.show(armature, armature.diffgesture_takes[armature.diffgesture_take])
        return f"Rejected {count} takes"


CLASSES = (
    DIFFGESTURE_OT_take_show,
    DIFFGESTURE_OT_take_accept,
    DIFFGESTURE_OT_take_reject,
    DIFFGESTURE_OT_take_reject_others,
)
