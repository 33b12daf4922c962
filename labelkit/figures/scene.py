"""One frame's pictures, with what labelling found drawn onto them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import matplotlib.patheffects
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Rectangle
from matplotlib.path import Path

from labelkit.figures.layout import FAINT, INK
from labelkit.geometry.camera import project, rays_through, transform_points
from labelkit.geometry.orientation import (
    angles_deg_from_normal,
    centred_from_label_deg,
    mirror_vectors,
    tangent_basis,
    unit,
    view_from_camera,
)
from labelkit.imaging.segment import Hand, SeenPart
from labelkit.labelling.palm import Palm
from labelkit.records import BoolArray, Calibration, ColorImage, FloatArray, Intrinsics, Sample

HAND, PALM, NORMAL, FINGERS, PLANE = "#ffffff", "#2f7fd6", "#b3400e", "#00224e", "#ffffff"
NO_DEPTH = "#ffffff"
PART = "#ffb27a"  # looked at, and taken for no hand
OFF_PLANE = "PuOr_r"  # also different for the colour-blind; white where a point lies on the plane

# Metres: of the drawn normal, of the fingers' direction, half of the drawn square of plane.
_NORMAL_M, _FINGERS_M, _PLANE_M = 0.09, 0.075, 0.06
_ROUND = np.linspace(0, 2 * np.pi, 73)

Window = tuple[float, float, float, float]  # left, top, right, bottom, pixels


@dataclass(frozen=True, eq=False)
class Canvas:
    """A picture to draw on, and where points of the depth camera's frame appear in it."""

    image: ColorImage | FloatArray
    intrinsics: Intrinsics
    canvas_from_depth: FloatArray

    def place(self, points: FloatArray) -> FloatArray:
        """Find the pixels (n, 2) of points (n, 3) of the depth camera's frame."""
        return project(transform_points(self.canvas_from_depth, points), self.intrinsics)


