"""Sound files to damage: small ones of every kind that is read."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from tests.datasets import make_dataset
from tests.golden.make import RAW


@cache
def of_a_dataset() -> dict[str, bytes]:
    """Make a dataset of one sample; its files by their names."""
    with tempfile.TemporaryDirectory() as folder:
        made = make_dataset(Path(folder) / "dataset", participants=1, samples=1)
        return {path.relative_to(made).as_posix(): path.read_bytes() for path in made.rglob("*.*")}


@cache
def hash_of_p01() -> bytes:
    """Hash the participant whom the targets look for, as the record of a withdrawal does."""
    return hashlib.scrypt(b"p01", salt=b"\0", n=2**14, r=8, p=1, dklen=32).hex().encode()


def pictures() -> list[bytes]:
    """Encode a small picture in every format that is read."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 24), np.uint8)
    deep = noise.astype(np.uint16) * 100
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    encoded = [
        (".png", deep, []),
        (".png", noise, []),
        (".jpg", noise, []),
        (".jpg", noise, progressive),
        (".pgm", deep, []),
    ]
    return [cv2.imencode(format, picture, flags)[1].tobytes() for format, picture, flags in encoded]


SEEDS: dict[str, Callable[[], Sequence[bytes]]] = {
    "manifest": lambda: [of_a_dataset()["manifest.json"]],
    "sidecar": lambda: [(RAW / "p01" / "recording.toml").read_bytes()],
    "list": lambda: [b"# timestamp filename\n1.0 rgb/1.0.png\n2.5,rgb/2.5.png\n"],
    "shard": lambda: [of_a_dataset()["shards/p01-0000.h5"]],
    "table": lambda: [of_a_dataset()["labels.parquet"]],
    "record": lambda: [b'{"schema_": "labelkit-withdrawn/1", "salt": "00", "withdrawn": ["%s"]}' % hash_of_p01()],
    "picture": pictures,
}
