# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of each class: does this motion show it around a moment?

Angles and ways were written from what each gesture looks like and set on human clips with known meanings
(``motion/semantics.json`` of the corpora), not on generated motion. Where classes look alike (an open palm offers,
asks and pleads) a motion may pass more than one test.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from .cue_geometry import Body, FloatArray, Hand, angle_to, degrees_between

_SHARE: Final = 0.4
"""Of the frames around a moment in which a pose must be there."""
_NEARLY_RESTING: Final = -0.46
_BEFORE, _AFTER, _PREPARED, _MOVED = 0.14, 0.27, 0.35, 0.9

Test = Callable[[Body, Hand, int], bool]
"""(body, the hand that arrives, its frame) to whether it shows the class."""


def shows(name: str, body: Body, side: str, frame: int) -> bool:
    """Whether ``body`` shows a class around ``frame``, at which the hand of ``side`` arrives."""
    return TESTS[name](body, body.hand(side), frame)


def _around(body: Body, frame: int, before: float, after: float) -> slice:
    return slice(max(0, frame - round(before * body.fps)), frame + round(after * body.fps) + 1)


def _held(body: Body, frame: int, mask: FloatArray) -> bool:
    return bool(mask[_around(body, frame, _BEFORE, _AFTER)].mean() >= _SHARE)


def _range(values: FloatArray, span: slice) -> FloatArray:
    return np.ptp(values[span], axis=0)


def _turns(values: FloatArray, least: float) -> int:
    """How often a curve turns back by at least ``least``."""
    turns, pivot, way = 0, values[0], 0.0
    extreme = values[0]
    for value in values:
        if way == 0.0:
            if abs(value - pivot) >= least:
                way, extreme = np.sign(value - pivot), value
        elif (value - extreme) * way > 0:
            extreme = value
        elif (extreme - value) * way >= least:
            turns, way, extreme = turns + 1, -way, value
    return turns


def _extended(hand: Hand, *fingers: bool) -> FloatArray:
    """(T,) whether each of index, middle, ring, little finger is stretched (True) or bent (False)."""
    wanted = [hand.curls[:, k] < 50 if straight else hand.curls[:, k] > 80 for k, straight in enumerate(fingers)]
    return np.all(wanted, axis=0)


def _in_front(hand: Hand, least: float = 0.15) -> FloatArray:
    return hand.raised & (hand.centre[:, 2] >= least)


def _palm_up(hand: Hand, within: float = 60.0) -> FloatArray:
    return _in_front(hand) & (angle_to(hand.palm, 0, 1, 0) < within)


def _apart(body: Body) -> FloatArray:
    left, right = body.hands
    return np.linalg.norm(left.centre * (1, 1, 1) - right.centre * (-1, 1, 1), axis=-1)


def _you(body: Body, hand: Hand, frame: int) -> bool:
    index = (hand.curls[:, 0] < 45) & (hand.curls[:, 2] > 75) & (angle_to(hand.index, -0.1, 0, 1) < 35)
    way = index | (angle_to(hand.fingers, -0.1, 0, 1) < 35)
    pose = _in_front(hand, 0.44) & way & (angle_to(hand.palm, 0, 0, 1) > 45)
    return _held(body, frame, pose & (np.abs(hand.centre[:, 0]) < 0.35))


def _me(body: Body, hand: Hand, frame: int) -> bool:
    inward = np.stack([-hand.centre[:, 0], np.zeros(len(hand.centre)), 0.10 - hand.centre[:, 2]], axis=-1)
    far = np.linalg.norm(inward, axis=-1)
    inward = inward / np.maximum(far, 1e-6)[:, None]
    turned = np.minimum(degrees_between(hand.palm, inward), degrees_between(hand.fingers, inward))
    near = np.minimum(far, np.hypot(hand.tip[:, 0], hand.tip[:, 2] - 0.10)) < 0.25
    return _held(body, frame, hand.raised & near & (turned < 60))


def _we(body: Body, hand: Hand, frame: int) -> bool:
    span = _around(body, frame, 0.5, _MOVED)
    near = np.hypot(hand.centre[span, 0], hand.centre[span, 2]).min() < 0.28
    moved, high = _range(hand.centre, span), hand.raised[span].mean() > 0.6
    return bool(near and high and moved[0] >= 0.22 and moved[2] >= 0.13)


def _here(body: Body, hand: Hand, frame: int) -> bool:
    down = np.minimum(angle_to(hand.palm, 0, -1, 0), angle_to(hand.index, 0, -1, 0))
    down = np.minimum(down, angle_to(hand.fingers, 0, -1, 0))
    height = hand.centre[_around(body, frame, _PREPARED, 0.1), 1]
    fell = height.max() - height[-1] >= 0.08
    return bool(fell and _held(body, frame, (hand.centre[:, 2] >= 0.20) & (down < 42)))