@dataclass(frozen=True, eq=False)
class Scene:
    """A frame as far as it could be read, and what was found in it as far as that went.

    Attributes:
        depth_m: (H, W) metres, NaN where nothing was seen; None if it cannot be read.
        color: (H, W, 3); None if it cannot be read.
        parts: what the search looked at, if it found no hand; they are numbered from 1.
    """

    depth_m: FloatArray | None
    color: ColorImage | None
    calibration: Calibration
    hand: Hand | None = None
    palm: Palm | None = None
    sample: Sample | None = None
    parts: tuple[SeenPart, ...] = ()

    @cached_property
    def depth_canvas(self) -> Canvas | None:
        """The depth picture."""
        return None if self.depth_m is None else Canvas(self.depth_m, self.calibration.depth, np.eye(4))

    @cached_property
    def color_canvas(self) -> Canvas | None:
        """The colour picture."""
        if self.color is None:
            return None
        return Canvas(self.color, self.calibration.color, self.calibration.color_from_depth)

    def outlines(self, mask: BoolArray, canvas: Canvas) -> list[FloatArray]:
        """Trace the outer edges of a mask of the hand's window on a canvas: closed lines (n, 2), pixels."""
        assert self.hand is not None
        assert self.depth_m is not None
        found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        lines = []
        for contour in found:
            pixels = contour[:, 0] + np.array(self.hand.corner)
            z = self.depth_m[pixels[:, 1], pixels[:, 0]].astype(np.float64)
            lines.append(canvas.place(rays_through(pixels, self.calibration.depth) * z[:, None]))
        return lines

    def window(self, canvas: Canvas) -> Window:
        """Frame the hand and its normal in a square."""
        assert self.hand is not None
        seen = [*self.outlines(self.hand.mask, canvas), *([self._normal(canvas)] if self.palm else [])]
        low, high = np.concatenate(seen).min(axis=0), np.concatenate(seen).max(axis=0)
        half = 0.56 * float((high - low).max()) + 2
        x, y = (low + high) / 2
        return x - half, y - half, x + half, y + half

    def draw_hand(self, axes: Axes, canvas: Canvas) -> None:
        """Outline the hand."""
        if self.hand:
            for line in self.outlines(self.hand.mask, canvas):
                axes.plot(*_close_line(line).T, color=HAND, linewidth=1.0, path_effects=_halo(INK, 2.0))

    def draw_parts(self, axes: Axes, canvas: Canvas) -> None:
        """Outline and number what the search looked at."""
        for number, part in enumerate(self.parts, start=1):
            rays = rays_through(part.outline, self.calibration.depth)
            line = canvas.place(rays * part.distance_m)
            axes.plot(*_close_line(line).T, color=PART, linewidth=1.2, path_effects=_halo(INK, 2.4))
            u, v = line[np.argmin(line[:, 1])].tolist()
            axes.text(
                u, v, str(number), fontsize=9, fontweight="bold", color=PART, ha="center", va="center",
                clip_on=True, path_effects=_halo(INK, 2.6),
            )  # fmt: skip

    def draw_box(self, axes: Axes) -> None:
        """Draw the hand's box on the colour picture."""
        if self.sample:
            x, y, width, height = self.sample.crop
            box = Rectangle((x - 0.5, y - 0.5), width, height, facecolor="none", edgecolor=HAND, linewidth=1.2)
            box.set_path_effects(_halo(INK, 2.6))
            axes.add_patch(box)

    def draw_palm(self, axes: Axes, canvas: Canvas) -> None:
        """Tint the region that the plane was fitted to."""
        if self.palm and (lines := [_close_line(line) for line in self.outlines(self.palm.mask, canvas)]):
            region = Path.make_compound_path(*(Path(line, closed=True) for line in lines))
            axes.add_patch(PathPatch(region, facecolor=PALM, edgecolor=PALM, alpha=0.45, linewidth=1.0))

    def draw_plane(self, axes: Axes, canvas: Canvas) -> None:
        """Draw a square of the plane, 12 cm wide, ruled every 3 cm, with its side along the fingers."""
        if not self.palm:
            return
        up = self.palm.fingers
        across = np.cross(self.palm.fit.plane.normal, up)
        for place in np.linspace(-_PLANE_M, _PLANE_M, 5):
            for along, aside in ((up, across), (across, up)):
                ends = self.palm.middle + place * aside + np.outer([-_PLANE_M, _PLANE_M], along)
                if (ends[:, 2] > 0).all():
                    outer = abs(place) == _PLANE_M
                    axes.plot(*canvas.place(ends).T, color=PLANE, linewidth=1.1 if outer else 0.5, alpha=0.9)

    def draw_normal(self, axes: Axes, canvas: Canvas) -> None:
        """Draw the normal as an arrow, with the ellipse that holds 86 % of what its end may be (2 sd)."""
        if not self.palm:
            return
        if self.sample:
            base = transform_points(self.calibration.color_from_depth, self.palm.middle[None])[0]
            ends = base + _NORMAL_M * _mirror_back(self.sample, directions_within(self.sample, 2.0))
            depth_from_color = np.linalg.inv(self.calibration.color_from_depth)
            rim = canvas.place(transform_points(depth_from_color, ends))
            axes.add_patch(
                PathPatch(
                    Path(_close_line(rim), closed=True), facecolor=NORMAL, alpha=0.35, edgecolor="white", zorder=5
                )
            )
        base_px, end_px = self._normal(canvas)
        draw_arrow(axes, base_px, end_px, NORMAL)

    def draw_fingers(self, axes: Axes, canvas: Canvas) -> None:
        """Draw the direction from the wrist to the fingers, in the plane."""
        if self.palm:
            ends = np.stack([self.palm.middle, self.palm.middle + _FINGERS_M * self.palm.fingers])
            if (ends[:, 2] > 0).all():
                start, end = canvas.place(ends)
                draw_arrow(axes, start, end, FINGERS, dotted=True)

    def _normal(self, canvas: Canvas) -> FloatArray:
        """Find where the drawn normal begins and ends: (2, 2) pixels."""
        assert self.palm is not None
        # A hand at arm's length never is this near; a shorter arrow rather than one through the camera.
        length = min(_NORMAL_M, 0.5 * float(self.palm.middle[2]))
        return canvas.place(np.stack([self.palm.middle, self.palm.middle + length * self.palm.fit.plane.normal]))


