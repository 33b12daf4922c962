"""Cast rays at meshes, on one core, with Open3D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labelkit.geometry.camera import rays_through
from labelkit.records import BoolArray, FloatArray, Intrinsics
from labelkit.simulator.surface import IntArray


@dataclass(frozen=True, eq=False)
class Hits:
    """The points at which rays hit a mesh.

    Attributes:
        depth_m: (...), in units of the rays' length; inf for no hit.
        triangle: (...), 0 for no hit.
        weights: (..., 3), of the triangle's corners.
        normals: (..., 3), of the triangle, with either sign.
    """

    depth_m: FloatArray
    triangle: IntArray
    weights: FloatArray
    normals: FloatArray

    @property
    def hit_mask(self) -> BoolArray:
        """The rays that hit something."""
        return np.isfinite(self.depth_m)


def full_rays(intrinsics: Intrinsics) -> FloatArray:
    """Find the ray (H, W, 3) through every pixel, float32, scaled to z = 1."""
    u, v = np.meshgrid(np.arange(intrinsics.width), np.arange(intrinsics.height))
    return rays_through(np.stack([u, v], axis=-1), intrinsics).astype(np.float32)


def scene_of(vertices: FloatArray, triangles: IntArray) -> Any:
    """Prepare a mesh for casting."""
    import open3d as o3d  # takes a second to load, which a process that renders nothing need not wait for

    # one thread, since participants run in parallel
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    scene.add_triangles(
        o3d.core.Tensor.from_numpy(np.ascontiguousarray(vertices, dtype=np.float32)),
        o3d.core.Tensor.from_numpy(np.ascontiguousarray(triangles, dtype=np.uint32)),
    )
    return scene


def cast(scene: Any, directions: FloatArray, origins: FloatArray | None = None) -> Hits:
    """Find the first hit of rays (..., 3); they start at the camera unless `origins` are given."""
    import open3d as o3d

    found = scene.cast_rays(o3d.core.Tensor.from_numpy(_pack(directions, origins)), nthreads=1)
    depth = found["t_hit"].numpy()
    triangle = np.where(np.isfinite(depth), found["primitive_ids"].numpy(), 0).astype(np.int64)
    second, third = np.moveaxis(found["primitive_uvs"].numpy(), -1, 0)
    weights = np.stack([1.0 - second - third, second, third], axis=-1)
    return Hits(depth, triangle, weights, found["primitive_normals"].numpy())


def find_blocked(scene: Any, directions: FloatArray, origins: FloatArray | None = None) -> BoolArray:
    """Find which of the rays (..., 3) hit anything."""
    import open3d as o3d

    answer = scene.test_occlusions(o3d.core.Tensor.from_numpy(_pack(directions, origins)), nthreads=1)
    return np.asarray(answer.numpy(), dtype=np.bool_)


def _pack(directions: FloatArray, origins: FloatArray | None) -> FloatArray:
    rays = np.zeros((*directions.shape[:-1], 6), dtype=np.float32)
    rays[..., 3:] = directions
    if origins is not None:
        rays[..., :3] = origins
    return rays
