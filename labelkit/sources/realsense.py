"""Intel RealSense cameras, through pyrealsense2 (extra `realsense`): depth aligned to the colour picture.

Streams are opened sensor by sensor and joined by librealsense's syncer. Its pipeline works with real devices
only; this way the tests, which use librealsense's software device, run the same code as a camera.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from labelkit.errors import MissingExtraError, SensorError, SettingsError
from labelkit.geometry.camera import fit_distortion
from labelkit.records import FloatArray, Intrinsics
from labelkit.sources.source import Camera, Shot, Wanted

# All depth and colour cameras of the D400 and L500 series have this size.
_WIDTH, _HEIGHT = 640, 480
_PATIENCE_MS = 5000  # a camera that sends nothing for so long has stopped


@contextmanager
def open_realsense(wanted: Wanted, *, device: Any = None) -> Iterator[Camera]:
    """Start a RealSense camera.

    Args:
        wanted: its frame rate must be one of the camera's (most have 6, 15, 30 and 60).
        device: a device of librealsense; None: the only one that is connected.
    Raises:
        MissingExtraError: pyrealsense2 is not installed.
        SensorError: no camera, more than one, or one that is in use.
        SettingsError: the camera does not have this frame rate.
    """
    rs = _librealsense()
    device = device or _only_device(rs)
    name = f"{device.get_info(rs.camera_info.name)}, serial {device.get_info(rs.camera_info.serial_number)}"
    streams, syncer = _streams(rs, device, name, wanted.fps), rs.syncer()
    with ExitStack() as running:
        try:
            for sensor, profiles in streams:
                sensor.open(profiles)
                running.callback(sensor.close)
                sensor.start(syncer)
                running.callback(sensor.stop)
        except RuntimeError as error:
            raise SensorError(f"{name}: cannot be started ({error}); is another program using it?") from error
        color = next(p for _, profiles in streams for p in profiles if p.stream_type() == rs.stream.color)
        yield Camera(
            name=name,
            sensor="realsense",
            intrinsics=_intrinsics(rs, color.as_video_stream_profile().get_intrinsics()),
            depth_unit_m=round(float(device.first_depth_sensor().get_depth_scale()), 9),
            shots=_shots(rs, syncer, name),
        )


def _librealsense() -> Any:
    try:
        import pyrealsense2  # an extra that may be missing
    except ImportError as error:
        raise MissingExtraError(
            f"recording from a RealSense needs pyrealsense2 ({error}); install it with: "
            "python -m pip install 'labelkit-rgbd[realsense]'"
        ) from error
    return pyrealsense2


def _only_device(rs: Any) -> Any:
    devices = list(rs.context().query_devices())
    if not devices:
        raise SensorError(
            "no RealSense camera is connected; plug one in (a USB 3 port), or see what realsense-viewer says"
        )
    if len(devices) > 1:
        serials = ", ".join(device.get_info(rs.camera_info.serial_number) for device in devices)
        raise SensorError(f"{len(devices)} RealSense cameras are connected ({serials}); leave one plugged in")
    return devices[0]


def _streams(rs: Any, device: Any, name: str, fps: float) -> list[tuple[Any, list[Any]]]:
    """Choose the depth and the colour stream: each sensor with its matching profiles.

    Raises:
        SettingsError: the camera lacks one at this rate; the message lists its rates.
    """
    kinds = {rs.stream.depth: rs.format.z16, rs.stream.color: rs.format.rgb8}
    chosen, rates = [], dict.fromkeys(kinds, frozenset[int]())
    for sensor in device.query_sensors():
        fitting = [
            profile
            for profile in sensor.get_stream_profiles()
            if profile.is_video_stream_profile()
            and kinds.get(profile.stream_type()) == profile.format()
            and _size(profile) == (_WIDTH, _HEIGHT)
        ]
        for profile in fitting:
            rates[profile.stream_type()] |= {profile.fps()}
        if wanted := [profile for profile in fitting if profile.fps() == fps]:
            chosen.append((sensor, wanted))
    if sum(len(wanted) for _, wanted in chosen) != len(kinds):
        both = sorted(frozenset.intersection(*rates.values()))
        has = f"fps may be {', '.join(map(str, both))}" if both else "it has no depth and colour of this size"
        raise SettingsError(f"{name}: no {_WIDTH} x {_HEIGHT} depth and colour at {fps:g} frames a second; {has}")
    return chosen


def _size(profile: Any) -> tuple[int, int]:
    video = profile.as_video_stream_profile()
    return video.width(), video.height()


def _intrinsics(rs: Any, lens: Any) -> Intrinsics:
    """Convert librealsense's intrinsics to OpenCV's.

    Without distortion both are the same. Distortion is fitted, as librealsense also has models that map pixels to
    rays, the inverse of OpenCV's.
    """
    plain = Intrinsics(lens.fx, lens.fy, lens.ppx, lens.ppy, lens.width, lens.height)
    if not any(lens.coeffs):
        return plain
    pixels = np.stack(np.meshgrid(np.arange(0, lens.width, 16.0), np.arange(0, lens.height, 16.0)), axis=-1)
    pixels = pixels.reshape(-1, 2)
    rays = np.array([rs.rs2_deproject_pixel_to_point(lens, pixel, 1.0) for pixel in pixels.tolist()])
    return fit_distortion(pixels, rays, plain)


def _shots(rs: Any, syncer: Any, name: str) -> Iterator[Shot]:
    align = rs.align(rs.stream.color)
    last = -1
    while True:
        try:
            frames = syncer.wait_for_frames(_PATIENCE_MS)
        except RuntimeError as error:
            raise SensorError(f"{name}: no frame for {_PATIENCE_MS // 1000} s ({error}); is it plugged in?") from error
        if not (frames.get_depth_frame() and frames.get_color_frame()):
            continue  # the syncer also gives single pictures
        aligned = align.process(frames)
        depth, color = aligned.get_depth_frame(), aligned.get_color_frame()
        if depth.get_frame_number() == last:
            continue
        last = depth.get_frame_number()
        # copies, since librealsense will reuse the memory
        yield Shot(
            depth.get_timestamp() / 1000.0, np.array(color.get_data()), _metres(np.asarray(depth.get_data()), depth)
        )


def _metres(stored: Any, depth: Any) -> FloatArray:
    return np.where(stored > 0, stored * np.float32(depth.get_units()), np.float32(np.nan))
