"""The golden recording gives the labels that are written down for people to read.

Where a change of the labels is meant: python -m tests.golden.make, and look at the difference.
"""

from __future__ import annotations

import json

import pytest

from tests.golden.make import LABELS, labels

# Another processor or library may round otherwise; a change of the method moves more than this.
_NEAR = {"abs": 0.1, "rel": 5e-3}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return labels(tmp_path_factory.mktemp("golden") / "dataset")


def test_every_frame_of_the_golden_recording_becomes_what_is_written(made):
    written = json.loads(LABELS.read_text())
    assert [line["frame"] for line in made] == [line["frame"] for line in written]
    for now, then in zip(made, written, strict=True):
        assert now.keys() == then.keys(), now["frame"]
        for key, value in then.items():
            near = pytest.approx(value, **_NEAR) if isinstance(value, int | float | list) else value
            assert now[key] == near, f"{key} of {now['frame']}"


def test_the_golden_recording_holds_a_mirrored_hand_an_upright_one_and_three_kinds_of_rejection(made):
    assert {line["mirrored"] for line in made if line["status"] == "sample"} == {True, False}
    assert {line["reason"] for line in made if "reason" in line} == {"no-hand", "missing-pair", "decode"}