def directions_within(sample: Sample, deviations: float) -> FloatArray:
    """Trace the ellipse of directions so many standard deviations from a sample's normal.

    Returns:
        (n, 3) unit, camera frame, as the sample's normal is (mirrored if the sample is).
    """
    spread = np.linalg.cholesky(sample.normal_cov + 1e-12 * np.eye(2)) * np.deg2rad(deviations)
    steps = spread @ np.stack([np.cos(_ROUND), np.sin(_ROUND)])
    return unit(sample.normal + steps.T @ tangent_basis(sample.normal))


def view_angles(sample: Sample, directions: FloatArray) -> FloatArray:
    """Turn camera-frame directions (n, 3) of a sample into centred angles (n, 2) of its view frame, degrees."""
    return centred_from_label_deg(angles_deg_from_normal(directions @ view_from_camera(sample.ray).T))


def _mirror_back(sample: Sample, directions: FloatArray) -> FloatArray:
    return mirror_vectors(directions) if sample.mirrored else directions


def draw_arrow(axes: Axes, start: FloatArray, end: FloatArray, color: str, *, dotted: bool = False) -> None:
    """Draw an arrow that stands out from any picture; a point if it is too short to have a head."""
    style = {"arrowstyle": "-|>", "color": color, "linewidth": 2.0, "shrinkA": 0, "shrinkB": 0}
    style |= {"linestyle": (0, (1.4, 1.0))} if dotted else {}
    arrow = axes.annotate("", tuple(end), tuple(start), arrowprops=style, zorder=6, annotation_clip=False)
    assert arrow.arrow_patch is not None
    arrow.arrow_patch.set_path_effects(_halo("white", 3.6))
    axes.plot(*start, marker="o", markersize=4.5, color=color, zorder=7, markeredgecolor="white", markeredgewidth=0.8)


def draw_picture(axes: Axes, image: ColorImage, window: Window | None = None, *, smooth: bool = True) -> None:
    """Show a picture, or a window of it; integers are pixel centres."""
    _show(axes, image, window, interpolation="bilinear" if smooth else "nearest")


def draw_depth(axes: Axes, depth_m: FloatArray, window: Window | None = None) -> AxesImage:
    """Show depth, near bright and far dark; white where the sensor saw nothing."""
    seen = depth_m[np.isfinite(depth_m)]
    near, far = np.percentile(seen, (1, 99)) if seen.size else (0.0, 1.0)
    colors = colormaps["cividis_r"].with_extremes(bad=NO_DEPTH)
    image = _show(axes, np.ma.masked_invalid(depth_m), window, interpolation="nearest", cmap=colors)
    image.set_norm(Normalize(float(near), max(float(far), float(near) + 0.01)))
    return image


def _show(axes: Axes, image: ColorImage | FloatArray, window: Window | None, **how: Any) -> AxesImage:
    height, width = image.shape[:2]
    left, top, right, bottom = window or (-0.5, -0.5, width - 0.5, height - 0.5)
    x0, y0 = max(0, int(np.floor(left))), max(0, int(np.floor(top)))
    x1, y1 = min(width, int(np.ceil(right)) + 1), min(height, int(np.ceil(bottom)) + 1)
    shown = axes.imshow(image[y0:y1, x0:x1], extent=(x0 - 0.5, x1 - 0.5, y1 - 0.5, y0 - 0.5), **how)
    frame_axes(axes, (left, top, right, bottom))
    return shown


