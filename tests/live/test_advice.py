from __future__ import annotations

import pytest

from labelkit.live.advice import ADVICE
from labelkit.records import Reason


@pytest.mark.parametrize("reason", Reason)
def test_every_rejection_says_what_to_do_in_a_sentence_that_can_be_read_from_afar(reason):
    advice = ADVICE[reason]
    assert advice[0].isupper()
    assert advice.endswith((".", "?"))
    assert len(advice) <= 100


def test_no_two_rejections_are_given_the_same_advice():
    assert len(set(ADVICE.values())) == len(Reason)
