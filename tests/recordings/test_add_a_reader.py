"""The reader of docs/add-a-reader.md is run as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import discover, find_recordings
from labelkit.records import Frame
from tests.recordings.made import SIDECAR, write_sidecar

PAGE = Path(__file__).parents[2] / "docs" / "add-a-reader.md"


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("stacks")
    monkeypatch.setitem(__import__("sys").modules, "stacks", module)
    exec(compile(code, PAGE.name, "exec"), module.__dict__)
    monkeypatch.setattr(discover, "READERS", {**discover.READERS, "stacks": module.open_stacks})
    discover._readers.cache_clear()
    yield
    discover._readers.cache_clear()


@pytest.mark.usefixtures("stacks")
def test_the_reader_on_the_page_reads_its_format(tmp_path: Path) -> None:
    folder = tmp_path / "p1"
    write_sidecar(folder, SIDECAR.replace("registered = true\n", ""))
    np.save(folder / "distance.npy", np.full((3, 24, 32), 800, np.uint16))
    np.save(folder / "picture.npy", np.full((3, 24, 32, 3), (1, 2, 3), np.uint8))
    (recording,) = find_recordings(tmp_path)
    assert (recording.layout, recording.stated["registered"], len(recording)) == ("stacks", "stacks layout", 3)
    assert recording.frame_name(2).key == "p1/distance.npy#2"
    frame = recording[2]
    assert isinstance(frame, Frame)
    assert np.allclose(frame.depth_m, 0.8)
    assert frame.read_color()[0, 0].tolist() == [1, 2, 3]


@pytest.mark.usefixtures("stacks")
def test_the_reader_on_the_page_says_what_it_missed(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(RecordingError, match=r"stacks: no distance\.npy and no picture\.npy"):
        find_recordings(tmp_path)
