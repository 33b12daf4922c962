"""The source of docs/add-a-source.md is run as it stands there."""

from __future__ import annotations

import re
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from labelkit.errors import SensorError
from labelkit.recordings import find_recordings
from labelkit.records import Frame
from labelkit.settings import RecordSettings
from labelkit.sources import find
from labelkit.workflows.record import record

PAGE = Path(__file__).parents[2] / "docs" / "add-a-source.md"
SETTINGS = RecordSettings(source="stacks", participant="p01", fps=100.0)


@pytest.fixture(autouse=True)
def stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (name, place) = re.search(r'labelkit\.sources"\]\n(\w+) = "(.*?)"', text).groups()
    module = ModuleType("stacks")
    exec(compile(code, PAGE.name, "exec"), module.__dict__)
    monkeypatch.setitem(__import__("sys").modules, place.partition(":")[0], module)
    monkeypatch.setattr(find, "entry_points", lambda group: [EntryPoint(name, place, group)])


def test_the_source_on_the_page_is_recorded(tmp_path, monkeypatch):
    depth = np.full((3, 24, 32), 800, np.uint16) + np.arange(3, dtype=np.uint16)[:, None, None]
    depth[:, 0] = 0
    np.save(tmp_path / "depth.npy", depth)
    color = np.full((3, 24, 32, 3), (1, 2, 3), np.uint8)
    color[:, -1, -1, 0] = range(3)  # the same picture again would be a duplicate
    np.save(tmp_path / "color.npy", color)
    monkeypatch.setenv("STACKS", str(tmp_path))
    assert record(tmp_path / "raw", SETTINGS).frames == 3
    (recording,) = find_recordings(tmp_path / "raw")
    assert (recording.sensor, len(recording)) == ("kinect-v1", 3)
    frame = recording[2]
    assert isinstance(frame, Frame)
    assert np.allclose(frame.depth_m[1:], 0.802)
    assert np.isnan(frame.depth_m[0]).all()
    assert frame.read_color()[0, 0].tolist() == [1, 2, 3]


def test_the_source_on_the_page_says_what_it_missed(tmp_path, monkeypatch):
    monkeypatch.setenv("STACKS", str(tmp_path))
    with pytest.raises(SensorError, match=r"No such file.*set STACKS to the folder of depth\.npy"):
        record(tmp_path / "raw", SETTINGS)
    assert not (tmp_path / "raw").exists()
