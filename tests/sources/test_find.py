from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from labelkit.errors import SensorError, SettingsError
from labelkit.sources import find
from labelkit.sources.find import GROUP, find_source
from labelkit.sources.kinect_v1 import open_kinect_v1
from labelkit.sources.realsense import open_realsense
from labelkit.sources.simulated import open_simulated


def test_labelkits_own_sources_are_declared_as_those_of_other_packages_are():
    assert find_source("simulated") is open_simulated
    assert find_source("realsense") is open_realsense
    assert find_source("kinect-v1") is open_kinect_v1


def test_an_unknown_source_is_told_its_nearest():
    with pytest.raises(SettingsError, match=r"no source 'realsens'; did you mean 'realsense'"):
        find_source("realsens")
    with pytest.raises(SettingsError, match=r"known are: .*realsense.*simulated"):
        find_source("xyz")


def test_a_broken_package_is_named_and_breaks_no_other_source(monkeypatch):
    broken = EntryPoint("broken", "no_such_module:open", GROUP)
    fine = EntryPoint("fine", "labelkit.sources.simulated:open_simulated", GROUP)
    monkeypatch.setattr(find, "entry_points", lambda group: [broken, fine])
    assert find_source("fine") is open_simulated
    with pytest.raises(SensorError, match=r"'broken' \(no_such_module:open\) cannot be loaded: No module"):
        find_source("broken")
