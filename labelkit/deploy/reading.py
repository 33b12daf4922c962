"""Read the orientation of a hand off a plain picture, with an exported network: no Keras, no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.deploy.engines import Engine
from labelkit.deploy.network_card import NetworkCard
from labelkit.errors import RawFrameError, RunError
from labelkit.evaluation.predictions import predictions_from_output
from labelkit.geometry.camera import rays_through
from labelkit.geometry.orientation import (
    angles_deg_from_normal,
    centred_from_label_deg,
    mirror_vectors,
    view_from_camera,
)
from labelkit.imaging.crop import SquareView, crop_color, plain_box, virtual_camera
from labelkit.imaging.pyramid import color_pyramid
from labelkit.records import PYRAMID_SIZES, ColorImage, FloatArray, Intrinsics

Box = tuple[int, int, int, int]  # x, y, width, height, pixels

FEWEST_PIXELS = 16  # on a side; the smallest picture that a network sees has 32
_FOCAL = 0.8  # of the longer side; see PredictSettings.focal_px


@dataclass(frozen=True, eq=False)
class ReadHand:
    """What a network says of a hand.

    Attributes:
        normal: (3,) unit, view frame, facing the camera; of the hand as the picture shows it, left or right.
        centred_deg, label_deg: (2,) azimuth and elevation, centred and from 0 to 180.
        sd_deg: one standard deviation of the normal along each axis; None if the network learned none.
    """

    normal: FloatArray
    centred_deg: FloatArray
    label_deg: FloatArray
    sd_deg: float | None


class HandReader:
    """An exported network and the crop that it was trained on."""

    def __init__(self, card: NetworkCard, engine: Engine) -> None:
        if card.needs_depth:
            raise RunError(
                f"{card.origin.run}: its network looks at depth as well, and a plain picture has none; "
                "take one that was trained with --input rgb or grey"
            )
        self._card, self._engine = card, engine

    def read(self, image: ColorImage, *, box: Box | None, focal_px: float = 0.0, mirror: bool = False) -> ReadHand:
        """Read the orientation of the hand in a picture.

        Args:
            image: (H, W, 3) RGB uint8.
            box: of the hand, from its wrist to its fingertips; None: the whole picture is the crop.
            focal_px: of the camera; 0: 0.8 times the longer side.
            mirror: the hand is a left one. The network knows right hands: it is shown the mirrored picture.
        Raises:
            RawFrameError: too small a picture, or a box that is not inside it.
        """
        crop, _ = crop_color(image, self.aim(image, box, focal_px))
        said = self._engine(self.pictures_of(crop, mirror=mirror)).astype(np.float64)
        found = predictions_from_output(said, self._card.loss, self._card.uncertainty)
        normal = mirror_vectors(found.normals[0]) if mirror else found.normals[0]
        label_deg = angles_deg_from_normal(normal)
        sd_deg = None if found.sd_deg is None else float(found.sd_deg[0])
        return ReadHand(normal, centred_from_label_deg(label_deg), label_deg, sd_deg)

    def aim(self, image: ColorImage, box: Box | None, focal_px: float) -> SquareView:
        """Find the square of the picture that the network is shown; arguments and errors as in `read`."""
        height, width = image.shape[:2]
        if min(height, width) < FEWEST_PIXELS:
            raise RawFrameError(
                f"is {width} x {height} pixels; a hand takes at least {FEWEST_PIXELS} pixels on each side"
            )
        focal = focal_px or _FOCAL * max(width, height)
        camera = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
        size, rule = PYRAMID_SIZES[0], self._card.crop
        if box is None:
            return plain_box((0, 0, width, height), camera, size=size, margin=0.0)
        x, y, wide, high = box
        if min(wide, high) < FEWEST_PIXELS or x < 0 or y < 0 or x + wide > width or y + high > height:
            raise RawFrameError(
                f"is {width} x {height} pixels, and the box {x},{y},{wide},{high} (x, y, width, height) does not lie "
                f"in it with at least {FEWEST_PIXELS} pixels on each side"
            )
        if rule.rule == "box":
            return plain_box(box, camera, size=size, margin=rule.margin)
        centre = np.array([x + (wide - 1) / 2, y + (high - 1) / 2])
        # A hand touches each side of its box somewhere; in training its outline is known.
        sides = np.array([[x, centre[1]], [x + wide - 1, centre[1]], [centre[0], y], [centre[0], y + high - 1]])
        towards = view_from_camera(rays_through(centre, camera))
        return virtual_camera(rays_through(sides, camera), towards, camera, size=size, margin=rule.margin)

    def pictures_of(self, crop: ColorImage, *, mirror: bool = False) -> dict[str, NDArray[Any]]:
        """Make the network's inputs, (1, S, S, 3) each, of a crop (128, 128, 3)."""
        pyramid = color_pyramid(np.ascontiguousarray(crop[:, ::-1] if mirror else crop))
        levels = dict(zip(PYRAMID_SIZES, pyramid, strict=True))
        return {each.name: levels[each.shape[0]][None] for each in self._card.inputs}
