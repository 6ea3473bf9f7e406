"""A human figure from a pose: body-proportional limbs, seen from the side or the front (or from above)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import acos, atan2, degrees, hypot
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.homecare.exercises.shapes import Frame, Limb, Point, along, circle, fill

TORSO, NECK, HEAD, UPPER_ARM, FOREARM, THIGH, SHIN, FOOT = 50.0, 21.0, 11.5, 27.0, 25.0, 43.0, 41.0, 14.0
SIDE_WIDTHS: Final = ((0.0, 10.5), (0.3, 9.0), (0.7, 11.0), (1.0, 8.0))  # of the torso: how far up, radius
FRONT_WIDTHS: Final = ((0.0, 15.0), (0.35, 13.5), (0.75, 16.0), (1.0, 7.5))
SHOULDER_HALF, HIP_HALF = 18.0, 8.5
HALO: Final = 2.6  # of the near arm, which would drown in the torso

View = Literal["side", "front"]


class Reach(BaseModel):
    """A hand or a foot put at a point, or at a part of the body; the joint between gives way to one side."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: Point | str
    plus: Point = (0, 0)
    bend: Literal[-1, 1] = 1  # 1: the knee or elbow to the left of the way from the body outward
    short: float = Field(1, gt=0, le=1)  # seen along its length, a limb is shorter


Jointed = tuple[float, float] | Reach  # a limb


