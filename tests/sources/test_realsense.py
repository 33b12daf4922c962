"""The RealSense source with librealsense's own software device in the place of a camera."""

from __future__ import annotations

import sys
import threading
import time
from itertools import islice

import numpy as np
import pytest

from labelkit.errors import MissingExtraError, SensorError, SettingsError
from labelkit.geometry.camera import project
from labelkit.recordings import find_recordings
from labelkit.records import Frame
from labelkit.settings import RecordSettings
from labelkit.sources import realsense
from labelkit.sources.realsense import open_realsense
from labelkit.sources.source import Wanted
from labelkit.workflows.record import record_from

if sys.platform == "darwin":
    pytest.skip("Intel has no pyrealsense2 for macOS", allow_module_level=True)

import pyrealsense2 as rs

WIDTH, HEIGHT = 640, 480
DEPTH_F, COLOR_F, BASELINE_M = 600.0, 620.0, 0.05
WANTED = Wanted(30.0, "p01", "right")


class SoftwareCamera:
    """A camera that sees a wall at 0.8 m; left of the depth picture's middle, nothing."""

    def __init__(self, fps=30, coeffs=(0.0,) * 5, sizes=((848, 480), (WIDTH, HEIGHT))):
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.name, "Software D435")
        self.device.register_info(rs.camera_info.serial_number, "0123")
        self._depth, self._color = self.device.add_sensor("Stereo Module"), self.device.add_sensor("RGB Camera")
        for uid, size in enumerate(sizes):  # the last of which it films in
            depth = _stream(rs.stream.depth, 2 * uid, rs.format.z16, 2, DEPTH_F, fps, (0.0,) * 5, size)
            color = _stream(rs.stream.color, 2 * uid + 1, rs.format.rgb8, 3, COLOR_F, fps, coeffs, size)
            self._profiles = self._depth.add_video_stream(depth), self._color.add_video_stream(color)
        self._depth.add_read_only_option(rs.option.depth_units, 0.001)
        color_from_depth = rs.extrinsics()
        color_from_depth.rotation, color_from_depth.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [BASELINE_M, 0, 0]
        self._profiles[0].register_extrinsics_to(self._profiles[1], color_from_depth)
        self.device.create_matcher(rs.matchers.default)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._film)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.unplug()

    def unplug(self):
        self._stop.set()
        self._thread.join()

    def _film(self):
        wall = np.zeros((HEIGHT, WIDTH), np.uint16)
        wall[:, WIDTH // 2 :] = 800
        number = 0
        while not self._stop.wait(0.01):
            if not (self._depth.get_active_streams() and self._color.get_active_streams()):
                continue
            number += 1
            # red counts the frames, as seconds since some day do
            color = np.full((HEIGHT, WIDTH, 3), (number % 256, 20, 30), np.uint8)
            self._send(self._depth, self._profiles[0], wall, 2, number)
            self._send(self._color, self._profiles[1], color, 3, number)

    def _send(self, sensor, profile, pixels, size, number):
        frame = rs.software_video_frame()
        frame.pixels, frame.stride, frame.bpp = pixels, WIDTH * size, size
        frame.timestamp, frame.frame_number = 1.7e12 + number * 33.0, number
        frame.domain, frame.profile = rs.timestamp_domain.system_time, profile.as_video_stream_profile()
        if size == 2:
            frame.depth_units = 0.001
        sensor.on_video_frame(frame)


def _stream(kind, uid, pixel, bytes_a_pixel, focal, fps, coeffs, size=(WIDTH, HEIGHT)):
    lens = rs.intrinsics()
    lens.width, lens.height = size
    lens.fx, lens.fy, lens.ppx, lens.ppy = focal, focal, 319.5, 239.5
    lens.model, lens.coeffs = rs.distortion.inverse_brown_conrady, list(coeffs)
    stream = rs.video_stream()
    stream.type, stream.index, stream.uid, stream.fmt, stream.bpp = kind, 0, uid, pixel, bytes_a_pixel
    stream.width, stream.height, stream.fps, stream.intrinsics = *size, fps, lens
    return stream


def test_depth_lies_on_the_colour_pictures_pixels_in_metres():
    with SoftwareCamera() as made, open_realsense(WANTED, device=made.device) as camera:
        found = list(islice(camera.shots, 3))
    assert (camera.name, camera.sensor, camera.depth_unit_m) == ("Software D435, serial 0123", "realsense", 0.001)
    lens = camera.intrinsics
    assert (lens.fx, lens.cx, lens.cy, lens.width, lens.height) == (COLOR_F, 319.5, 239.5, WIDTH, HEIGHT)
    assert lens.distortion == ()
    # the wall's left end, at x = 0 of the depth camera, is 5 cm to the right of the colour camera
    edge = 319.5 + COLOR_F * BASELINE_M / 0.8
    for shot in found:
        row = shot.depth_m[HEIGHT // 2]
        assert np.isnan(row[: int(edge) - 1]).all()
        assert np.allclose(row[int(edge) + 2 : 600], 0.8)
        assert shot.color.flags.owndata  # the camera reuses its memory


def test_depth_and_colour_of_a_shot_were_taken_together_and_no_shot_comes_twice():
    with SoftwareCamera() as made, open_realsense(WANTED, device=made.device) as camera:
        found = list(islice(camera.shots, 6))
    numbers = [round((shot.stamp_s - 1.7e9) / 0.033) for shot in found]
    assert [int(shot.color[0, 0, 0]) for shot in found] == [number % 256 for number in numbers]
    assert all(shot.color[5, 5, 1:].tolist() == [20, 30] for shot in found)
    assert len(set(numbers)) == 6


def test_a_depth_picture_that_the_camera_gives_twice_is_one_shot(monkeypatch):
    once, waiting = rs.syncer.wait_for_frames, []

    def twice(syncer, patience_ms):
        if not waiting:
            waiting.extend([once(syncer, patience_ms)] * 2)
        return waiting.pop()

    monkeypatch.setattr(rs.syncer, "wait_for_frames", twice)
    with SoftwareCamera() as made, open_realsense(WANTED, device=made.device) as camera:
        assert len({shot.stamp_s for shot in islice(camera.shots, 6)}) == 6


def test_what_is_recorded_is_what_the_build_will_read(tmp_path):
    settings = RecordSettings(participant="p01", session="s1", handedness="left", fps=30.0)
    with SoftwareCamera() as made:
        frames = 0

        def enough():
            nonlocal frames
            frames += 1
            return frames == 4

        def opened(wanted):
            return open_realsense(wanted, device=made.device)

        result = record_from(opened, tmp_path, settings, until=enough, quiet=True)
    assert (result.frames, result.camera) == (4, "Software D435, serial 0123")
    (recording,) = find_recordings(tmp_path)
    assert (recording.participant, recording.handedness, recording.sensor) == ("p01", "left", "realsense")
    assert (recording.depth_unit_m, recording.calibration.depth.fx, len(recording)) == (0.001, COLOR_F, 4)
    frame = recording[0]  # the software camera shows the same picture again, which is a duplicate
    assert isinstance(frame, Frame)
    assert np.allclose(frame.depth_m[100, 400:600], 0.8)
    assert frame.read_color()[7, 7, 1:].tolist() == [20, 30]


def test_a_lens_that_librealsense_states_backwards_is_stated_as_opencv_does():
    coeffs = [-0.055, 0.066, -0.0009, 0.0004, -0.021]
    with SoftwareCamera(coeffs=coeffs) as made, open_realsense(WANTED, device=made.device) as camera:
        lens = camera.intrinsics
    stated = _stream(rs.stream.color, 1, rs.format.rgb8, 3, COLOR_F, 30, coeffs).intrinsics
    pixels = np.array([[0.0, 0.0], [639.0, 479.0], [320.0, 100.0], [30.0, 400.0]])
    rays = np.array([rs.rs2_deproject_pixel_to_point(stated, pixel, 1.0) for pixel in pixels.tolist()])
    assert np.abs(rays[:, :2] * COLOR_F + (319.5, 239.5) - pixels).max() > 4  # there is something to be got wrong
    assert np.abs(project(rays, lens) - pixels).max() < 0.05


def test_a_rate_that_the_camera_lacks_is_told_those_it_has():
    with (
        pytest.raises(SettingsError, match=r"Software D435.*at 15 frames a second; fps may be 30"),
        open_realsense(Wanted(15.0, "p01", "right"), device=SoftwareCamera().device),
    ):
        pass


def test_a_camera_that_lacks_the_size_says_so():
    with (
        pytest.raises(SettingsError, match=r"no 640 x 480 depth and colour.*it has no depth and colour of this size"),
        open_realsense(WANTED, device=SoftwareCamera(sizes=[(848, 480)]).device),
    ):
        pass


def test_a_camera_that_another_program_uses_is_named_and_goes_on_there():
    with SoftwareCamera() as made, open_realsense(WANTED, device=made.device) as camera:
        with (
            pytest.raises(SensorError, match=r"Software D435.*is another program using it"),
            open_realsense(WANTED, device=made.device),
        ):
            pass
        next(camera.shots)


def test_of_two_cameras_none_is_taken_by_chance(monkeypatch):
    connected = [SoftwareCamera().device, SoftwareCamera().device]
    monkeypatch.setattr(rs.context, "query_devices", lambda context: connected)
    with pytest.raises(SensorError, match=r"2 RealSense cameras are connected \(0123, 0123\)"), open_realsense(WANTED):
        pass


def test_a_camera_that_stops_is_named(monkeypatch):
    monkeypatch.setattr(realsense, "_PATIENCE_MS", 300)
    with SoftwareCamera() as made, open_realsense(WANTED, device=made.device) as camera:
        next(camera.shots)
        made.unplug()
        with pytest.raises(SensorError, match=r"Software D435"):
            list(camera.shots)


def test_a_camera_can_be_opened_again_after_it_was_closed():
    with SoftwareCamera() as made:
        for _ in range(2):
            with open_realsense(WANTED, device=made.device) as camera:
                assert next(camera.shots).color[5, 5, 1:].tolist() == [20, 30]
            time.sleep(0.05)


def test_without_a_camera_one_is_asked_for():
    with pytest.raises(SensorError, match="no RealSense camera is connected"), open_realsense(WANTED):
        pass


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyrealsense2", None)
    with pytest.raises(MissingExtraError, match=r"labelkit-rgbd\[realsense\]"), open_realsense(WANTED):
        pass
