"""Motion of a hand: smooth paths that cover the disc of orientations evenly."""

from __future__ import annotations

import numpy as np

from labelkit.records import FloatArray

_GOLDEN_RAD = np.pi * (3.0 - np.sqrt(5.0))

# Frames between two targets: at 30 frames/s the hand turns by about 100 degrees per second, which is fast.
_FRAMES_PER_TARGET = 2.5
_CHOICES = 3  # the next target is one of so many nearest, so that participants take different paths


def walk_over_disc(rng: np.random.Generator, n_frames: int, reach_deg: float) -> FloatArray:
    """Walk over the disc of centred angles, evenly and without jumps.

    Args:
        rng: chooses the start and the way.
        n_frames: length of the walk, at least 1.
        reach_deg: radius of the disc, degrees.
    Returns:
        (n_frames, 2) centred azimuth and elevation, degrees, all inside the disc.
    Source: targets on Vogel's spiral (Vogel 1979), which spreads points evenly over a disc.
    """
    n_targets = max(6, round(n_frames / _FRAMES_PER_TARGET))
    k = np.arange(n_targets)
    radius = reach_deg * np.sqrt((k + 0.5) / n_targets)
    theta = k * _GOLDEN_RAD + rng.uniform(0.0, 2.0 * np.pi)
    targets = np.stack([radius * np.cos(theta), radius * np.sin(theta)], axis=-1)
    path = targets[_walk(rng, targets)]
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    milestones = np.concatenate([[0.0], np.cumsum(steps)])
    at = (np.arange(n_frames) + 0.5) / n_frames * milestones[-1]
    return np.stack([np.interp(at, milestones, path[:, k]) for k in range(2)], axis=-1)


def _walk(rng: np.random.Generator, targets: FloatArray) -> list[int]:
    """Visit every target once; the next one is always among the nearest that are left."""
    left = list(range(len(targets)))
    order = [left.pop(int(rng.integers(len(left))))]
    while left:
        distances = np.linalg.norm(targets[left] - targets[order[-1]], axis=1)
        nearest = np.argsort(distances, kind="stable")[:_CHOICES]
        order.append(left.pop(int(rng.choice(nearest))))
    return order


def draw_drift(rng: np.random.Generator, n_frames: int, shape: tuple[int, ...], frames: float = 12.0) -> FloatArray:
    """Draw quantities that change smoothly; in every single frame each is standard normal.

    Args:
        shape: of the quantities in one frame.
        frames: width of the smoothing kernel, frames.
    Returns:
        (n_frames, *shape).
    """
    reach = int(np.ceil(3.0 * frames))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / frames) ** 2)
    kernel /= np.linalg.norm(kernel)
    white = rng.standard_normal((n_frames + 2 * reach, int(np.prod(shape))))
    smooth = [np.convolve(column, kernel, mode="valid") for column in white.T]
    return np.stack(smooth, axis=-1).reshape(n_frames, *shape)
