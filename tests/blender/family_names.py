# SPDX-License-Identifier: GPL-3.0-or-later
"""Bone names of rig families as their makers give them, for skeletons to test on; no Blender.

Written from the makers' own files and documents, not from ``rigs/``, which is what they test.
"""

from dataclasses import dataclass, field

FINGERS = ("thumb", "index", "middle", "ring", "pinky")


@dataclass(frozen=True)
class Names:
    """Names of one family. ``{s}`` is the side's word; ``{f}`` a finger's.

    ``upper_arm``, ``forearm``: the bones of the limb with the place (0 to 1) where each begins; those with a ``+``
    hang beside the first instead of being links of the chain. ``fingers``: names of the three phalanges.
    ``metacarpals``: name of a bone before a finger. ``loose``: bones that belong to nothing here, with what
    they hang on. ``tips``: name of a finger's end. ``arms_on``: part that the clavicles hang on; ``legs_on``: the
    legs', with a ``+`` for a bone of its own below the pelvis; on ``spine`` they hang on its first bone.
    """

    family: str
    sides: tuple[str, str]
    pelvis: str
    spine: tuple[str, ...]
    neck: tuple[str, ...]
    head: str
    clavicle: str
    upper_arm: tuple[tuple[str, float], ...]
    forearm: tuple[tuple[str, float], ...]
    hand: str
    legs: tuple[str, str, str, str]
    fingers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    metacarpals: dict[str, str] = field(default_factory=dict)
    tips: dict[str, str] = field(default_factory=dict)
    roots: tuple[str, ...] = ()
    loose: tuple[tuple[str, str], ...] = ()
    arms_on: str = "spine"
    legs_on: str = "pelvis"
    tails: str = "child"


def _fingers(pattern: str, words: tuple[str, ...] = FINGERS, numbers: str = "123") -> dict[str, tuple[str, ...]]:
    return {
        finger: tuple(pattern.replace("{f}", word).replace("{n}", n) for n in numbers)
        for finger, word in zip(FINGERS, words, strict=True)
    }


def _one(pattern: str, words: tuple[str, ...] = FINGERS) -> dict[str, str]:
    return {finger: pattern.replace("{f}", word) for finger, word in zip(FINGERS, words, strict=True)}


_CAPITAL = ("Thumb", "Index", "Middle", "Ring", "Pinky")
_LITTLE = ("Thumb", "Index", "Middle", "Ring", "Little")
_MID = ("Thumb", "Index", "Mid", "Ring", "Pinky")
_JAPANESE = ("親指", "人指", "中指", "薬指", "小指")
_MIXAMO_LEGS = ("{s}UpLeg", "{s}Leg", "{s}Foot", "{s}ToeBase")


def _mixamo(family: str, prefix: str = "", spine: int = 3, neck: int = 1, **more: object) -> Names:
    fields = {
        "family": family,
        "sides": ("Left", "Right"),
        "pelvis": f"{prefix}Hips",
        "spine": tuple(f"{prefix}Spine{i or ''}" for i in range(spine)),
        "neck": tuple(f"{prefix}Neck{i or ''}" for i in range(neck)),
        "head": f"{prefix}Head",
        "clavicle": f"{prefix}{{s}}Shoulder",
        "upper_arm": ((f"{prefix}{{s}}Arm", 0.0),),
        "forearm": ((f"{prefix}{{s}}ForeArm", 0.0),),
        "hand": f"{prefix}{{s}}Hand",
        "legs": tuple(prefix + leg for leg in _MIXAMO_LEGS),
        "fingers": _fingers(f"{prefix}{{s}}Hand{{f}}{{n}}", _CAPITAL),
        "tips": _one(f"{prefix}{{s}}Hand{{f}}4", _CAPITAL),
    }
    return Names(**{**fields, **more})


