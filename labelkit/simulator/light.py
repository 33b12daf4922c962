"""Light of real places: panoramas as diffuse light, one lamp, a glossy map and a background.

The panoramas are Poly Haven's, CC0 (data/NOTICE); pipelines/people makes data/light.npz of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.records import FloatArray

BACKGROUND_SIZE = 512, 256
GLOSSY_SIZE = 32, 16

_BRIGHTEST = 40.0  # times the mean of a panorama; a background that is brighter is white in any exposure
_WHITE = np.float32(3.0)


def encode_radiance(radiance: FloatArray) -> NDArray[np.uint8]:
    """Encode linear radiance as 8 bits, by its logarithm.

    Args:
        radiance: (...), 1 is the panorama's mean.
    """
    share = np.log1p(50.0 * np.clip(radiance, 0.0, _BRIGHTEST)) / np.log1p(50.0 * _BRIGHTEST)
    return np.asarray(np.rint(255.0 * share), dtype=np.uint8)


def decode_radiance(coded: NDArray[np.uint8]) -> FloatArray:
    """Undo `encode_radiance`: float32."""
    return np.asarray(np.expm1(coded / np.float32(255.0) * np.log1p(50.0 * _BRIGHTEST)) / 50.0, dtype=np.float32)


def harmonics(ways: FloatArray) -> FloatArray:
    """Compute the nine real spherical harmonics of degree 0 to 2 of unit vectors (..., 3): (..., 9).

    Source: Ramamoorthi & Hanrahan 2001, An efficient representation for irradiance environment maps.
    """
    x, y, z = np.moveaxis(ways, -1, 0)
    parts = [0.282095 * np.ones_like(x), 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y, 1.092548 * y * z]
    parts += [0.315392 * (3.0 * z * z - 1.0), 1.092548 * x * z, 0.546274 * (x * x - y * y)]
    return np.stack(parts, axis=-1)


@dataclass(frozen=True, eq=False)
class Place:
    """The light at one place, in the camera frame, scaled in exposure.

    Attributes:
        name: of the panorama.
        irradiance: (9, 3), light that leaves a white matt surface, without the lamp's, by the harmonics of its normal.
        lamp: (3,) unit, toward the brightest spot.
        lamp_light: (3,), what a white surface that faces the lamp adds.
        glossy: (h, w, 3), blurred radiance by direction.
        radiance: (H, W, 3), radiance by direction, up to what is white in any exposure.
        world_from_camera: (3, 3), from the camera frame to that of both maps.
    """

    name: str
    irradiance: FloatArray
    lamp: FloatArray
    lamp_light: FloatArray
    glossy: FloatArray
    radiance: FloatArray
    world_from_camera: FloatArray

    def diffuse(self, normals: FloatArray) -> FloatArray:
        """Give the diffuse light (..., 3) on surfaces with these unit normals, camera frame."""
        world = (normals @ self.world_from_camera.T).astype(np.float32)
        return np.maximum(harmonics(world) @ self.irradiance.astype(np.float32), 0.0)

    def mirror(self, ways: FloatArray) -> FloatArray:
        """Give the blurred radiance (n, 3) from unit directions (n, 3), camera frame."""
        u, v = _pixels((ways @ self.world_from_camera.T).astype(np.float32), self.glossy.shape)
        return np.asarray(
            self.glossy[np.rint(v).astype(int) % self.glossy.shape[0], np.rint(u).astype(int) % self.glossy.shape[1]]
        )

    def look(self, rays: FloatArray, zoom: float = 1.0) -> FloatArray:
        """Give the radiance (H, W, 3) along rays (H, W, 3), camera frame; a zoom above 1 shows a wider part."""
        ways = rays * np.array([zoom, zoom, 1.0])
        ways = ways / np.linalg.norm(ways, axis=-1, keepdims=True)
        u, v = _pixels(ways @ self.world_from_camera.T, self.radiance.shape)
        return np.asarray(
            cv2.remap(
                self.radiance, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
            )
        )


def _pixels(ways: FloatArray, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    height, width = shape[:2]
    u = (np.arctan2(ways[..., 0], ways[..., 2]) % (2 * np.pi)) / (2 * np.pi) * width - 0.5
    v = np.arccos(np.clip(-ways[..., 1], -1.0, 1.0)) / np.pi * height - 0.5
    return u, v


@lru_cache(maxsize=1)
def _load() -> dict[str, Any]:
    with (files("labelkit.simulator") / "data" / "light.npz").open("rb") as file, np.load(file) as stored:
        return dict(stored)


def draw_place(rng: np.random.Generator) -> Place:
    """Draw a panorama, turned about the vertical and nodded, in an exposure that suits what faces the camera."""
    stored = _load()
    k = int(rng.integers(len(stored["names"])))
    turn, nod = rng.uniform(0.0, 2 * np.pi), rng.normal(0.0, np.deg2rad(6.0))
    world_from_camera = _about_y(turn) @ _about_x(nod)
    irradiance, lamp_light = stored["irradiance"][k].astype(float), stored["lamp_light"][k].astype(float)
    lamp = stored["lamp"][k] @ world_from_camera
    # a camera's exposure follows what it sees and what lies in front of it
    front = harmonics(world_from_camera @ [0.0, 0.0, -1.0]) @ irradiance + lamp_light * max(0.0, -lamp[2])
    around = (irradiance[0] * 0.282095 + 0.25 * lamp_light).mean()
    scale = 1.0 / max(0.65 * float(front.mean()) + 0.35 * float(around), 1e-3)
    # white balance takes most of the light's colour away
    cast = front / max(float(front.mean()), 1e-6)
    tint = scale * np.clip(cast, 0.3, 3.0) ** -rng.uniform(0.65, 1.0)
    return Place(
        name=str(stored["names"][k]),
        irradiance=irradiance * tint,
        lamp=lamp,
        lamp_light=np.minimum(lamp_light * tint, 3.0),
        glossy=stored["glossy"][k].astype(np.float32) * tint.astype(np.float32),
        radiance=np.minimum(
            decode_radiance(np.asarray(cv2.imdecode(stored[f"background{k}"], cv2.IMREAD_COLOR)))
            * tint.astype(np.float32),
            _WHITE,
        ),
        world_from_camera=world_from_camera,
    )


def _about_y(angle: float) -> FloatArray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _about_x(angle: float) -> FloatArray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
