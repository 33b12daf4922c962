from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.discover import survey
from labelkit.records import Frame, Unreadable
from tests.recordings.made import SIDECAR, encoded, write, write_sidecar

W, H, N = 32, 24, 5
FLOATING = SIDECAR.replace("depth_unit_m = 0.001\n", "")


def depth_of(number: int) -> np.ndarray:
    depth = np.arange(W * H, dtype=np.uint16).reshape(H, W) + 600 + number
    depth[0] = 0
    return depth


def color_of(number: int) -> np.ndarray:
    return np.full((H, W, 3), (10 * number, 2, 3), np.uint8)


DEPTH, COLOR = (np.stack([make(k) for k in range(N)]) for make in (depth_of, color_of))


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def write_pictures(folder: Path) -> None:
    for k in range(N):
        write(folder / "color" / f"{k:05d}.png", encoded(color_of(k)[..., ::-1]))


def stacks(folder: Path, depth: np.ndarray) -> None:
    save(folder / "depth.npy", depth)
    save(folder / "color.npy", COLOR)


def stack_and_pictures(folder: Path, depth: np.ndarray) -> None:
    save(folder / "depth.npy", depth)
    write_pictures(folder)


def files_and_pictures(folder: Path, depth: np.ndarray) -> None:
    for k in range(N):
        save(folder / "depth" / f"depth_{k:05d}.npy", depth[k])
    write_pictures(folder)


def npz(folder: Path, depth: np.ndarray) -> None:
    folder.mkdir(parents=True)
    np.savez_compressed(folder / "take.npz", depth=depth, rgb=COLOR)


def hdf5(folder: Path, depth: np.ndarray) -> None:
    folder.mkdir(parents=True)
    with h5py.File(folder / "take.h5", "w") as file:
        file.create_dataset("camera/depth", data=depth, chunks=(1, H, W), compression="gzip")
        file["camera/color"] = COLOR


def matlab_frames(folder: Path, depth: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for k in range(N):
        scipy.io.savemat(folder / f"frame{k}.mat", {"depth": depth[k], "rgb": COLOR[k]})


def matlab_73(folder: Path, depth: np.ndarray) -> None:
    folder.mkdir(parents=True)
    with h5py.File(folder / "take.mat", "w", userblock_size=512) as file:
        file["depth"] = depth.transpose(0, 2, 1)  # H x W x n, column by column
        file["rgb"] = COLOR.transpose(0, 3, 2, 1)


KINDS = (stacks, stack_and_pictures, files_and_pictures, npz, hdf5, matlab_frames, matlab_73)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("floating", [False, True])
def test_arrays_are_read_in_any_order_also_by_another_process(tmp_path: Path, kind, floating: bool) -> None:
    metres = np.where(DEPTH > 0, DEPTH / 1000, np.nan).astype(np.float32)
    kind(tmp_path / "p1", metres if floating else DEPTH)
    write_sidecar(tmp_path, FLOATING if floating else SIDECAR)
    (recording,) = find_recordings(tmp_path)
    assert (recording.layout, len(recording)) == ("arrays", N)
    assert not survey(tmp_path).unread
    for number in (0, 4, 2, 2, 1, 3):
        frame = pickle.loads(pickle.dumps(recording))[number]
        assert isinstance(frame, Frame), frame
        expected = np.where(depth_of(number) > 0, depth_of(number) / 1000, np.nan)
        assert np.allclose(frame.depth_m, expected, atol=6e-5, equal_nan=True)
        assert np.array_equal(frame.read_color(), color_of(number))


def refusal_of(raw: Path) -> str:
    with pytest.raises(RecordingError) as refusal:
        find_recordings(raw)
    says = str(refusal.value)
    assert "\n" not in says.partition("\n\n")[0]
    return says


def test_integers_need_a_stated_unit_and_floats_that_are_no_metres_too(tmp_path: Path) -> None:
    stacks(tmp_path / "a", DEPTH)
    write_sidecar(tmp_path, FLOATING)
    assert "depth_unit_m = ?" in refusal_of(tmp_path)
    stacks(tmp_path / "a", DEPTH.astype(np.float32))
    assert "so it is no metre" in refusal_of(tmp_path)
    write_sidecar(tmp_path)
    (recording,) = find_recordings(tmp_path)
    assert recording[1].depth_m[5, 5] == pytest.approx(depth_of(1)[5, 5] / 1000)


def test_a_stack_pairs_with_as_many_pictures_only(tmp_path: Path) -> None:
    stack_and_pictures(tmp_path / "p1", DEPTH[:-1])
    write_sidecar(tmp_path)
    assert "holds 4 frames of depth, and there are 5 colour" in refusal_of(tmp_path)


def test_a_stack_without_colour_is_depth_only_if_that_is_stated(tmp_path: Path) -> None:
    save(tmp_path / "p1" / "depth.npy", DEPTH)
    write_sidecar(tmp_path)
    assert "state depth_only = true" in refusal_of(tmp_path)
    write_sidecar(tmp_path, SIDECAR.replace("registered", "depth_only"))
    (recording,) = find_recordings(tmp_path)
    assert recording[1].read_color is None


@pytest.mark.parametrize("name", ["depth.npy", "take.npz", "take.h5", "frame0.mat", "take.mat"])
@pytest.mark.parametrize("spoil", [lambda c: c[: len(c) // 2], lambda c: b"", lambda c: bytes(999), lambda c: c[:20]])
def test_a_spoiled_file_is_one_line_or_rejected_frames(tmp_path: Path, name: str, spoil) -> None:
    for kind in (stacks, npz, hdf5, matlab_frames, matlab_73):
        folder = tmp_path / kind.__name__
        kind(folder, DEPTH)
        if (folder / name).exists():
            path = folder / name
    write_sidecar(path.parent)
    path.write_bytes(spoil(path.read_bytes()))
    (candidate,) = survey(path.parent).candidates
    if candidate.recording is None:
        (problem,) = candidate.problems
        assert name in problem.says
        assert "\n" not in problem.says
        return
    frames = [candidate.recording[index] for index in range(len(candidate.recording))]
    assert any(isinstance(frame, Unreadable) for frame in frames)


def test_objects_that_would_run_code_and_links_out_of_a_file_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "p1"
    folder.mkdir()
    np.save(folder / "depth.npy", np.array([[{}]], object), allow_pickle=True)
    assert "depth.npy cannot be read" in refusal_of(tmp_path)
    (folder / "depth.npy").unlink()
    hdf5(tmp_path / "other", DEPTH)
    with h5py.File(folder / "a.h5", "w") as file:
        file["depth"] = h5py.ExternalLink(str(tmp_path / "other" / "take.h5"), "camera/depth")
    with pytest.raises(RecordingError):
        find_recordings(folder)


def test_a_vast_claim_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "p1"
    folder.mkdir()
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("depth", (2, 100_000, 100_000), "u2", chunks=(1, 1000, 1000))
        file.create_dataset("color", (2, 100_000, 100_000, 3), "u1", chunks=(1, 1000, 1000, 3))
    write_sidecar(tmp_path)
    (candidate,) = survey(tmp_path).candidates
    assert candidate.recording
    assert "claims the shape" in candidate.recording[0].detail
