import pytest

from labelkit.simulator.hand import build_arm
from labelkit.simulator.people import draw_moments, draw_participant
from labelkit.simulator.recorder import FilmSet
from labelkit.simulator.skeleton import HandShape


@pytest.fixture(scope="session")
def right_arm():
    return build_arm(HandShape(sleeve_mm=120.0))


@pytest.fixture(scope="session")
def left_arm():
    return build_arm(HandShape(sleeve_mm=120.0, left=True))


@pytest.fixture(scope="session")
def film_sets():
    """A wall, a cluttered room and nothing at all, each with its participant's moments."""
    kinds = [draw_participant(7, index).backdrop for index in range(40)]
    sets = {}
    for kind in ("wall", "clutter", "none"):
        index = kinds.index(kind)
        film_set = FilmSet(7, index)
        sets[kind] = (film_set, draw_moments(7, index, 40, 45.0, film_set.participant))
    return sets
