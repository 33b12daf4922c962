"""Smooth bodies as signed distance fields, and their meshes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelkit.records import FloatArray

IntArray = NDArray[np.integer]
Field = Callable[[FloatArray], FloatArray]  # (n, 3) points -> (n,) signed distances, negative inside


@dataclass(frozen=True)
class Capsule:
    """A segment whose radius changes along it, flattened along z.

    Attributes:
        start, end: (3,), metres.
        start_radius, end_radius: metres, in the xy plane.
        flatness: width over thickness.
    """

    start: FloatArray
    end: FloatArray
    start_radius: float
    end_radius: float
    flatness: float = 1.0

    def __call__(self, points: FloatArray) -> FloatArray:
        """Compute the signed distance (n,) of points (n, 3): exact at the surface, approximate elsewhere."""
        stretch = np.array([1.0, 1.0, self.flatness])
        along = ((self.end - self.start) * stretch).astype(points.dtype)
        offset = points * stretch.astype(points.dtype) - (self.start * stretch).astype(points.dtype)
        # einsum, not @: BLAS would start threads for it, and participants run in parallel already
        share = np.clip(np.einsum("ij,j->i", offset, along) / np.dot(along, along), 0.0, 1.0)
        offset -= share[:, None] * along
        radius = self.start_radius + share * points.dtype.type(self.end_radius - self.start_radius)
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", offset, offset)) - radius)


def smooth_union(a: FloatArray, b: FloatArray, blend: float) -> FloatArray:
    """Join two distance fields with a fillet of about `blend` (same unit).

    Source: Quilez, "Smooth minimum" (quadratic).
    """
    overlap = np.clip(blend - np.abs(a - b), 0.0, None)
    return np.minimum(a, b) - overlap * overlap * (0.25 / blend)


def gradient(field: Field, points: FloatArray, step: float = 5e-4) -> FloatArray:
    """Differentiate a field by central differences: (n, 3)."""
    shifts = np.eye(3, dtype=points.dtype) * points.dtype.type(step)
    return np.stack([field(points + s) - field(points - s) for s in shifts], axis=-1) / (2.0 * step)


def mesh_of(field: Field, low: FloatArray, high: FloatArray, cell: float) -> tuple[FloatArray, IntArray, FloatArray]:
    """Mesh the surface of a field inside a box; it stays open at the sides of the box.

    Args:
        field: signed distance.
        low, high: (3,) corners of the box.
        cell: edge of the grid's cells, the unit of the box.
    Returns:
        vertices (n, 3), on the surface; triangles (m, 3), counter-clockwise seen from outside; unit
        normals (n, 3).
    Source: Gibson 1998, "Constrained elastic surface nets" (without the relaxation).
    """
    counts = np.ceil((high - low) / cell).astype(int) + 1
    axes = [low[k] + cell * np.arange(counts[k]) for k in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
    values = field(grid).reshape(counts)
    vertices, cell_vertex = _crossing_means(values)
    vertices = (np.asarray(low) + cell * vertices).astype(np.float64)
    for _ in range(2):  # Newton steps onto the surface
        slope = gradient(field, vertices)
        vertices = vertices - slope * (field(vertices) / np.einsum("ij,ij->i", slope, slope))[:, None]
    normals = gradient(field, vertices)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return vertices, _triangles(values < 0, cell_vertex), normals


def _crossing_means(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Place one vertex in each cell that the surface crosses, at the mean of the crossings of its edges."""
    cells = tuple(n - 1 for n in values.shape)
    total, count = np.zeros((*cells, 3)), np.zeros(cells)
    for axis in range(3):
        others = [k for k in range(3) if k != axis]
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(0, -1), slice(1, None)
        a, b = values[tuple(low)], values[tuple(high)]
        crossing = (a < 0) != (b < 0)
        share = np.where(crossing, a / np.where(crossing, a - b, 1.0), 0.0)
        for i in (0, 1):
            for j in (0, 1):
                window = [slice(None)] * 3
                window[others[0]] = slice(i, i + cells[others[0]])
                window[others[1]] = slice(j, j + cells[others[1]])
                here = crossing[tuple(window)]
                count += here
                total[..., axis] += np.where(here, share[tuple(window)], 0.0)
                total[..., others[0]] += i * here
                total[..., others[1]] += j * here
    crossed = count > 0
    index = np.full(cells, -1)
    index[crossed] = np.arange(np.count_nonzero(crossed))
    return np.argwhere(crossed) + total[crossed] / count[crossed][:, None], index


def _triangles(inside: NDArray[np.bool_], cell_vertex: IntArray) -> IntArray:
    """Join the vertices of the four cells around each crossed grid edge."""
    parts = []
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        a = np.take(inside, range(inside.shape[axis] - 1), axis)
        b = np.take(inside, range(1, inside.shape[axis]), axis)
        edges = np.argwhere(a != b)
        edges = edges[(edges[:, u] > 0) & (edges[:, v] > 0)]
        edges = edges[(edges[:, u] < cell_vertex.shape[u]) & (edges[:, v] < cell_vertex.shape[v])]
        step_u, step_v = np.eye(3, dtype=int)[u], np.eye(3, dtype=int)[v]
        corners = [edges - step_u - step_v, edges - step_v, edges, edges - step_u]
        quads = np.stack([cell_vertex[tuple(corner.T)] for corner in corners], axis=-1)
        leaving = a[tuple(edges.T)]
        quads[~leaving] = quads[~leaving][:, ::-1]
        parts += [quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]
    return np.concatenate(parts)