FAMILIES: dict[str, Names] = {
    "mixamo_numbered": _mixamo("Mixamo", "mixamorig5:"),
    "mixamo_namespace": _mixamo("Mixamo", "Hero|mixamorig:"),
    "zeroeggs": _mixamo(
        "ZeroEGGS", spine=4, neck=2, loose=(("HeadEnd", "head"), ("{s}ForeArmEnd", "hand"), ("{s}ArmEnd", "hand"))
    ),
    "perception_neuron": _mixamo(
        "Perception Neuron",
        "Robot_",
        spine=4,
        tips={},
        metacarpals={f: f"Robot_{{s}}InHand{f.title()}" for f in FINGERS[1:]},
    ),
    "beat": _mixamo("BEAT", spine=4, neck=2, forearm=(("{s}Arm1", 0.0),), tips={}),
    "cmu_bvh": _mixamo(
        "CMU BVH",
        spine=2,
        neck=2,
        fingers={"middle": ("{s}HandIndex1",)},
        tips={},
        loose=(("{s}FingerBase", "hand"), ("{s}HipJoint", "pelvis")),
    ),
    "vroid": Names(
        "VRM (VRoid)",
        ("L", "R"),
        "J_Bip_C_Hips",
        ("J_Bip_C_Spine", "J_Bip_C_Chest", "J_Bip_C_UpperChest"),
        ("J_Bip_C_Neck",),
        "J_Bip_C_Head",
        "J_Bip_{s}_Shoulder",
        (("J_Bip_{s}_UpperArm", 0.0),),
        (("J_Bip_{s}_LowerArm", 0.0),),
        "J_Bip_{s}_Hand",
        ("J_Bip_{s}_UpperLeg", "J_Bip_{s}_LowerLeg", "J_Bip_{s}_Foot", "J_Bip_{s}_ToeBase"),
        _fingers("J_Bip_{s}_{f}{n}", _LITTLE),
        roots=("Root",),
        loose=(
            ("J_Adj_{s}_FaceEye", "head"),
            ("J_Sec_{s}_Bust1", "spine"),
            ("J_Sec_{s}_SkirtFront1", "pelvis"),
            ("J_Sec_{s}_Hair1_01", "head"),
            ("J_Sec_{s}_TopsUpperArmInside", "upper_arm"),
        ),
        tails="up",
    ),
    "unity": Names(
        "Unity humanoid, VRM",
        ("Left", "Right"),
        "Hips",
        ("Spine", "Chest", "UpperChest"),
        ("Neck",),
        "Head",
        "{s}Shoulder",
        (("{s}UpperArm", 0.0),),
        (("{s}LowerArm", 0.0),),
        "{s}Hand",
        ("{s}UpperLeg", "{s}LowerLeg", "{s}Foot", "{s}Toes"),
        {
            f: tuple(f"{{s}}{w}{p}" for p in ("Proximal", "Intermediate", "Distal"))
            for f, w in zip(FINGERS, _LITTLE, strict=True)
        },
    ),
    "unreal5": Names(
        "Unreal",
        ("l", "r"),
        "pelvis",
        ("spine_01", "spine_02", "spine_03", "spine_04", "spine_05"),
        ("neck_01", "neck_02"),
        "head",
        "clavicle_{s}",
        (("upperarm_{s}", 0.0), ("+upperarm_twist_01_{s}", 0.0), ("+upperarm_twist_02_{s}", 0.5)),
        (("lowerarm_{s}", 0.0), ("+lowerarm_twist_02_{s}", 0.33), ("+lowerarm_twist_01_{s}", 0.67)),
        "hand_{s}",
        ("thigh_{s}", "calf_{s}", "foot_{s}", "ball_{s}"),
        _fingers("{f}_0{n}_{s}"),
        {f: f"{f}_metacarpal_{{s}}" for f in FINGERS[1:]},
        roots=("root",),
        loose=(
            ("ik_foot_root", "root"),
            ("ik_hand_root", "root"),
            ("upperarm_correctiveRoot_{s}", "upper_arm"),
            ("upperarm_bicep_{s}", "upper_arm"),
            ("lowerarm_in_{s}", "forearm"),
            ("clavicle_out_{s}", "clavicle"),
            ("clavicle_pec_{s}", "spine"),
            ("wrist_inner_{s}", "hand"),
        ),
    ),
    "unreal4": Names(
        "Unreal",
        ("l", "r"),
        "pelvis",
        ("spine_01", "spine_02", "spine_03"),
        ("neck_01",),
        "head",
        "clavicle_{s}",
        (("upperarm_{s}", 0.0), ("+upperarm_twist_01_{s}", 0.0)),
        (("lowerarm_{s}", 0.0), ("+lowerarm_twist_01_{s}", 0.5)),
        "hand_{s}",
        ("thigh_{s}", "calf_{s}", "foot_{s}", "ball_{s}"),
        _fingers("{f}_0{n}_{s}"),
        roots=("root",),
        tails="random",
    ),
    "character_creator": Names(
        "Character Creator",
        ("L", "R"),
        "CC_Base_Hip",
        ("CC_Base_Waist", "CC_Base_Spine01", "CC_Base_Spine02"),
        ("CC_Base_NeckTwist01", "CC_Base_NeckTwist02"),
        "CC_Base_Head",
        "CC_Base_{s}_Clavicle",
        (
            ("CC_Base_{s}_Upperarm", 0.0),
            ("+CC_Base_{s}_UpperarmTwist01", 0.0),
            ("+CC_Base_{s}_UpperarmTwist02", 0.5),
        ),
        (
            ("CC_Base_{s}_Forearm", 0.0),
            ("+CC_Base_{s}_ForearmTwist01", 0.0),
            ("+CC_Base_{s}_ForearmTwist02", 0.5),
        ),
        "CC_Base_{s}_Hand",
        ("CC_Base_{s}_Thigh", "CC_Base_{s}_Calf", "CC_Base_{s}_Foot", "CC_Base_{s}_ToeBase"),
        _fingers("CC_Base_{s}_{f}{n}", _MID),
        roots=("CC_Base_BoneRoot",),
        loose=(
            ("CC_Base_FacialBone", "head"),
            ("CC_Base_{s}_Eye", "head"),
            ("CC_Base_{s}_ElbowShareBone", "forearm"),
            ("CC_Base_{s}_RibsTwist", "spine"),
            ("CC_Base_{s}_Breast", "spine"),
        ),
    ),
    "daz_genesis8": Names(
        "Daz Genesis 3, 8",
        ("l", "r"),
        "hip",
        ("abdomenLower", "abdomenUpper", "chestLower", "chestUpper"),
        ("neckLower", "neckUpper"),
        "head",
        "{s}Collar",
        (("{s}ShldrBend", 0.0), ("{s}ShldrTwist", 0.45)),
        (("{s}ForearmBend", 0.0), ("{s}ForearmTwist", 0.5)),
        "{s}Hand",
        ("{s}ThighBend", "{s}Shin", "{s}Foot", "{s}Toe"),
        _fingers("{s}{f}{n}", _MID),
        {"index": "{s}Carpal1", "middle": "{s}Carpal2", "ring": "{s}Carpal3", "pinky": "{s}Carpal4"},
        loose=(("{s}Pectoral", "spine"), ("{s}Eye", "head"), ("lowerJaw", "head")),
        legs_on="+pelvis",
    ),
    "daz_genesis9": Names(
        "Daz Genesis 9",
        ("l", "r"),
        "hip",
        ("spine1", "spine2", "spine3", "spine4"),
        ("neck1", "neck2"),
        "head",
        "{s}_shoulder",
        (("{s}_upperarm", 0.0), ("+{s}_upperarmtwist1", 0.2), ("+{s}_upperarmtwist2", 0.6)),
        (("{s}_forearm", 0.0), ("+{s}_forearmtwist1", 0.2), ("+{s}_forearmtwist2", 0.6)),
        "{s}_hand",
        ("{s}_thigh", "{s}_shin", "{s}_foot", "{s}_toes"),
        _fingers("{s}_{f}{n}", ("thumb", "index", "mid", "ring", "pinky")),
        {"index": "{s}_indexmetacarpal", "middle": "{s}_midmetacarpal", "pinky": "{s}_pinkymetacarpal"},
        legs_on="+pelvis",
    ),
    "auto_rig_pro_deform": Names(
        "Auto-Rig Pro deform bones",
        ("l", "r"),
        "root.x",
        ("spine_01.x", "spine_02.x", "spine_03.x"),
        ("neck.x",),
        "head.x",
        "shoulder.{s}",
        (("c_arm_twist_offset.{s}", 0.0), ("arm_stretch.{s}", 0.5)),
        (("forearm_stretch.{s}", 0.0), ("forearm_twist.{s}", 0.5)),
        "hand.{s}",
        ("thigh_stretch.{s}", "leg_stretch.{s}", "foot.{s}", "toes_01.{s}"),
        _fingers("{f}{n}.{s}"),
        {f: f"{f}1_base.{{s}}" for f in FINGERS[1:]},
    ),
    "biped_twist": Names(
        "3ds Max Biped",
        ("L", "R"),
        "Bip001 Pelvis",
        ("Bip001 Spine", "Bip001 Spine1", "Bip001 Spine2"),
        ("Bip001 Neck",),
        "Bip001 Head",
        "Bip001 {s} Clavicle",
        (("Bip001 {s} UpperArm", 0.0), ("+Bip001 {s}UpArmTwist", 0.0)),
        (("Bip001 {s} Forearm", 0.0), ("+Bip001 {s} ForeTwist", 0.0), ("+Bip001 {s} ForeTwist1", 0.5)),
        "Bip001 {s} Hand",
        ("Bip001 {s} Thigh", "Bip001 {s} Calf", "Bip001 {s} Foot", "Bip001 {s} Toe0"),
        {f: tuple(f"Bip001 {{s}} Finger{i}{n}" for n in ("", "1", "2")) for i, f in enumerate(FINGERS)},
        roots=("Bip001",),
        arms_on="neck",
        tails="random",
    ),
    "mmd": Names(
        "MMD (Japanese)",
        ("左", "右"),
        "腰",
        ("上半身", "上半身2"),
        ("首",),
        "頭",
        "{s}肩",
        (("{s}腕", 0.0), ("{s}腕捩", 0.6)),
        (("{s}ひじ", 0.0), ("{s}手捩", 0.6)),
        "{s}手首",
        ("{s}足", "{s}ひざ", "{s}足首", "{s}つま先"),
        {
            "thumb": ("{s}親指０", "{s}親指１", "{s}親指２"),
            **{
                f: tuple(f"{{s}}{w}{n}" for n in "１２３")
                for f, w in list(zip(FINGERS, _JAPANESE, strict=True))[1:]
            },
        },
        roots=("全ての親", "センター", "グルーブ"),
        loose=(
            ("{s}足ＩＫ", "root"),
            ("{s}目", "head"),
            ("{s}肩P", "spine"),
            ("{s}ダミー", "hand"),
            ("前髪1", "head"),
        ),
        legs_on="+下半身",
        tails="up",
    ),
    "mmd_tools": Names(
        "MMD (Japanese)",
        ("L", "R"),
        "センター",
        ("上半身", "上半身2"),
        ("首",),
        "頭",
        "肩.{s}",
        (("腕.{s}", 0.0),),
        (("ひじ.{s}", 0.0),),
        "手首.{s}",
        ("足.{s}", "ひざ.{s}", "足首.{s}", "つま先.{s}"),
        {
            "thumb": ("親指０.{s}", "親指１.{s}", "親指２.{s}"),
            **{
                f: tuple(f"{w}{n}.{{s}}" for n in "１２３")
                for f, w in list(zip(FINGERS, _JAPANESE, strict=True))[1:]
            },
        },
        legs_on="+下半身",
    ),
    "mmd_english": Names(
        "MMD (English)",
        ("L", "R"),
        "center",
        ("upper body", "upper body2"),
        ("neck",),
        "head",
        "shoulder_{s}",
        (("arm_{s}", 0.0), ("arm twist_{s}", 0.6)),
        (("elbow_{s}", 0.0), ("wrist twist_{s}", 0.6)),
        "wrist_{s}",
        ("leg_{s}", "knee_{s}", "ankle_{s}", "toe_{s}"),
        {
            "thumb": ("thumb0_{s}", "thumb1_{s}", "thumb2_{s}"),
            "index": ("fore1_{s}", "fore2_{s}", "fore3_{s}"),
            "middle": ("middle1_{s}", "middle2_{s}", "middle3_{s}"),
            "ring": ("third1_{s}", "third2_{s}", "third3_{s}"),
            "pinky": ("little1_{s}", "little2_{s}", "little3_{s}"),
        },
        legs_on="+lower body",
    ),
    "cats": Names(
        "CATS",
        ("Left", "Right"),
        "Hips",
        ("Spine", "Chest"),
        ("Neck",),
        "Head",
        "{s} shoulder",
        (("{s} arm", 0.0),),
        (("{s} elbow", 0.0),),
        "{s} wrist",
        ("{s} leg", "{s} knee", "{s} ankle", "{s} toe"),
        {
            "thumb": ("Thumb0_{1}", "Thumb1_{1}", "Thumb2_{1}"),
            **{
                f: tuple(f"{w}Finger{n}_{{1}}" for n in "123")
                for f, w in list(zip(FINGERS, _LITTLE, strict=True))[1:]
            },
        },
    ),
    "smpl": Names(
        "SMPL, SMPL-H, SMPL-X",
        ("L", "R"),
        "m_avg_Pelvis",
        ("m_avg_Spine1", "m_avg_Spine2", "m_avg_Spine3"),
        ("m_avg_Neck",),
        "m_avg_Head",
        "m_avg_{s}_Collar",
        (("m_avg_{s}_Shoulder", 0.0),),
        (("m_avg_{s}_Elbow", 0.0),),
        "m_avg_{s}_Wrist",
        ("m_avg_{s}_Hip", "m_avg_{s}_Knee", "m_avg_{s}_Ankle", "m_avg_{s}_Foot"),
        roots=("m_avg_root",),
        tails="up",
    ),
    "smplx": Names(
        "SMPL, SMPL-H, SMPL-X",
        ("left", "right"),
        "pelvis",
        ("spine1", "spine2", "spine3"),
        ("neck",),
        "head",
        "{s}_collar",
        (("{s}_shoulder", 0.0),),
        (("{s}_elbow", 0.0),),
        "{s}_wrist",
        ("{s}_hip", "{s}_knee", "{s}_ankle", "{s}_foot"),
        _fingers("{s}_{f}{n}"),
        roots=("root",),
        loose=(("jaw", "head"), ("{s}_eye_smplhf", "head")),
        tails="up",
    ),
    "cmu_acclaim": Names(
        "CMU Acclaim",
        ("l", "r"),
        "root",
        ("lowerback", "upperback", "thorax"),
        ("lowerneck", "upperneck"),
        "head",
        "{s}clavicle",
        (("{s}humerus", 0.0),),
        (("{s}radius", 0.0),),
        "{s}wrist",
        ("{s}femur", "{s}tibia", "{s}foot", "{s}toes"),
    ),
    "xsens": Names(
        "Xsens MVN",
        ("Left", "Right"),
        "Pelvis",
        ("L5", "L3", "T12", "T8"),
        ("Neck",),
        "Head",
        "{s}Shoulder",
        (("{s}UpperArm", 0.0),),
        (("{s}ForeArm", 0.0),),
        "{s}Hand",
        ("{s}UpperLeg", "{s}LowerLeg", "{s}Foot", "{s}Toe"),
    ),
    "classic_bvh": Names(
        "Classic BVH",
        ("Left", "Right"),
        "Hips",
        ("Chest", "Chest2", "Chest3", "Chest4"),
        ("Neck",),
        "Head",
        "{s}Collar",
        (("{s}Shoulder", 0.0),),
        (("{s}Elbow", 0.0),),
        "{s}Wrist",
        ("{s}Hip", "{s}Knee", "{s}Ankle", "{s}Toe"),
    ),
    "rokoko": Names(
        "Rokoko",
        ("Left", "Right"),
        "Hips",
        ("Spine1", "Spine2", "Spine3", "Spine4"),
        ("Neck",),
        "Head",
        "{s}Shoulder",
        (("{s}Arm", 0.0),),
        (("{s}ForeArm", 0.0),),
        "{s}Hand",
        ("{s}Thigh", "{s}Shin", "{s}Foot", "{s}Toe"),
        {
            "thumb": ("{s}Finger1Metacarpal", "{s}Finger1Proximal", "{s}Finger1Distal"),
            **{
                f: tuple(f"{{s}}Finger{i}{p}" for p in ("Proximal", "Medial", "Distal"))
                for i, f in enumerate(FINGERS[1:], 2)
            },
        },
        {f: f"{{s}}Finger{i}Metacarpal" for i, f in enumerate(FINGERS[1:], 2)},
        _one("{s}{f}Tip", ("Finger1", "Finger2", "Finger3", "Finger4", "Finger5")),
    ),
    "genea": Names(
        "GENEA, TalkingWithHands",
        ("l", "r"),
        "b_root",
        ("b_spine0", "b_spine1", "b_spine2", "b_spine3"),
        ("b_neck0",),
        "b_head",
        "b_{s}_shoulder",
        (("b_{s}_arm", 0.0), ("+b_{s}_arm_twist", 0.5)),
        (("b_{s}_forearm", 0.0), ("b_{s}_wrist_twist", 0.7)),
        "b_{s}_wrist",
        ("b_{s}_upleg", "b_{s}_leg", "b_{s}_foot", "b_{s}_toe"),
        _fingers("b_{s}_{f}{n}"),
        {"thumb": "b_{s}_thumb0"},
        roots=("body_world",),
        tails="random",
    ),
    "smartbody": Names(
        "SmartBody",
        ("Lf", "Rt"),
        "JtRoot",
        ("JtSpineA", "JtSpineB", "JtSpineC"),
        ("JtNeckA", "JtNeckB"),
        "JtSkullA",
        "JtClavicle{s}",
        (("JtShoulder{s}", 0.0), ("JtUpperArmTwistA{s}", 0.3), ("JtUpperArmTwistB{s}", 0.65)),
        (("JtElbow{s}", 0.0), ("JtForearmTwistA{s}", 0.3), ("JtForearmTwistB{s}", 0.65)),
        "JtWrist{s}",
        ("JtHip{s}", "JtKnee{s}", "JtAnkle{s}", "JtBall{s}"),
        _fingers("Jt{f}{n}{s}", _LITTLE, "ABC"),
    ),
    "rigify_deform": Names(
        "Rigify deform bones",
        ("L", "R"),
        "DEF-spine",
        ("DEF-spine.001", "DEF-spine.002", "DEF-spine.003"),
        ("DEF-spine.004", "DEF-spine.005"),
        "DEF-spine.006",
        "DEF-shoulder.{s}",
        (("DEF-upper_arm.{s}", 0.0), ("DEF-upper_arm.{s}.001", 0.5)),
        (("DEF-forearm.{s}", 0.0), ("DEF-forearm.{s}.001", 0.5)),
        "DEF-hand.{s}",
        ("DEF-thigh.{s}", "DEF-shin.{s}", "DEF-foot.{s}", "DEF-toe.{s}"),
        {
            "thumb": ("DEF-thumb.01.{s}", "DEF-thumb.02.{s}", "DEF-thumb.03.{s}"),
            **{f: tuple(f"DEF-f_{f}.0{n}.{{s}}" for n in "123") for f in FINGERS[1:]},
        },
        {f: f"DEF-palm.0{i}.{{s}}" for i, f in enumerate(FINGERS[1:], 1)},
    ),
    "game_studio": Names(
        "Common names",
        ("l", "r"),
        "hips_jnt",
        ("spine_01_jnt", "spine_02_jnt", "chest_jnt"),
        ("neck_01_jnt",),
        "head_jnt",
        "clav_{s}_jnt",
        (("uparm_{s}_jnt", 0.0),),
        (("loarm_{s}_jnt", 0.0),),
        "hand_{s}_jnt",
        ("upleg_{s}_jnt", "loleg_{s}_jnt", "foot_{s}_jnt", "toe_{s}_jnt"),
        _fingers("{f}_0{n}_{s}_jnt"),
    ),
    "arkit": Names(
        "ARKit",
        ("left", "right"),
        "hips_joint",
        tuple(f"spine_{n}_joint" for n in range(1, 8)),
        tuple(f"neck_{n}_joint" for n in range(1, 5)),
        "head_joint",
        "{s}_shoulder_1_joint",
        (("{s}_arm_joint", 0.0),),
        (("{s}_forearm_joint", 0.0),),
        "{s}_hand_joint",
        ("{s}_upLeg_joint", "{s}_leg_joint", "{s}_foot_joint", "{s}_toes_joint"),
        _fingers("{s}_hand{f}_{n}_joint", _CAPITAL),
        {f: f"{{s}}_hand{f.title()}Start_joint" for f in FINGERS[1:]},
        _one("{s}_hand{f}End_joint", _CAPITAL),
        roots=("root",),
    ),
    "second_life": Names(
        "Second Life",
        ("Left", "Right"),
        "mPelvis",
        ("mTorso", "mChest"),
        ("mNeck",),
        "mHead",
        "mCollar{s}",
        (("mShoulder{s}", 0.0),),
        (("mElbow{s}", 0.0),),
        "mWrist{s}",
        ("mHip{s}", "mKnee{s}", "mAnkle{s}", "mFoot{s}"),
        _fingers("mHand{f}{n}{s}", _CAPITAL),
    ),
    "smartbody_sk": Names(
        "SmartBody",
        ("l", "r"),
        "base",
        ("spine1", "spine2", "spine3"),
        ("spine4", "spine5"),
        "skullbase",
        "{s}_sternoclavicular",
        (("{s}_shoulder", 0.0),),
        (("{s}_elbow", 0.0),),
        "{s}_wrist",
        ("{s}_hip", "{s}_knee", "{s}_ankle", "{s}_forefoot"),
        _fingers("{s}_{f}{n}"),
        loose=(("face_top_parent", "head"),),
    ),
    "roblox": Names(
        "Roblox R15",
        ("Left", "Right"),
        "LowerTorso",
        ("UpperTorso",),
        ("Neck",),
        "Head",
        "{s}Clavicle",
        (("{s}UpperArm", 0.0),),
        (("{s}LowerArm", 0.0),),
        "{s}Hand",
        ("{s}UpperLeg", "{s}LowerLeg", "{s}Foot", "{s}Toe"),
        roots=("HumanoidRootPart",),
    ),
    "sims": Names(
        "The Sims 4",
        ("L", "R"),
        "b__Pelvis__",
        ("b__Spine0__", "b__Spine1__", "b__Spine2__"),
        ("b__Neck__",),
        "b__Head__",
        "b__{s}_Clavicle__",
        (("b__{s}_UpperArm__", 0.0),),
        (("b__{s}_Forearm__", 0.0),),
        "b__{s}_Hand__",
        ("b__{s}_Thigh__", "b__{s}_Calf__", "b__{s}_Foot__", "b__{s}_Toe__"),
        _fingers("b__{s}_{f}{n}__", _MID, "012"),
        roots=("b__ROOT__",),
    ),
    "gta": Names(
        "GTA V",
        ("L", "R"),
        "SKEL_Pelvis",
        ("SKEL_Spine_Root", "SKEL_Spine0", "SKEL_Spine1", "SKEL_Spine2", "SKEL_Spine3"),
        ("SKEL_Neck_1",),
        "SKEL_Head",
        "SKEL_{s}_Clavicle",
        (("SKEL_{s}_UpperArm", 0.0),),
        (("SKEL_{s}_Forearm", 0.0),),
        "SKEL_{s}_Hand",
        ("SKEL_{s}_Thigh", "SKEL_{s}_Calf", "SKEL_{s}_Foot", "SKEL_{s}_Toe0"),
        {f: tuple(f"SKEL_{{s}}_Finger{i}{n}" for n in "012") for i, f in enumerate(FINGERS)},
        roots=("SKEL_ROOT",),
    ),
    "biped_legs_on_spine": Names(
        "3ds Max Biped",
        ("L", "R"),
        "Bip01 Pelvis",
        ("Bip01 Spine", "Bip01 Spine1", "Bip01 Spine2"),
        ("Bip01 Neck",),
        "Bip01 Head",
        "Bip01 {s} Clavicle",
        (("Bip01 {s} UpperArm", 0.0),),
        (("Bip01 {s} Forearm", 0.0),),
        "Bip01 {s} Hand",
        ("Bip01 {s} Thigh", "Bip01 {s} Calf", "Bip01 {s} Foot", "Bip01 {s} Toe0"),
        {f: tuple(f"Bip01 {{s}} Finger{i}{n}" for n in ("", "1", "2")) for i, f in enumerate(FINGERS)},
        roots=("Bip01",),
        arms_on="neck",
        legs_on="spine",
        tails="random",
    ),
}
