from __future__ import annotations

import pytest

import labelkit
from labelkit.errors import OutputExistsError


@pytest.mark.sweep
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_demo_ends_with_a_network_that_knows_strangers_by_sixty_percent_of_the_constant_error(tmp_path, seed):
    shown = labelkit.demo(tmp_path / "demo", seed=seed, quiet=True)
    assert len(shown.trained.test_participants) >= 10
    assert shown.trained.cmae_ratio is not None
    assert shown.trained.cmae_ratio <= 0.6
    assert shown.filled_share > 0.8
    assert shown.label_error_median_deg < 0.5


def test_a_folder_of_something_else_is_left_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="is not empty and is not a demo"):
        labelkit.demo(tmp_path, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
