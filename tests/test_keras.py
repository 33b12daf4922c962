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


def run_with_keras_json(home, text, code, **variables):
    (home / ".keras").mkdir()
    (home / ".keras/keras.json").write_text(text)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("KERAS_")} | variables
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**environment, "HOME": str(home)}
    )


def test_settings_of_another_keras_are_ignored(tmp_path):
    stated = '{"floatx": "float16", "epsilon": 0.5, "backend": "tensorflow", "image_data_format": "channels_first"}'
    code = "from labelkit.keras import keras; c = keras.config; print(c.floatx(), c.epsilon(), c.image_data_format())"
    assert run_with_keras_json(tmp_path, stated, code).stdout.split() == ["float32", "1e-07", "channels_last"]


@pytest.mark.parametrize(
    ("stated", "variables"),
    [('{"backend": "theano"}', {}), ('{"floatx": "half"}', {}), ("[]", {}), ("{}", {"KERAS_BACKEND": "theano"})],
)
def test_a_backend_or_a_settings_file_of_another_keras_is_named_in_one_line(tmp_path, stated, variables):
    done = run_with_keras_json(tmp_path, stated, "import labelkit.keras", **variables)
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("labelkit.errors.MissingExtraError")
    assert "KERAS_BACKEND" in line
    assert "~/.keras/keras.json" in line


def test_keras_loads_without_a_stderr(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -c 'import labelkit.keras; print(1)' 2>&-", shell=True, capture_output=True
    )
    assert done.stdout == b"1\n"


def test_a_user_can_hear_tensorflow():
    assert "oneDNN" in stderr_of("import labelkit.models", TF_CPP_MIN_LOG_LEVEL="0", TF_ENABLE_ONEDNN_OPTS="1")