def _aside(side: str | None) -> Test:
    def test(body: Body, hand: Hand, frame: int) -> bool:
        out = -1.0 if side is not None and side != hand.side else 1.0
        way = np.minimum(angle_to(hand.fingers, out, 0, 0.5), angle_to(hand.index, out, 0, 0.5))
        arm = np.degrees(np.arctan2(out * hand.wrist[:, 0] - 0.19 * out, np.maximum(hand.wrist[:, 2], 1e-6)))
        far = (arm > 30) & (np.hypot(hand.wrist[:, 0], hand.wrist[:, 2]) > 0.30)
        return _held(body, frame, hand.raised & far & (way < 45))

    return test


def _point(body: Body, hand: Hand, frame: int) -> bool:
    shape = (hand.curls[:, 0] < 45) & ((hand.curls[:, 1:] > 75).sum(axis=1) >= 2)
    return _held(body, frame, _in_front(hand) & shape & (angle_to(hand.index, 0, 0, 1) < 38))


def _question(body: Body, hand: Hand, frame: int) -> bool:
    return _held(body, frame, _palm_up(hand, 42) & (hand.wrist[:, 1] > -0.37))


def _negation(body: Body, hand: Hand, frame: int) -> bool:
    span = _around(body, frame, 0.5, 0.6)
    high = hand.wrist[span, 1] > _NEARLY_RESTING
    if high.mean() < 0.5:
        return False
    tip, flat = hand.tip[span][high], angle_to(hand.palm[span][high], 0, -1, 0.4)
    swept = np.ptp(tip[:, 0]) >= 0.25 and np.median(flat) < 60
    return bool(swept or _turns(hand.tip[span, 0], 0.04) >= 3)


def _contrast(body: Body, hand: Hand, frame: int) -> bool:
    moved = hand.centre[frame, 0] - hand.centre[_around(body, frame, 0.6, 0.0), 0].min()
    return bool(moved >= 0.10 and _held(body, frame, hand.raised & (hand.wrist[:, 0] > 0.38)))


def _all(body: Body, hand: Hand, frame: int) -> bool:
    span = _around(body, frame, _PREPARED, _MOVED)
    wide = np.ptp(_apart(body)[span]) >= 0.38 and all(h.raised[span].mean() > 0.6 for h in body.hands)
    return bool(wide or (_range(hand.centre, span)[0] >= 0.42 and hand.raised[span].mean() > 0.7))


def _empty(body: Body, hand: Hand, frame: int) -> bool:
    span = _around(body, frame, 0.4, 0.5)
    opened = _apart(body)[span][-1] - _apart(body)[span].min() >= 0.20
    up = all(h.raised[span].mean() > 0.5 and np.median(angle_to(h.palm[span], 0, 1, 0)) < 65 for h in body.hands)
    return bool(opened and up)


def _obligation(body: Body, hand: Hand, frame: int) -> bool:
    span = _around(body, frame, _PREPARED, 0.5)
    height = hand.tip[span, 1]
    top = int(np.argmax(height))
    fell = height[top] - height[top:].min()
    speed = -np.diff(height[top:]).min(initial=0.0) * body.fps
    edge = np.median(angle_to(hand.palm[span], -1, 0, 0)[top:]) < 50
    return bool(fell >= 0.25 and speed >= 1.8 and edge and hand.raised[span].mean() > 0.5)


def _uncertainty(body: Body, hand: Hand, frame: int) -> bool:
    poses = [_palm_up(h, 60) & (h.centre[:, 0] > 0.24) for h in body.hands]
    return _held(body, frame, poses[0] & poses[1])


def _intensifier(body: Body, hand: Hand, frame: int) -> bool:
    span = _around(body, frame, 0.4, 0.2)
    speed = np.linalg.norm(np.diff(hand.tip[span], axis=0), axis=-1).max(initial=0.0) * body.fps
    fist = _held(body, frame, hand.raised & (hand.curls[:, 1:] > 80).all(axis=1))
    return bool(speed >= (1.2 if fist else 3.2) and _held(body, frame, hand.raised))


def _big(body: Body, hand: Hand, frame: int) -> bool:
    facing = [h.raised & (angle_to(h.palm, -1, 0, 0) < 60) for h in body.hands]
    return _held(body, frame, facing[0] & facing[1] & (_apart(body) >= 0.65))


def _stop(body: Body, hand: Hand, frame: int) -> bool:
    pose = hand.raised & (angle_to(hand.palm, 0, 0, 1) < 50) & (hand.curls[:, 1:3].mean(axis=1) < 60)
    return _held(body, frame, pose & (angle_to(hand.fingers, 0, 1, 0.3) < 60))


