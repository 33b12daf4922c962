from __future__ import annotations

import pytest

import labelkit
from labelkit.errors import OutputExistsError


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="is not empty and is not a demo"):
        labelkit.demo(tmp_path, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
