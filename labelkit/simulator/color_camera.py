"""The colour camera in front of people: lens, mosaic, noise, sharpening, curve and JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from labelkit.records import ColorImage, FloatArray


@dataclass(frozen=True)
class LensAndChip:
    """The colour camera of one recording.

    Attributes:
        blur_px: standard deviation of lens and focus.
        fringe: share by which red is drawn larger than green, and blue smaller.
        vignette: share of the light that the corners lose.
        saturation: factor for the distance of colours from grey.
        gains: (3,) factors that the white balance leaves.
        exposure: of the whole recording.
        shot: noise of the light itself: sd in levels of 255, the same at all brightnesses after the square root.
        read: noise of the chip: sd in levels at level 255; it grows as colours get darker.
        tone: exponent after the square root; above 1, dark colours become darker.
        knee: how much the curve bends down bright colours, 0..1.
        sharpen: strength of the unsharp mask.
        jpeg: quality.
    """

    blur_px: float
    fringe: float
    vignette: float
    saturation: float
    gains: tuple[float, float, float]
    exposure: float
    shot: float
    read: float
    tone: float
    knee: float
    sharpen: float
    jpeg: int


def draw_color_camera(rng: np.random.Generator) -> LensAndChip:
    """Draw a camera; some are good, some are old, some are set wrongly."""
    warm, green = rng.normal(0.0, 0.07), rng.normal(0.0, 0.02)
    return LensAndChip(
        blur_px=float(rng.uniform(0.35, 1.2)),
        fringe=float(rng.normal(0.0, 0.0008)),
        vignette=float(rng.uniform(0.0, 0.35)),
        saturation=float(rng.uniform(0.7, 1.25)),
        gains=(float(np.exp(warm)), float(np.exp(green)), float(np.exp(-warm))),
        exposure=float(np.exp(rng.normal(-0.12, 0.3))),
        shot=float(rng.uniform(0.8, 4.0)),
        read=float(np.exp(rng.uniform(np.log(0.05), np.log(0.5)))),
        tone=float(np.exp(rng.uniform(-0.25, 0.2))),
        knee=float(rng.uniform(0.0, 0.5)),
        sharpen=float(rng.uniform(0.0, 1.2)),
        jpeg=int(rng.integers(70, 97)),
    )


def expose(linear: FloatArray, exposure: float, camera: LensAndChip, rng: np.random.Generator) -> ColorImage:
    """Take a photograph: (H, W, 3) uint8, RGB.

    Args:
        linear: (H, W, 3) float32, 1 is a white surface in the light of the place.
        exposure: of this frame.
        camera: of the recording.
        rng: draws the noise.
    """
    height, width = linear.shape[:2]
    mix = np.diag(camera.gains) * camera.exposure * exposure
    light = cv2.transform(linear, (_saturating(camera.saturation) @ mix).astype(np.float32))
    light *= _falloff(height, width, camera.vignette)
    levels = cv2.convertScaleAbs(np.sqrt(np.clip(light, 0.0, 1.0, out=light), out=light), alpha=255.0)
    levels = cv2.GaussianBlur(levels, (0, 0), camera.blur_px)
    levels = _fringe(levels, camera.fringe)
    # one colour a pixel, as on a chip
    mosaic = levels[..., 1].copy()
    mosaic[0::2, 0::2] = levels[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = levels[1::2, 1::2, 2]
    grown = camera.read * 255.0 / np.maximum(np.arange(256), 12)
    sd = np.hypot(camera.shot, grown).astype(np.float32)
    noisy = mosaic + rng.standard_normal((height, width), dtype=np.float32) * cv2.LUT(mosaic, sd)
    mosaic = np.rint(np.clip(noisy, 0.0, 255.0)).astype(np.uint8)
    picture = cv2.demosaicing(mosaic, cv2.COLOR_BayerRGGB2RGB)
    if camera.sharpen > 0.05:
        soft = cv2.GaussianBlur(picture, (0, 0), 1.2)
        picture = cv2.addWeighted(picture, 1.0 + camera.sharpen, soft, -camera.sharpen, 0.0)
    picture = cv2.LUT(picture, _curve(camera))
    coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, camera.jpeg])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))[..., ::-1])


def _curve(camera: LensAndChip) -> ColorImage:
    level = (np.arange(256) / 255.0) ** camera.tone
    bent = level * (1.0 + camera.knee * level * (1.0 - level))  # an S that keeps black and white
    return np.rint(255.0 * np.clip(bent, 0.0, 1.0)).astype(np.uint8)


def _saturating(times: float) -> FloatArray:
    grey = np.tile(np.array([0.299, 0.587, 0.114]), (3, 1))
    return np.asarray(times * np.eye(3) + (1.0 - times) * grey)


@lru_cache(maxsize=2)  # a recording has one camera
def _falloff(height: int, width: int, lost: float) -> FloatArray:
    v, u = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    one = np.asarray(1.0 - lost * (u**2 + v**2) / 2.0, dtype=np.float32)
    return np.asarray(cv2.merge([one, one, one]))


def _fringe(picture: ColorImage, share: float) -> ColorImage:
    """Draw red larger and blue smaller about the middle, as a lens does."""
    height, width = picture.shape[:2]
    middle = np.array([(width - 1) / 2.0, (height - 1) / 2.0])
    out = picture.copy()
    for channel, scale in ((0, 1.0 + share), (2, 1.0 - share)):
        shift = middle - scale * middle
        matrix = np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])
        one = np.ascontiguousarray(picture[..., channel])
        out[..., channel] = cv2.warpAffine(one, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return out
