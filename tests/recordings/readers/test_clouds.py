from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.discover import survey
from labelkit.records import Frame, Reason, Unreadable
from tests.recordings.made import write, write_sidecar

W, H = 64, 48
CAMERA = (52.5, 52.0, 31.5, 23.5)

STATED = f"""
[intrinsics]
fx = {CAMERA[0]}
fy = {CAMERA[1]}
cx = {CAMERA[2]}
cy = {CAMERA[3]}
width = {W}
height = {H}
"""


def made_cloud(number: int = 0, *, holes: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Give xyz (n, 3) float32 and rgb (n, 3) uint8 of a bent wall."""
    fx, fy, cx, cy = CAMERA
    v, u = np.indices((H, W), dtype=np.float64)
    z = 0.7 + 0.1 * number + 0.002 * u + 0.001 * v * v / H
    if holes:
        z[5:9, 7:20] = np.nan
    xyz = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z], axis=-1)
    rgb = np.stack([u * 3, v * 4, np.full_like(u, 10 * number)], axis=-1)
    return xyz.reshape(-1, 3).astype(np.float32), rgb.reshape(-1, 3).astype(np.uint8)


def write_cloud(path: Path, xyz: np.ndarray, rgb: np.ndarray | None, *, organised: bool = True, **kind: bool) -> Path:
    """Let Open3D write a cloud; it knows no rows, so they are put into its header."""
    import open3d as o3d

    path.parent.mkdir(parents=True, exist_ok=True)
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz.astype(np.float64)))
    if rgb is not None:
        cloud.colors = o3d.utility.Vector3dVector(rgb / 255.0)
    assert o3d.io.write_point_cloud(str(path), cloud, **kind)
    content = path.read_bytes()
    if organised and path.suffix == ".pcd":
        content = content.replace(b"WIDTH %d\nHEIGHT 1\n" % len(xyz), b"WIDTH %d\nHEIGHT %d\n" % (W, H), 1)
    elif organised:
        rows = b"obj_info num_cols %d\nobj_info num_rows %d\n" % (W, H)
        content = content.replace(b"element vertex", rows + b"element vertex", 1)
    path.write_bytes(content)
    return path


def refusal_of(raw: Path) -> str:
    with pytest.raises(RecordingError) as refusal:
        find_recordings(raw)
    return str(refusal.value)


@pytest.mark.parametrize("suffix", [".pcd", ".ply"])
@pytest.mark.parametrize("kind", [{}, {"compressed": True}, {"write_ascii": True}])
def test_organised_clouds_give_their_camera_depth_and_colour(tmp_path: Path, suffix: str, kind: dict) -> None:
    for number in range(2):
        write_cloud(tmp_path / "p1" / f"{number}{suffix}", *made_cloud(number), **kind)
    (recording,) = find_recordings(tmp_path)
    recording = pickle.loads(pickle.dumps(recording))
    assert (recording.layout, len(recording), recording.depth_unit_m) == ("clouds", 2, 0.0001)
    camera = recording.calibration.depth
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx(CAMERA, abs=2e-3)
    assert recording.calibration.registered
    for number in (1, 0, 1):
        frame = recording[number]
        assert isinstance(frame, Frame)
        xyz, rgb = made_cloud(number)
        assert np.allclose(frame.depth_m, xyz[:, 2].reshape(H, W), atol=6e-5, equal_nan=True)
        assert np.abs(frame.read_color().astype(int) - rgb.reshape(H, W, 3)).max() <= 1


@pytest.mark.parametrize("suffix", [".pcd", ".ply"])
def test_clouds_that_are_not_organised_are_projected_with_the_stated_camera(tmp_path: Path, suffix: str) -> None:
    xyz, rgb = made_cloud()
    seen = np.flatnonzero(np.isfinite(xyz[:, 2]))[::-1]
    write_cloud(tmp_path / "p1" / f"0{suffix}", xyz[seen], rgb[seen], organised=False)
    assert "not organised" in refusal_of(tmp_path)
    write_sidecar(tmp_path, STATED)
    (recording,) = find_recordings(tmp_path)
    frame = recording[0]
    assert isinstance(frame, Frame)
    assert np.allclose(frame.depth_m, xyz[:, 2].reshape(H, W), atol=6e-5, equal_nan=True)
    assert np.abs(frame.read_color().reshape(-1, 3)[seen].astype(int) - rgb[seen]).max() <= 1


def test_of_two_points_in_one_pixel_the_nearer_is_seen(tmp_path: Path) -> None:
    xyz, rgb = made_cloud(holes=False)
    write_cloud(tmp_path / "0.pcd", np.concatenate([xyz, 2 * xyz]), np.concatenate([rgb, 255 - rgb]), organised=False)
    write_sidecar(tmp_path, STATED)
    (recording,) = find_recordings(tmp_path)
    frame = recording[0]
    assert isinstance(frame, Frame)
    assert np.allclose(frame.depth_m, xyz[:, 2].reshape(H, W), atol=6e-5)


@pytest.mark.parametrize(
    ("line", "other", "words"),
    [
        (f"fx = {CAMERA[0]}", "fx = 80.0", "fx = 80, but the points of 0.pcd were made with fx = 52.5"),
        (f"cy = {CAMERA[3]}", "cy = 30.0", "cy = 30, but"),
    ],
)
def test_a_stated_camera_that_is_not_the_clouds_is_refused(tmp_path: Path, line: str, other: str, words: str) -> None:
    write_cloud(tmp_path / "0.pcd", *made_cloud())
    write_sidecar(tmp_path, STATED)
    assert find_recordings(tmp_path)
    write_sidecar(tmp_path, STATED.replace(line, other))
    assert words in refusal_of(tmp_path)


def test_axes_and_units_of_other_programs_are_refused(tmp_path: Path) -> None:
    xyz, rgb = made_cloud()
    for name, scale, words in (
        ("back", (1, -1, -1), "z points backward"),
        ("up", (1, -1, 1), "its y axis is turned round"),
        ("mm", (1000, 1000, 1000), "depth_unit_m = 0.001"),
    ):
        write_cloud(tmp_path / name / "0.pcd", xyz * scale, rgb)
        assert words in refusal_of(tmp_path / name)
    write_sidecar(tmp_path / "mm", "[recording]\ndepth_unit_m = 0.001\n")
    (recording,) = find_recordings(tmp_path / "mm")
    frame = recording[0]
    assert isinstance(frame, Frame)
    assert np.allclose(frame.depth_m, xyz[:, 2].reshape(H, W), atol=6e-4, equal_nan=True)


def test_points_in_another_order_are_no_grid(tmp_path: Path) -> None:
    xyz, rgb = made_cloud()
    order = np.random.default_rng(0).permutation(len(xyz))
    write_cloud(tmp_path / "0.pcd", xyz[order], rgb[order])
    assert "do not lie in the rows and columns" in refusal_of(tmp_path)


def test_clouds_without_colour_are_depth_only_and_one_among_others_is_a_missing_pair(tmp_path: Path) -> None:
    write_cloud(tmp_path / "p1" / "0.pcd", made_cloud()[0], None)
    (candidate,) = survey(tmp_path).candidates
    assert any("depth only" in note for note in candidate.notes)
    assert candidate.recording
    frame = candidate.recording[0]
    assert isinstance(frame, Frame)
    assert frame.read_color is None
    write_cloud(tmp_path / "p1" / "1.pcd", *made_cloud(1))
    (recording,) = find_recordings(tmp_path)
    assert isinstance(recording[0], Unreadable)
    assert isinstance(recording[1], Frame)


def test_a_cloud_that_was_stored_again_is_no_frame(tmp_path: Path) -> None:
    for number in range(3):
        write_cloud(tmp_path / f"{number}.pcd", *made_cloud(number % 2))
    (recording,) = find_recordings(tmp_path)
    again = recording[2]
    assert isinstance(again, Unreadable)
    assert again.reason is Reason.DUPLICATE
    assert isinstance(recording[1], Frame)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def claim_more(content: bytes) -> bytes:
    return content.replace(b"WIDTH 64\nHEIGHT 48\n", b"WIDTH 640\nHEIGHT 480\n").replace(
        b"POINTS 3072", b"POINTS 307200"
    )


def claim_vast(content: bytes) -> bytes:
    return content.replace(b"WIDTH 64\nHEIGHT 48\n", b"WIDTH 65535\nHEIGHT 65535\n").replace(
        b"POINTS 3072", b"POINTS 4294836225"
    )


def contradict(content: bytes) -> bytes:
    return content.replace(b"HEIGHT 48", b"HEIGHT 47")


SPOILERS = {
    "cut": cut,
    "empty": lambda content: b"",
    "foreign": lambda content: b"\x89PNG\r\n\x1a\n" + bytes(999),
    "claims more": claim_more,
    "claims a vast size": claim_vast,
    "contradicts itself": contradict,
    "damaged sizes": lambda content: content.replace(b"SIZE 4", b"SIZE x"),
    "negative": lambda content: content.replace(b"COUNT 1", b"COUNT -1"),
    "header only": lambda content: content[: content.index(b"DATA") + 12],
}


@pytest.mark.parametrize("kind", [{}, {"compressed": True}, {"write_ascii": True}], ids=str)
@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_a_spoiled_cloud_costs_one_frame(tmp_path: Path, spoil, kind: dict, capfd) -> None:
    for number in range(3):
        path = write_cloud(tmp_path / f"{number}.pcd", *made_cloud(number), **kind)
    sound = path.read_bytes()
    path.write_bytes(spoil(sound))
    assert path.read_bytes() != sound
    (candidate,) = survey(tmp_path).candidates
    assert candidate.recording
    spoiled = candidate.recording[2]
    assert isinstance(spoiled, Unreadable), spoiled
    assert spoiled.reason in (Reason.DECODE, Reason.SIZE)
    assert "\n" not in spoiled.detail
    assert isinstance(candidate.recording[1], Frame)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [{}, {"write_ascii": True}], ids=str)
@pytest.mark.parametrize(
    "spoil",
    [cut, lambda content: b"", lambda content: content.replace(b"element vertex 3072", b"element vertex 40000000")],
)
def test_a_spoiled_ply_costs_one_frame(tmp_path: Path, spoil, kind: dict) -> None:
    for number in range(2):
        path = write_cloud(tmp_path / f"{number}.ply", *made_cloud(number), **kind)
    path.write_bytes(spoil(path.read_bytes()))
    (recording,) = find_recordings(tmp_path)
    assert isinstance(recording[0], Frame)
    assert isinstance(recording[1], Unreadable)


def test_only_spoiled_clouds_are_one_line(tmp_path: Path) -> None:
    write(tmp_path / "p1" / "0001.pcd", bytes(1000))
    write(tmp_path / "p2" / "0001.ply", bytes(1000))
    assert "is no PCD file" in refusal_of(tmp_path / "p1")
    assert "is no PLY file" in refusal_of(tmp_path / "p2")
