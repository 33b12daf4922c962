"""Most recordings are a pair of folders: one of colour, one of depth pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelkit.errors import RecordingError
from labelkit.recordings.listing import folders_in, pictures_in
from labelkit.recordings.reader import OtherLayoutError

COLOR_FOLDERS = ("color", "colour", "rgb", "image", "images")
DEPTH_FOLDERS = ("depth", "depths")


def picture_folders(folder: Path) -> tuple[Path, Path]:
    """Find a recording's colour folder and its depth folder, in this order.

    Raises:
        OtherLayoutError: one of them is missing.
        RecordingError: there are several candidates.
    """
    there = folders_in(folder)
    return _choose(folder, there, COLOR_FOLDERS), _choose(folder, there, DEPTH_FOLDERS)


def _choose(folder: Path, there: list[str], wanted: tuple[str, ...]) -> Path:
    named = [folder / name for name in there if name.lower() in wanted]
    if not named:
        raise OtherLayoutError(f"no {wanted[0]}/ folder (nor {_join_names(wanted[1:])})")
    found = [path for path in named if _holds_pictures(path)]
    if not found:
        raise OtherLayoutError(f"no picture in {named[0].name}/")
    if len(found) > 1:
        raise RecordingError(
            f"{_join_names([path.name for path in found])}? Both hold pictures; "
            "say under [files] in recording.toml which to take"
        )
    return found[0]


def _holds_pictures(folder: Path) -> bool:
    return bool(pictures_in(folder)) or any(pictures_in(folder / clip) for clip in folders_in(folder))


def _join_names(names: Sequence[str]) -> str:
    *most, last = (f"{name}/" for name in names)
    return f"{', '.join(most)} or {last}" if most else last
