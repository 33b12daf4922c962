"""How a person's surface looks: colours of skin, nails, cloth and hair, and the fine marks of palm and back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from labelkit.records import FloatArray
from labelkit.simulator.body import Person
from labelkit.simulator.people import Participant
from labelkit.simulator.skeleton import MM

# The marks are drawn on the hand at rest, seen from the palm and from the back: half a millimetre a texel.
_TEXEL_MM = 0.5
_CORNER_MM = np.array([-110.0, -220.0])
_SIZE_MM = np.array([220.0, 330.0])

# The three lines of a palm (head, heart, life) in a frame whose origin is the wrist, whose unit is the way to the
# middle finger's knuckle, and whose x points to the thumb.
_LINES = (
    ((0.40, 0.72), (0.22, 0.68), (0.0, 0.56), (-0.20, 0.46)),
    ((0.18, 0.92), (0.04, 0.84), (-0.16, 0.76), (-0.40, 0.72)),
    ((0.38, 0.74), (0.26, 0.62), (0.15, 0.42), (0.10, 0.18)),
)
_MINOR_LINES = 24
_CREASE_MM, _VEIN_MM = 0.5, 0.6  # how deep a crease is, how high a vein

_HAIR = np.array([[30, 24, 20], [60, 42, 28], [100, 72, 45], [165, 130, 85], [130, 128, 125]])
_NAIL = np.array([225.0, 175.0, 165.0])
_BLOOD = np.array([1.0, 0.80, 0.80])  # what redness leaves of each colour


@dataclass(frozen=True, eq=False)
class Appearance:
    """The surface of a person.

    Attributes:
        albedo: (n, 3) linear colour of the skin at each vertex.
        cloth, hair: (3,) linear colours of what covers it.
        gloss: (n,) strength of the skin's reflection.
        palm_marks, back_marks: (H, W, 3) float32 factors of the skin's colour, by place on the hand at rest.
        palm_slopes, back_slopes: (H, W, 2) float32, by how much the skin rises along x and y there.
        cloth_marks: (K, K) float32 factors of the cloth's colour, repeated every `cloth_period_m`.
        cloth_period_m: see there.
    """

    albedo: FloatArray
    cloth: FloatArray
    hair: FloatArray
    gloss: FloatArray
    palm_marks: FloatArray
    back_marks: FloatArray
    palm_slopes: FloatArray
    back_slopes: FloatArray
    cloth_marks: FloatArray
    cloth_period_m: float


def draw_look(person: Person, participant: Participant, rng: np.random.Generator) -> Appearance:
    """Draw the colours of a person with a participant's skin and cloth."""
    skin, palm = 255.0 * participant.skin, 255.0 * participant.palm_skin
    color = skin + person.palmar[:, None] * (palm - skin)
    waves = rng.normal(0.0, 1.0, (8, 3)) * 110.0  # blotches of about 20-60 mm
    blotch = np.cos(person.vertices @ waves.T + rng.uniform(0, 2 * np.pi, 8)).mean(axis=1)[:, None]
    color = color * (1.0 + rng.uniform(0.04, 0.14) * blotch * (0.5, 1.0, 1.0))
    red = rng.uniform(0.2, 1.0) * person.tip[:, None] * (0.4 + 0.6 * person.palmar[:, None])
    color = color * (1.0 - red * (1.0 - _BLOOD))
    nail = (0.55 * person.nail)[:, None]
    color = color + nail * (0.6 * _NAIL + 0.4 * color - color)
    hair = _HAIR[int(rng.integers(len(_HAIR)))] if person.age < 0.6 else np.array([150.0, 148.0, 145.0])
    color[person.eyes] = 45.0
    gloss = np.where(person.locks > 0.0, 0.5, 1.0) * participant.gloss * 10.0
    palm_marks, palm_slopes = _draw_palm(person, rng)
    back_marks, back_slopes = _draw_back(person, rng)
    return Appearance(
        albedo=np.clip(color / 255.0, 0.02, 0.95) ** 2,  # approximately the curve of sRGB
        cloth=np.clip(participant.cloth, 0.02, 0.95) ** 2,
        hair=(hair / 255.0) ** 2,
        gloss=gloss * (1.0 + 1.2 * person.nail),
        palm_marks=palm_marks,
        back_marks=back_marks,
        palm_slopes=palm_slopes,
        back_slopes=back_slopes,
        cloth_marks=_draw_cloth(rng),
        cloth_period_m=float(np.exp(rng.uniform(np.log(0.02), np.log(0.3)))),
    )


