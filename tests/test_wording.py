from __future__ import annotations

import pytest

from labelkit.wording import samples_of


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([60, 57], "117 samples of 2 participants"),
        ([60, 0, 57], "117 samples of 2 participants (1 more has none)"),
        ([1, 0, 0], "1 sample of 1 participant (2 more have none)"),
        ([0, 0], "0 samples of 2 participants"),
        ([], "0 samples of 0 participants"),
    ],
)
def test_participants_without_samples_are_counted_apart(samples, words):
    assert samples_of(samples) == words