class Pose(BaseModel):
    """A figure's joints. Angles in degrees, 0 to the right, 90 upward; limbs: two angles, or a reach."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hip: Point
    torso: float = 90
    curve: float = 0  # how far the back's middle lies to the left of the line from hip to shoulder
    neck: float | None = None  # as the torso
    face: float | None = None  # seen from the side: where the nose points
    turn: float = Field(0, ge=-1, le=1)  # seen from the front: the head turned
    shrug: float = 0
    arm: tuple[float, float] | Reach | None = (
        None  # the near one; seen from the front the right of the picture
    )
    arm2: Jointed | None = None
    leg: Jointed | None = None
    leg2: Jointed | None = None
    foot: float | None = None
    foot2: float | None = None


Joints = dict[str, Point]


@dataclass(slots=True)
class Figure:
    """The limbs of a pose, by layers from behind to the front."""

    joints: Joints = field(default_factory=dict)
    far: list[Limb] = field(default_factory=list)
    body: list[Limb] = field(default_factory=list)
    near: list[Limb] = field(default_factory=list)
    spine: list[tuple[Point, float]] = field(default_factory=list)
    holes: list[tuple[Point, float]] = field(default_factory=list)
    parts: dict[str, list[Limb]] = field(default_factory=dict)

    def drawn(self, frame: Frame, accents: tuple[str, ...], mask: str) -> str:
        """The figure as SVG; ``mask`` is an id of its own in the page."""
        cut = frame.limbs([(a, b, r + HALO, s + HALO) for a, b, r, s in self.near])
        cut += "".join(circle(frame.at(at), radius * frame.zoom) for at, radius in self.holes)
        glow = (fill(frame.limbs(self._accent(name)), accent=True) for name in accents)
        return "".join(
            (
                f'<mask id="{mask}"><path fill="#fff" d="M-9-9H999V999H-9Z"/><path d="{cut}"/></mask>',
                fill(frame.limbs(self.far), "mid") if self.far else "",
                f'<g mask="url(#{mask})">{fill(frame.limbs(self.body))}{"".join(glow)}</g>',
                fill(frame.limbs(self.near), accent="arm" in accents) if self.near else "",
            )
        )

    def _accent(self, name: str) -> list[Limb]:
        if name in SPINE_PARTS:
            low, high, share = SPINE_PARTS[name]
            last = len(self.spine) - 1
            points = self.spine[round(low * last) : round(high * last) + 1]
            return [(a, b, r * share, s * share) for (a, r), (b, s) in pairwise(points)]
        return [] if name == "arm" else self.parts[name]


SPINE_PARTS: Final[Mapping[str, tuple[float, float, float]]] = {  # from, to, share of the torso's width
    "lumbar": (0.1, 0.5, 0.5),
    "thoracic": (0.5, 1.0, 0.5),
    "spine": (0.0, 1.0, 0.35),
}


def built(pose: Pose, view: View) -> Figure:
    """The figure of a pose."""
    figure = Figure()
    _spine(figure, pose, view)
    _head(figure, pose, view)
    if view == "side":
        _limbs_from_the_side(figure, pose)
    else:
        _limbs_from_the_front(figure, pose)
    return figure


def _spine(figure: Figure, pose: Pose, view: View) -> None:
    """The torso as a bent chain from hip to shoulder."""
    shoulder = along(pose.hip, pose.torso, TORSO)
    middle = along(along(pose.hip, pose.torso, TORSO / 2), pose.torso + 90, 2 * pose.curve)
    widths = SIDE_WIDTHS if view == "side" else FRONT_WIDTHS
    for step in range(11):
        t = step / 10
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        point = tuple(a * p + b * q + c * r for p, q, r in zip(pose.hip, middle, shoulder, strict=True))
        figure.spine.append(((point[0], point[1]), _width(widths, t)))
    pieces = pairwise(figure.spine)
    figure.body += [(a, b, r, s) for (a, r), (b, s) in pieces]
    figure.joints |= {"hip": pose.hip, "shoulder": shoulder, "chest": figure.spine[7][0]}


def _width(widths: tuple[tuple[float, float], ...], t: float) -> float:
    for (low, first), (high, last) in pairwise(widths):
        if t <= high:
            return first + (last - first) * (t - low) / (high - low)
    return widths[-1][1]


def _head(figure: Figure, pose: Pose, view: View) -> None:
    neck = pose.torso if pose.neck is None else pose.neck
    shoulder = figure.joints["shoulder"]
    head = along(shoulder, neck, NECK)
    throat: Limb = (shoulder, along(shoulder, neck, NECK * 0.75), 5.5, 5.0)
    figure.body += [throat, (head, head, HEAD, HEAD)]
    figure.parts["neck"] = [(along(shoulder, neck, 3), along(shoulder, neck, NECK * 0.5), 4.2, 4.2)]
    figure.joints["head"] = head
    if view == "side":
        face = neck - 90 if pose.face is None else pose.face
        crown = face + 90 if abs((neck - face + 180) % 360 - 180 - 90) < 90 else face - 90  # noqa: PLR2004  (a right angle)
        figure.body.append((along(head, face, 9), along(along(head, face, 12.6), crown, -2.2), 2.6, 1.5))
        figure.body.append((along(head, crown, -5), along(along(head, face, 5.5), crown, -8.5), 6.0, 3.4))
        figure.holes.append((along(along(head, face, 6), crown, 1.5), 1.4))
        figure.joints |= {
            "forehead": along(along(head, face, HEAD - 1), crown, 4),
            "nape": along(along(head, face, 1 - HEAD), crown, 1),
        }
        return
    figure.body.append((head, along(along(head, neck, -6), neck - 90, 3 * pose.turn), HEAD, 7.5))
    for side in (-1, 1):
        ear = along(along(head, neck, -1), neck - 90, side * 11.2 * (1 - abs(pose.turn)))
        figure.body.append((ear, ear, 2.6, 2.6))
        figure.joints["temple2" if side < 0 else "temple"] = along(along(head, neck - 90, side * 12), neck, 3)
        eye = along(along(head, neck, 2), neck - 90, side * (4.2 - 1.2 * abs(pose.turn)) + 5 * pose.turn)
        figure.holes.append((eye, 1.4))
    nose = along(along(head, neck, -2.5), neck - 90, 9 * pose.turn)
    if abs(pose.turn) > 0.5:  # noqa: PLR2004  (so far that it stands out of the outline)
        figure.body.append((nose, along(along(nose, neck - 90, 5 * pose.turn), neck, -2), 3.0, 1.6))
    else:
        figure.holes.append((nose, 0.9))


def _limbs_from_the_side(figure: Figure, pose: Pose) -> None:
    joints = figure.joints
    for name, layer in (("2", figure.far), ("", figure.body)):
        leg = getattr(pose, f"leg{name}")
        if leg is not None:
            limbs = _leg(joints, pose.hip, leg, name, getattr(pose, f"foot{name}"))
            layer.extend(limbs)
            figure.parts[f"leg{name}"] = limbs
    for name, layer in (("2", figure.far), ("", figure.near)):
        arm = getattr(pose, f"arm{name}")
        if arm is not None:
            layer.extend(_arm(joints, along(joints["shoulder"], pose.torso, -3), arm, name))


def _limbs_from_the_front(figure: Figure, pose: Pose) -> None:
    joints = figure.joints
    across = pose.torso - 90
    top = along(joints["shoulder"], pose.torso, pose.shrug - 2)
    left, right = along(top, across, -SHOULDER_HALF), along(top, across, SHOULDER_HALF)
    figure.body += [(left, right, 6.5, 6.5)]
    figure.parts["shoulders"] = [(left, right, 3.6, 3.6)]
    for name, sign in (("2", -1), ("", 1)):
        leg, arm = getattr(pose, f"leg{name}"), getattr(pose, f"arm{name}")
        if leg is not None:
            limbs = _leg(
                joints, along(pose.hip, across, sign * HIP_HALF), leg, name, getattr(pose, f"foot{name}")
            )
            figure.body += limbs
            figure.parts[f"leg{name}"] = limbs
        if arm is not None:
            figure.near += _arm(joints, left if sign < 0 else right, arm, name)


def _leg(joints: Joints, hip: Point, leg: Jointed, name: str, foot: float | None) -> list[Limb]:
    knee, ankle = _jointed(joints, hip, leg, THIGH, SHIN)
    joints |= {f"knee{name}": knee, f"ankle{name}": ankle}
    limbs: list[Limb] = [(hip, knee, 9.0, 6.6), (knee, ankle, 6.6, 4.6)]
    if foot is not None:
        limbs.append((ankle, along(ankle, foot, FOOT), 4.8, 3.4))
    return limbs


def _arm(joints: Joints, shoulder: Point, arm: Jointed, name: str) -> list[Limb]:
    elbow, hand = _jointed(joints, shoulder, arm, UPPER_ARM, FOREARM)
    joints |= {f"elbow{name}": elbow, f"hand{name}": hand}
    way = degrees(atan2(hand[1] - elbow[1], hand[0] - elbow[0]))
    return [(shoulder, elbow, 6.0, 4.8), (elbow, hand, 4.8, 3.6), (hand, along(hand, way, 4), 4.4, 4.0)]


def _jointed(joints: Joints, root: Point, limb: Jointed, first: float, last: float) -> tuple[Point, Point]:
    """The middle joint and the end of a limb of two lengths."""
    if isinstance(limb, Reach):
        at = joints[limb.to] if isinstance(limb.to, str) else limb.to
        return _reached(root, (at[0] + limb.plus[0], at[1] + limb.plus[1]), limb, first, last)
    upper, lower = limb
    middle = along(root, upper, first)
    return middle, along(middle, lower, last)


def _reached(root: Point, end: Point, limb: Reach, first: float, last: float) -> tuple[Point, Point]:
    first, last = first * limb.short, last * limb.short
    distance = min(max(hypot(end[0] - root[0], end[1] - root[1]), abs(first - last) + 1), first + last - 0.01)
    way = degrees(atan2(end[1] - root[1], end[0] - root[0]))
    opening = degrees(acos((first**2 + distance**2 - last**2) / (2 * first * distance)))
    return along(root, way + limb.bend * opening, first), along(root, way, distance)