def mark_at(marks: FloatArray, places: FloatArray) -> FloatArray:
    """Look up marks (n, 3), or slopes (n, 2), at places (n, 2+) on the hand at rest, metres, of a right hand."""
    texel = np.rint((places[:, :2] / MM - _CORNER_MM) / _TEXEL_MM).astype(np.int32)
    height, width = marks.shape[:2]
    return np.asarray(marks[np.clip(texel[:, 1], 0, height - 1), np.clip(texel[:, 0], 0, width - 1)])


def cloth_mark_at(look: Appearance, places: FloatArray) -> FloatArray:
    """Look up the cloth's factor (n, 1) at places (n, 2+) of the body at rest, metres."""
    period = look.cloth_period_m / len(look.cloth_marks)
    at = np.floor(places[:, :2] / period).astype(int) % len(look.cloth_marks)
    return np.asarray(look.cloth_marks[at[:, 1], at[:, 0]][:, None])


def _draw_noise(rng: np.random.Generator, texels: float) -> FloatArray:
    """Draw smooth noise of unit variance, whose blobs have about this size."""
    width, height = (_SIZE_MM / _TEXEL_MM).astype(int)
    step = max(1.0, texels)
    coarse = rng.standard_normal((int(height / step) + 3, int(width / step) + 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(coarse, (0, 0), 0.8)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC) / smooth.std())


def _right_marks(person: Person) -> FloatArray:
    """Give the joints (21, 2) of the hand at rest, mm, as of a right hand."""
    return np.asarray(person.marks[:, :2] / MM * ((-1.0 if person.left else 1.0), 1.0))


class _Sheet:
    """A sheet of lines on the hand at rest; 1 is the bottom of a deep crease."""

    def __init__(self) -> None:
        width, height = (_SIZE_MM / _TEXEL_MM).astype(int)
        self.depth = np.zeros((height, width), dtype=np.float32)

    def draw(self, points_mm: FloatArray, width_mm: float, strength: float) -> None:
        """Draw a smooth line; of lines that cross, the deeper one counts."""
        texels = (_smooth(points_mm) - _CORNER_MM) / _TEXEL_MM
        line = np.zeros(self.depth.shape, dtype=np.uint8)
        low = np.clip(texels.min(axis=0).astype(int) - 12, 0, None)
        high = texels.max(axis=0).astype(int) + 12
        window = slice(low[1], high[1]), slice(low[0], high[0])
        cv2.polylines(line, [np.rint(texels * 16).astype(np.int32)], False, 255, 1, cv2.LINE_AA, 4)
        sigma = width_mm / _TEXEL_MM
        soft = cv2.GaussianBlur(line[window].astype(np.float32), (0, 0), sigma) * (sigma * np.sqrt(2 * np.pi) / 255.0)
        self.depth[window] = np.maximum(self.depth[window], strength * np.clip(soft, 0.0, 1.0))


def _smooth(points: FloatArray, times: int = 3) -> FloatArray:
    """Round the corners of a polyline (Chaikin 1974)."""
    for _ in range(times):
        inner = np.stack([0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], axis=1)
        points = np.concatenate([points[:1], inner.reshape(-1, 2), points[-1:]])
    return points