def _surround(body: Body, hand: Hand, frame: int) -> bool:
    span = _around(body, frame, 0.5, 0.3)
    high = all((h.wrist[span, 1] > _NEARLY_RESTING).mean() > 0.6 for h in body.hands)
    turned = all(np.median(angle_to(h.palm[span], 0, 1, 0)) > 60 for h in body.hands)
    return bool(_apart(body)[span][-1] - _apart(body)[span].min() >= 0.25 and high and turned)


def _frame(body: Body, hand: Hand, frame: int) -> bool:
    facing = [
        _in_front(h, 0.25) & (angle_to(h.palm, -1, 0, 0) < 35) & (h.centre[:, 0] > 0.05) & (h.tip[:, 0] > 0.03)
        for h in body.hands
    ]
    left, right = body.hands
    level = np.abs(left.centre[:, 1] - right.centre[:, 1]) < 0.06
    apart = _apart(body)
    return _held(body, frame, facing[0] & facing[1] & level & (apart > 0.12) & (apart < 0.42))


def _offer(body: Body, hand: Hand, frame: int) -> bool:
    return _held(body, frame, _palm_up(hand, 45) & (hand.centre[:, 2] > 0.28))


def _plea(body: Body, hand: Hand, frame: int) -> bool:
    apart, near = _apart(body), np.min([_in_front(h, 0.15) for h in body.hands], axis=0)
    facing = np.max([angle_to(h.palm, -1, 0, 0) for h in body.hands], axis=0) < 40
    open_ = np.max([angle_to(h.palm, 0, 1, 0) for h in body.hands], axis=0) < 45
    return _held(body, frame, near & ((facing & (apart < 0.18)) | (open_ & (apart < 0.42))))


def _greeting(body: Body, hand: Hand, frame: int) -> bool:
    span = _around(body, frame, 0.3, 1.1)
    swings = _turns(hand.tip[span, 0], 0.04) >= 2
    return bool(swings and _held(body, frame, (hand.forearm[:, 1] > 0.3) & (hand.fingers[:, 1] > 0.3)))


def _ok(body: Body, hand: Hand, frame: int) -> bool:
    ring = (hand.pinch < 0.075) & (hand.curls[:, 1:] < 60).all(axis=1) & (hand.curls[:, 0] > 70)
    return _held(body, frame, hand.raised & ring)


def _thumb_up(body: Body, hand: Hand, frame: int) -> bool:
    shape = _extended(hand, False, False, False, False) & (angle_to(hand.thumb, 0, 1, 0) < 45)
    return _held(body, frame, hand.raised & shape)


def _count(number: int) -> Test:
    shape = [k < number for k in range(4)]

    def test(body: Body, hand: Hand, frame: int) -> bool:
        up = hand.raised & (angle_to(hand.fingers, 0, 1, 0.3) < 50) & _extended(hand, *shape)
        if number >= 4:
            up &= (hand.curls < 30).all(axis=1)
        spread = degrees_between(hand.thumb, hand.fingers) > 53
        return _held(body, frame, up & spread if number == 5 else up & ~spread if number == 4 else up)

    return test


def _nod(body: Body, hand: Hand, frame: int) -> bool:
    pitch = body.head[_around(body, frame, 0.45, 0.45), 1]
    return bool(_turns(pitch, 4.0) >= 1 and np.ptp(pitch) >= 8.0)


def _shake(body: Body, hand: Hand, frame: int) -> bool:
    return _turns(body.head[_around(body, frame, 0.4, 0.9), 0], 8.0) >= 2


def _tilt(body: Body, hand: Hand, frame: int) -> bool:
    roll = body.head[:, 2]
    calm = np.median(roll[_around(body, frame, 1.5, -0.5)]) if frame > body.fps else np.median(roll)
    return bool(np.median(np.abs(roll[_around(body, frame, 0.1, 0.25)] - calm)) >= 6.0)


TESTS: Final[dict[str, Test]] = {
    "you": _you,
    "me": _me,
    "we": _we,
    "here": _here,
    "there": _aside(None),
    "left": _aside("left"),
    "right": _aside("right"),
    "point": _point,
    "question": _question,
    "negation": _negation,
    "contrast": _contrast,
    "all": _all,
    "empty": _empty,
    "obligation": _obligation,
    "uncertainty": _uncertainty,
    "intensifier": _intensifier,
    "big": _big,
    "stop": _stop,
    "surround": _surround,
    "frame": _frame,
    "offer": _offer,
    "plea": _plea,
    "greeting": _greeting,
    "ok": _ok,
    "thumb_up": _thumb_up,
    **{f"count_{number}": _count(number) for number in range(1, 6)},
    "nod": _nod,
    "shake": _shake,
    "tilt": _tilt,
}
