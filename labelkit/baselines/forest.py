"""A random forest that reads orientations from contour features.

As in Asad & Slabaugh, "Hand orientation regression using random forest for augmented reality" (AVR 2014): the
features of `imaging/contour.py`, principal components that hold 90 % of their variance, and a regression forest whose
splits choose among two features. The paper leaves open how deep trees grow and how azimuth and elevation share a tree:
here trees grow until a leaf has few samples, and one tree answers both angles. scikit-learn grows the
trees. They are kept as plain arrays, so that a forest from a file runs no code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor

from labelkit.errors import RunError
from labelkit.records import CONTOUR_POINTS, FloatArray
from labelkit.runs.arrays import read_arrays, read_sizes, write_arrays

# Two features a split are the paper's. With 5 samples in a leaf (as in Asad & Slabaugh 2016) a forest is
# a fifth as large as with 1.
FEATURES, LEAF = 2, 5
VARIANCE = 0.9  # what the principal components hold of it, as in the paper

_BATCH = 256  # samples that descend at a time: 1000 trees x 256 samples are small arrays
_LEAF = -1

Nodes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees as arrays: a node is a number, and the nodes of all trees stand in one row.

    Attributes:
        mean: (CONTOUR_POINTS,) of the training people's features.
        components: (k, CONTOUR_POINTS) principal components.
        roots: (trees,) the first node of each tree.
        feature: (nodes,) the component that a node asks for; -1 for a leaf.
        threshold: (nodes,) a sample goes left if the component is not larger.
        left, right: (nodes,) where to; a child has a larger number than its parent.
        answer: (nodes, 2) centred azimuth and elevation, degrees: the mean of the samples that came to the node.
    """

    mean: FloatArray
    components: FloatArray
    roots: Nodes
    feature: Nodes
    threshold: FloatArray
    left: Nodes
    right: Nodes
    answer: FloatArray

    @property
    def nodes(self) -> int:
        """How many there are in all trees."""
        return len(self.feature)

    def predict(self, contours: FloatArray) -> FloatArray:
        """Answer for contours (n, CONTOUR_POINTS): (n, 2) centred azimuth and elevation, degrees."""
        features = _project(contours, self.mean, self.components)
        parts = [self._descend(features[k : k + _BATCH]) for k in range(0, len(features), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, 2))

    def _descend(self, features: FloatArray) -> FloatArray:
        samples = np.arange(len(features))[:, None]
        at = np.repeat(self.roots[None], len(features), axis=0)
        while True:
            asked = self.feature[at]
            inner = asked != _LEAF
            if not inner.any():
                return np.asarray(self.answer[at].mean(axis=1))
            goes_left = features[samples, np.maximum(asked, 0)] <= self.threshold[at]
            at = np.where(inner, np.where(goes_left, self.left[at], self.right[at]), at)


def _project(contours: FloatArray, mean: FloatArray, components: FloatArray) -> FloatArray:
    """Give the principal components of contours: (n, k) float32, as scikit-learn's trees compare them."""
    return ((np.asarray(contours, dtype=np.float64) - mean) @ components.T).astype(np.float32)


def grow_forest(
    contours: FloatArray, centred_deg: FloatArray, *, trees: int, seed: int = 0, workers: int = -1
) -> Forest:
    """Grow a forest on training people alone; the same samples and seed give the same forest.

    Args:
        contours: (n, CONTOUR_POINTS), n >= 2.
        centred_deg: (n, 2) centred azimuth and elevation, degrees.
        workers: threads; -1: one for each core.
    """
    contours = np.asarray(contours, dtype=np.float64)
    pca = PCA(VARIANCE, svd_solver="full", random_state=seed).fit(contours)
    features = _project(contours, pca.mean_, pca.components_)
    grown = RandomForestRegressor(
        trees, max_features=min(FEATURES, features.shape[1]), min_samples_leaf=LEAF, random_state=seed, n_jobs=workers
    ).fit(features, centred_deg)
    kept = [tree.tree_ for tree in grown.estimators_]
    roots = np.cumsum([0, *(tree.node_count for tree in kept)])[:-1]
    return Forest(
        mean=pca.mean_,
        components=pca.components_,
        roots=roots.astype(np.int32),
        feature=np.concatenate([np.where(tree.children_left < 0, _LEAF, tree.feature) for tree in kept]).astype(
            np.int32
        ),
        threshold=np.concatenate([tree.threshold for tree in kept]),
        left=_move([tree.children_left for tree in kept], roots),
        right=_move([tree.children_right for tree in kept], roots),
        answer=np.concatenate([tree.value[:, :, 0] for tree in kept]),
    )


def _move(children: list[NDArray[Any]], roots: NDArray[Any]) -> Nodes:
    """Number children in the row of all trees' nodes."""
    moved = [np.where(child < 0, _LEAF, child + root) for child, root in zip(children, roots, strict=True)]
    return np.concatenate(moved).astype(np.int32)


def write_forest(path: Path, forest: Forest) -> None:
    """Write a forest; the same forest gives the same bytes. As `write_arrays`."""
    write_arrays(path, vars(forest))


def read_forest(path: Path) -> Forest:
    """Read a forest. Nothing in the file is executed, and each number is checked before it is used.

    Raises:
        RunError: missing, damaged, or not a forest.
    """
    sizes = read_sizes(path)
    nodes, trees, components = (sizes.get(name, 0) for name in ("feature", "roots", "components"))
    shapes: dict[str, tuple[tuple[int, ...], str]] = {
        "mean": ((CONTOUR_POINTS,), "float64"),
        "components": ((components, CONTOUR_POINTS), "float64"),
        "roots": ((trees,), "int32"),
        "feature": ((nodes,), "int32"),
        "threshold": ((nodes,), "float64"),
        "left": ((nodes,), "int32"),
        "right": ((nodes,), "int32"),
        "answer": ((nodes, 2), "float64"),
    }
    forest = Forest(**read_arrays(path, shapes))
    if not _is_sound(forest):
        raise RunError(f"{path}: its trees point out of the forest or in circles; train again")
    return forest


def _is_sound(forest: Forest) -> bool:
    """Say whether every way down a tree ends in one of its nodes."""
    inner = np.flatnonzero(forest.feature != _LEAF)
    children = np.stack([forest.left[inner], forest.right[inner]])
    return bool(
        len(forest.roots)
        and (forest.roots >= 0).all()
        and (forest.roots < forest.nodes).all()
        and (forest.feature >= _LEAF).all()
        and (forest.feature < len(forest.components)).all()
        and (children > inner).all()  # a child has a larger number: no way goes in a circle
        and (children < forest.nodes).all()
        and all(np.isfinite(values).all() for values in (forest.mean, forest.components, forest.answer))
    )