def _draw_palm(person: Person, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    marks = _right_marks(person)
    sheet = _Sheet()
    wrist, knuckle = marks[0], marks[9]
    up = knuckle - wrist
    right = np.array([-up[1], up[0]])  # to the thumb, since y points down

    def place(points: FloatArray) -> FloatArray:
        return np.asarray(wrist + points[:, :1] * right + points[:, 1:] * up)

    strong = rng.uniform(0.5, 1.0)
    for line in _LINES:
        points = np.array(line) + rng.normal(0.0, 0.03, (len(line), 2))
        sheet.draw(place(points), rng.uniform(0.6, 1.1), strong * rng.uniform(0.7, 1.0))
    for _ in range(_MINOR_LINES):
        start = np.array([rng.uniform(-0.4, 0.4), rng.uniform(0.1, 0.9)])
        way = rng.normal(0.0, 0.13, 2)
        points = start + np.linspace(0.0, 1.0, 4)[:, None] * way + rng.normal(0.0, 0.012, (4, 2))
        sheet.draw(place(points), 0.5, strong * rng.uniform(0.15, 0.5))
    for offset in (-0.03, 0.02):
        across = np.linspace(-0.28, 0.28, 5)
        points = np.stack([across, offset + 0.03 * np.cos(4 * across) + rng.normal(0.0, 0.008, 5)], axis=1)
        sheet.draw(place(points), 0.8, strong * rng.uniform(0.4, 0.9))
    for digit in range(5):
        joints = marks[1 + 4 * digit : 5 + 4 * digit]
        creases = ((0, 0.48), (1, -0.05), (1, 0.06), (2, 0.0)) if digit else ((1, 0.0), (1, 0.15), (2, 0.0))
        for segment, share in creases:
            way = joints[min(segment + 1, 3)] - joints[segment]
            _cross(sheet, joints[segment] + share * way, way, strong * rng.uniform(0.5, 1.0), rng)
    mottled = rng.uniform(0.02, 0.06) * (_draw_noise(rng, 6.0) + 1.2 * _draw_noise(rng, 22.0) + _draw_noise(rng, 60.0))
    fine = _draw_noise(rng, 1.0)
    height_mm = -_CREASE_MM * sheet.depth + rng.uniform(0.05, 0.15) * _draw_noise(rng, 4.0)
    height_mm += rng.uniform(0.1, 0.4) * _draw_noise(rng, 14.0) + rng.uniform(0.01, 0.04) * fine
    marks_drawn = _color_marks(sheet.depth, mottled, rng.uniform(0.02, 0.05) * fine, rng.uniform(0.3, 0.55))
    return marks_drawn, _slopes(height_mm)


def _cross(sheet: _Sheet, middle: FloatArray, way: FloatArray, strength: float, rng: np.random.Generator) -> None:
    """Draw one crease across a finger."""
    way = way / np.linalg.norm(way)
    across = np.array([-way[1], way[0]])
    at = np.linspace(-9.5, 9.5, 5)[:, None]
    bowed = 0.8 * np.cos(at / 6.0) * way + rng.normal(0.0, 0.25, (5, 2))
    sheet.draw(middle + at * across + bowed, rng.uniform(0.45, 0.7), strength)


def _draw_back(person: Person, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    marks = _right_marks(person)
    sheet = _Sheet()
    for digit in range(5):
        joints = marks[1 + 4 * digit : 5 + 4 * digit]
        for segment in (1, 2):
            way = joints[segment + 1] - joints[segment]
            for share in (-0.12, -0.04, 0.04, 0.12):
                _cross(sheet, joints[segment] + share * way, way, rng.uniform(0.1, 0.5), rng)
    veins = _Sheet()
    for finger in (1, 2, 3):
        ends = np.array([0.5 * (marks[1 + 4 * finger] + marks[5 + 4 * finger]), marks[0]])
        points = np.linspace(ends[0], ends[1], 5) + rng.normal(0.0, 2.5, (5, 2))
        veins.draw(points, 1.3, rng.uniform(0.1, 0.6))
    mottled = rng.uniform(0.01, 0.03) * (_draw_noise(rng, 8.0) + _draw_noise(rng, 30.0))
    fine = _draw_noise(rng, 1.0)
    colored = _color_marks(sheet.depth, mottled, 0.015 * fine, 0.3)
    colored = np.asarray(colored * (1.0 - veins.depth[..., None] * np.array([0.22, 0.10, 0.06])), dtype=np.float32)
    height_mm = _VEIN_MM * veins.depth - 0.5 * _CREASE_MM * sheet.depth
    height_mm += 0.1 * _draw_noise(rng, 5.0) + 0.2 * _draw_noise(rng, 16.0) + 0.02 * fine
    return colored, _slopes(height_mm)


def _slopes(height_mm: FloatArray) -> FloatArray:
    """Compute how much a relief rises along x and y: (H, W, 2), as seen at 1-2 mm a pixel."""
    smooth = cv2.GaussianBlur(height_mm.astype(np.float32), (0, 0), 0.8)
    along_y, along_x = np.gradient(smooth, _TEXEL_MM)
    return np.stack([along_x, along_y], axis=-1).astype(np.float32)


def _color_marks(depth: FloatArray, mottled: FloatArray, ridges: FloatArray, darkest: float) -> FloatArray:
    """Darken creases toward red, and let blood show through in spots."""
    creased = 1.0 - darkest * depth[..., None] * np.array([0.75, 1.05, 1.1])
    spotted = np.exp(mottled[..., None] * np.array([0.35, 1.0, 0.9]) + ridges[..., None])
    # seen at 1-2 mm a pixel
    return np.asarray(cv2.GaussianBlur((creased * spotted).astype(np.float32), (0, 0), 0.8))


def _draw_cloth(rng: np.random.Generator) -> FloatArray:
    """Draw one period of a cloth: plain, striped or checked, with the threads' unevenness."""
    at = np.arange(64) / 64.0 * 2 * np.pi
    kind, strength = int(rng.integers(3)), rng.uniform(0.1, 0.6)
    waves = np.tanh(rng.uniform(0.5, 4.0) * np.sin(at))
    both = {0: np.zeros((64, 64)), 1: np.tile(waves, (64, 1)), 2: 0.5 * (waves + waves[:, None])}[kind]
    return np.asarray(np.exp(-strength * both + 0.05 * rng.standard_normal((64, 64))), dtype=np.float32)