def frame_axes(axes: Axes, window: Window) -> None:
    """Show a window of pixels, without ticks, in a thin frame."""
    left, top, right, bottom = window
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[], anchor="NW")
    axes.set_facecolor("#f1f3f6")
    axes.spines[:].set(color=FAINT, linewidth=0.8)


def draw_residuals(axes: Axes, scene: Scene, scale_mm: float) -> AxesImage:
    """Show how far the palm's points lie off the plane, in the hand's window of the depth picture.

    Points that the fit takes for outliers are ringed in ink; the rest of the hand is grey.
    """
    assert scene.hand is not None
    assert scene.palm is not None
    assert scene.depth_canvas is not None
    hand, palm = scene.hand, scene.palm
    x, y = hand.corner
    height, width = hand.mask.shape
    extent = (x - 0.5, x + width - 0.5, y + height - 0.5, y - 0.5)
    silhouette = np.ma.masked_where(~hand.mask, np.full(hand.mask.shape, 0.82))
    axes.imshow(silhouette, extent=extent, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    off_mm = np.full(hand.mask.shape, np.nan)  # drawn clear
    off_mm[palm.mask] = palm.fit.plane.distances_m(palm.points) * 1000
    shown = axes.imshow(off_mm, extent=extent, cmap=OFF_PLANE, vmin=-scale_mm, vmax=scale_mm, interpolation="nearest")
    outlier_mask = np.zeros(hand.mask.shape, np.uint8)
    outlier_mask[palm.mask] = ~palm.fit.inlier_mask
    contours, _ = cv2.findContours(outlier_mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for contour in contours:
        axes.plot(*_close_line(contour[:, 0] + np.array(hand.corner)).T, color=INK, linewidth=1.0)
    frame_axes(axes, scene.window(scene.depth_canvas))
    return shown


def key(axes: Axes, entries: Iterable[tuple[str, str]], *, ncols: int, right: bool = False, above: float = 0.0) -> None:
    """Explain the marks of a panel below `above` (a share of its height), in the middle or on the right."""
    handles = [_handle(kind, label) for kind, label in entries]
    axes.legend(
        handles=handles, loc="upper right" if right else "upper center", bbox_to_anchor=(1.0 if right else 0.5, above),
        ncols=ncols, frameon=False, fontsize=8.5, handlelength=1.4, handletextpad=0.5, columnspacing=1.2,
        borderaxespad=0.3, labelcolor=INK,
    )  # fmt: skip


def _handle(kind: str, label: str) -> Line2D | Patch:
    match kind:
        case "palm":
            return Patch(facecolor=PALM, alpha=0.6, label=label)
        case "no depth":
            return Patch(facecolor=NO_DEPTH, edgecolor=FAINT, label=label)
        case "outlier":
            return Patch(facecolor="none", edgecolor=INK, label=label)
        case "rest":
            return Patch(facecolor="#d1d1d1", label=label)
        case "plane":
            return Line2D([], [], color=HAND, linewidth=1.1, path_effects=_halo(FAINT, 1.9), label=label)
        case "part":
            return Line2D([], [], color=PART, linewidth=1.2, path_effects=_halo(INK, 2.4), label=label)
        case "hand":
            return Line2D([], [], color=HAND, linewidth=1.2, path_effects=_halo(INK, 2.6), label=label)
        case _:
            color = NORMAL if kind == "normal" else FINGERS
            return Line2D([], [], color=color, linewidth=2.0, linestyle="-" if kind == "normal" else ":", label=label)


def _close_line(line: FloatArray) -> FloatArray:
    return np.concatenate([line, line[:1]])


def _halo(color: str, width: float) -> list[matplotlib.patheffects.AbstractPathEffect]:
    return [matplotlib.patheffects.withStroke(linewidth=width, foreground=color)]
