"""Keras is loaded quietly, whatever of labelkit is imported first."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def stderr_of(statement: str, **variables: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"} | variables
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, env=environment)
    return done.stderr


@pytest.mark.parametrize("module", ["labelkit.models", "labelkit.dataset.feed"])
def test_the_import_of_keras_is_quiet_in_any_order(module):
    assert stderr_of(f"import {module}") == ""


def test_a_user_can_hear_tensorflow():
    assert "oneDNN" in stderr_of("import labelkit.models", TF_CPP_MIN_LOG_LEVEL="0", TF_ENABLE_ONEDNN_OPTS="1")
