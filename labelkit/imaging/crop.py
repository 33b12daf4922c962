"""Cut a square picture of the hand out of the colour picture.

A virtual camera looks along the ray through the hand, so that the crop shows the hand exactly as its
view-frame orientation says; or the square is cut out of the picture as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.records import ColorImage, FloatArray, Intrinsics


@dataclass(frozen=True, eq=False)
class SquareView:
    """Where each pixel of a square crop looks.

    Attributes:
        size: pixels on a side.
        view_from_camera: (3, 3) rotation; the identity for a plain cut-out.
        matrix: (3, 3) K of the crop.
        source: the camera that took the picture.
    """

    size: int
    view_from_camera: FloatArray
    matrix: FloatArray
    source: Intrinsics

    def place(self, points: FloatArray) -> FloatArray:
        """Find where points (..., 3) of the camera's frame appear in the crop: (..., 2) pixels."""
        turned = points @ self.view_from_camera.T @ self.matrix.T
        return np.asarray(turned[..., :2] / turned[..., 2:])

    def oversampling(self) -> int:
        """Count the samples that a pixel needs along a side so that no pixel of the source is skipped."""
        return max(1, int(np.ceil(max(self.source.fx, self.source.fy) / self.matrix[0, 0] - 0.05)))


def virtual_camera(
    rays: FloatArray, view_from_camera: FloatArray, source: Intrinsics, *, size: int, margin: float
) -> SquareView:
    """Aim a virtual camera so that its picture holds all rays with a margin.

    Args:
        rays: (n, 3), camera frame, to what must be visible; less than 90 degrees from the view's axis.
        view_from_camera: (3, 3) rotation that takes the viewing ray to z.
        size: pixels on a side.
        margin: free border on each side, as a share of what must be visible.
    """
    turned = rays @ view_from_camera.T
    half = float(np.abs(turned[:, :2] / turned[:, 2:]).max()) * (1 + 2 * margin)
    return SquareView(size, view_from_camera, _square_matrix(size / 2 / half, size, (0.0, 0.0)), source)


def plain_box(box: tuple[int, int, int, int], source: Intrinsics, *, size: int, margin: float) -> SquareView:
    """Cut a square round a box (x, y, width, height) as the picture shows it; lens distortion stays.

    The source loses its distortion here, so that pixels map to pixels by scale and shift alone.
    """
    x, y, width, height = box
    scale = size / (max(width, height) * (1 + 2 * margin))
    plain = Intrinsics(source.fx, source.fx, source.cx, source.cy, source.width, source.height)
    centre = (x + (width - 1) / 2, y + (height - 1) / 2)
    offset = ((centre[0] - plain.cx) / plain.fx, (centre[1] - plain.cy) / plain.fx)
    return SquareView(size, np.eye(3), _square_matrix(plain.fx * scale, size, offset), plain)


def _square_matrix(focal: float, size: int, centre: tuple[float, float]) -> FloatArray:
    middle = (size - 1) / 2
    return np.array(
        [[focal, 0.0, middle - focal * centre[0]], [0.0, focal, middle - focal * centre[1]], [0.0, 0.0, 1.0]]
    )


def crop_color(image: ColorImage, view: SquareView) -> tuple[ColorImage, float]:
    """Take the crop: sampled densely enough to skip no pixel, then averaged.

    Args:
        image: (H, W, 3) RGB, of the view's source camera.
    Returns:
        (S, S, 3), the picture's border repeated outwards, and the share of its pixels that lie outside.
    """
    n = view.oversampling()
    side = view.size * n
    if view.source.distortion:
        fine = cv2.remap(image, *_maps(view, n), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        source_from_crop = view.source.matrix @ view.view_from_camera.T @ np.linalg.inv(_refine_matrix(view, n))
        fine = cv2.warpPerspective(
            image, source_from_crop, (side, side), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
    shrunk = fine if n == 1 else cv2.resize(fine, (view.size, view.size), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, dtype=np.uint8), _share_outside(view, image.shape[1], image.shape[0])


def _share_outside(view: SquareView, width: int, height: int) -> float:
    """Measure the share of the crop's pixels that lie outside the picture."""
    last = view.size - 1
    corners = np.array([[0, 0, 1], [last, 0, 1], [0, last, 1], [last, last, 1]])
    rays = corners @ np.linalg.inv(view.matrix).T @ view.view_from_camera
    seen = rays[:, :2] / rays[:, 2:] * (view.source.fx, view.source.fy) + (view.source.cx, view.source.cy)
    if not view.source.distortion and ((seen >= -0.5) & (seen <= (width - 0.5, height - 0.5))).all():
        return 0.0  # without distortion lines stay lines: if the corners are inside, everything is
    map_x, map_y = _maps(view, 1)
    outside = (map_x < -0.5) | (map_x > width - 0.5) | (map_y < -0.5) | (map_y > height - 0.5)
    return float(np.count_nonzero(outside)) / outside.size


def crop_depth(depth_m: FloatArray, view: SquareView) -> NDArray[np.uint16]:
    """Take the same crop of a registered depth picture; each pixel is the nearest reading, never a mean of several.

    Args:
        depth_m: (H, W), metres along the camera's z, NaN where nothing was seen.
    Returns:
        (S, S), millimetres along the camera's z, 0 where nothing was seen or the picture ends.
    """
    map_x, map_y = _maps(view, 1)
    millimetres = np.clip(np.nan_to_num(depth_m, nan=0.0, posinf=0.0, neginf=0.0) * 1000.0, 0, 65535)
    found = cv2.remap(millimetres.astype(np.float32), map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(np.round(found), dtype=np.uint16)


def splat_depth(points: FloatArray, view: SquareView) -> NDArray[np.uint16]:
    """Take the crop of depth from another camera: each point goes to its pixel, and the nearest one wins.

    Args:
        points: (n, 3), metres, frame of the view's source camera.
    Returns:
        As `crop_depth`; pixels that no point falls into are 0.
    """
    points = points[points[:, 2] > 0]
    points = points[(points @ view.view_from_camera[2]) > 0]
    column, row = np.round(view.place(points)).astype(np.int64).T
    inside = (column >= 0) & (column < view.size) & (row >= 0) & (row < view.size)
    order = np.argsort(-points[inside, 2], kind="stable")
    depth_mm = np.zeros((view.size, view.size), np.uint16)
    depth_mm[row[inside][order], column[inside][order]] = np.clip(np.round(points[inside, 2][order] * 1000.0), 0, 65535)
    return depth_mm


def _maps(view: SquareView, n: int) -> tuple[FloatArray, FloatArray]:
    """Find the source pixel of each of n x n samples per pixel of the crop."""
    matrix = _refine_matrix(view, n)
    side = view.size * n
    map_x, map_y = cv2.initUndistortRectifyMap(
        view.source.matrix,
        np.asarray(view.source.distortion or (0.0,) * 5, dtype=np.float64),
        view.view_from_camera,
        matrix,
        (side, side),
        cv2.CV_32FC1,
    )
    return map_x, map_y


def _refine_matrix(view: SquareView, n: int) -> FloatArray:
    """Give the crop's camera matrix with n x n samples per pixel."""
    matrix = view.matrix.copy()
    # Integers are pixel centres: scaling by n maps u to (u + 0.5) n - 0.5.
    matrix[:2] *= n
    matrix[:2, 2] += (n - 1) / 2
    return matrix
