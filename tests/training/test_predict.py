from __future__ import annotations

import numpy as np
import pytest

from labelkit.training.predict import ask_network


class Small:
    """A network that takes no more than three samples at once."""

    def predict_on_batch(self, pictures):
        if len(pictures["rgb32"]) > 3:
            raise MemoryError
        return pictures["rgb32"][:, 0]


def test_a_batch_that_does_not_fit_into_memory_is_predicted_in_parts():
    numbers = np.arange(40).reshape(10, 4)
    assert np.concatenate(ask_network(Small(), {"rgb32": numbers})).tolist() == numbers[:, 0].tolist()


def test_another_error_of_a_network_is_not_hidden():
    with pytest.raises(KeyError):
        ask_network(Small(), {"rgb64": np.zeros((2, 4))})
