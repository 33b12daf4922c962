from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from labelkit.cli.program import run
try:
    run(sys.argv[1:])
finally:
    print(*sorted({"keras", "tensorflow", "torch", "jax"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "nowhere", "--model", "smal"], "no model 'smal'; did you mean 'small'?"),
        (["train", "nowhere"], "nowhere: no such dataset folder"),
        (["train"], "dataset: no such dataset folder"),
        (["train", "--resume", "nowhere"], "nowhere: not a run"),
        (["evaluate", "nowhere"], "nowhere: not a run"),
        (["tune", "--config", "search.toml"], "no model 'vanila'; did you mean 'vanilla'?"),
        (["tune", "nowhere"], "nowhere: no such dataset folder"),
    ],
)
def test_what_is_not_there_is_refused_before_tensorflow_is_loaded(arguments, words, tmp_path):
    (tmp_path / "search.toml").write_text('[[structures]]\nname = "a"\nmodel = "vanila"\n')
    done = subprocess.run([sys.executable, "-c", SCRIPT, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "\n")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
