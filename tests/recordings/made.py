"""Recordings made on the spot, a few small pictures each."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

WIDTH, HEIGHT = 32, 24

SIDECAR = """
[recording]
depth_unit_m = 0.001
registered = true
[intrinsics]
fx = 26.0
fy = 26.0
cx = 15.5
cy = 11.5
width = 32
height = 24
"""


def write_sidecar(folder: Path, text: str = SIDECAR) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recording.toml"
    path.write_text(text, encoding="utf-8")
    return path


def encoded(picture: np.ndarray[Any, Any], suffix: str = ".png") -> bytes:
    written, content = cv2.imencode(suffix, picture)
    assert written
    return content.tobytes()


def depth_png(value: int = 800, size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    return encoded(np.full((size[1], size[0]), value, np.uint16))


def color_png(rgb: tuple[int, int, int] = (200, 100, 50), size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    return encoded(np.full((size[1], size[0], 3), rgb[::-1], np.uint8))


def numbered(content: bytes, number: int) -> bytes:
    """Put a number into a PNG or JPEG, as a comment: copies of one picture are then not those of a hanging stream."""
    if content.startswith(b"\xff\xd8"):
        return content[:2] + b"\xff\xfe\x00\x06" + b"%04d" % number + content[2:]
    chunk = b"tEXtnumber\0%04d" % number
    return (
        content[:-12] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[-12:]
    )


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_pairs(folder: Path, n: int = 3, *, sidecar: str | None = SIDECAR) -> Path:
    """A color/ + depth/ recording; depth i holds 800 + i, colour i a red of i."""
    for index in range(n):
        write(folder / "color" / f"color_{index:05d}.png", color_png((index, 100, 50)))
        write(folder / "depth" / f"depth_{index:05d}.png", depth_png(800 + index))
    if sidecar is not None:
        write_sidecar(folder, sidecar)
    return folder


def write_tum(folder: Path, depth: list[float], color: list[float], *, lists: bool = True) -> Path:
    """A TUM recording with pictures at these stamps; no two are the same."""
    for kind, stamps in (("depth", depth), ("rgb", color)):
        names = [f"{kind}/{stamp:.6f}.png" for stamp in stamps]
        for index, name in enumerate(names):
            write(folder / name, depth_png(800 + index) if kind == "depth" else color_png((index, 100, 50)))
        if lists:
            lines = [f"{stamp:.6f} {name}\n" for stamp, name in zip(stamps, names, strict=True)]
            write(folder / f"{kind}.txt", ("# made\n" + "".join(lines)).encode())
    write_sidecar(folder)
    return folder
