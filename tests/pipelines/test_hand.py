"""The pipeline that makes the network which ships with labelkit, in small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from labelkit.deploy.network_card import card_path, read_card

RUN = Path(__file__).resolve().parents[2] / "pipelines" / "hand" / "run.py"


@pytest.mark.slow
@pytest.mark.sweep
def test_it_makes_a_network_and_a_card_that_says_what_to_expect(tmp_path):
    flags = ["--people", "5", "--frames", "12", "--epochs", "1", "--folder", str(tmp_path / "hand")]
    subprocess.run([sys.executable, str(RUN), *flags], check=True)
    network = tmp_path / "hand" / "hand.tflite"
    notes = read_card(network).notes
    assert notes["expect"].startswith("It has seen simulated hands alone.")
    assert "--participants 5 --frames 12" in notes["trained_on"]
    assert json.loads(card_path(network).read_text())["origin"]["model"] == "small"
