from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import RecordingError
from labelkit.recordings.pairing import name_key, pair_by_name, pair_by_stamp, starts_of_runs

stamps = st.lists(st.integers(0, 200).map(lambda ms: ms / 1000), max_size=30)
distinct = st.lists(st.integers(0, 200).map(lambda ms: ms / 1000), max_size=30, unique=True)


@given(depth=stamps, color=stamps, gap=st.sampled_from([0.0, 0.003, 0.02, 5.0]))
def test_every_picture_ends_in_exactly_one_pair_and_no_pair_is_wider_than_the_gap(
    depth: list[float], color: list[float], gap: float
) -> None:
    pairs = pair_by_stamp(depth, color, gap)
    assert sorted(d for d, _ in pairs if d is not None) == list(range(len(depth)))
    assert sorted(c for _, c in pairs if c is not None) == list(range(len(color)))
    assert all(abs(depth[d] - color[c]) <= gap for d, c in pairs if d is not None and c is not None)
    assert all(pair != (None, None) for pair in pairs)


@given(depth=distinct, color=distinct, gap=st.sampled_from([0.0, 0.003, 0.02, 5.0]))
def test_no_two_pictures_within_the_gap_stay_alone(depth: list[float], color: list[float], gap: float) -> None:
    pairs = pair_by_stamp(depth, color, gap)
    alone_depth = [depth[d] for d, c in pairs if c is None and d is not None]
    alone_color = [color[c] for d, c in pairs if d is None and c is not None]
    assert all(abs(a - b) > gap for a, b in itertools.product(alone_depth, alone_color))


@given(depth=stamps, color=stamps)
def test_the_gaps_are_those_of_the_greedy_choice_over_all_pairs(depth: list[float], color: list[float]) -> None:
    def greedy() -> list[float]:
        free_d, free_c, gaps = set(range(len(depth))), set(range(len(color))), []
        every = ((abs(depth[d] - color[c]), d, c) for d in free_d for c in free_c)
        for gap, d, c in sorted(every):
            if d in free_d and c in free_c:
                gaps.append(gap)
                free_d.remove(d)
                free_c.remove(c)
        return gaps

    # Ties may fall either way; without them the two agree gap by gap.
    if len({abs(d - c) for d in depth for c in color}) == len(depth) * len(color):
        ours = sorted(abs(depth[d] - color[c]) for d, c in pair_by_stamp(depth, color, 9.0) if None not in (d, c))
        assert ours == pytest.approx(sorted(greedy()))


def test_a_picture_goes_to_its_nearest_even_if_another_comes_first() -> None:
    assert set(pair_by_stamp([0.00, 0.018], [0.02], 0.02)) == {(0, None), (1, 0)}


@given(depth=stamps, color=stamps, gap=st.sampled_from([0.0, 0.003, 0.02, 5.0]))
def test_pictures_that_share_their_stamp_never_pair(depth: list[float], color: list[float], gap: float) -> None:
    pairs = [(d, c) for d, c in pair_by_stamp(depth, color, gap) if d is not None and c is not None]
    assert all(depth.count(depth[d]) == 1 and color.count(color[c]) == 1 for d, c in pairs)


def test_a_picture_nearest_to_one_of_two_with_one_stamp_goes_to_no_other() -> None:
    assert set(pair_by_stamp([0.99, 1.0, 1.0], [1.0], 0.02)) == {(0, None), (1, None), (2, None), (None, 0)}


@pytest.mark.parametrize(
    ("stamps", "starts"),
    [
        ([], []),
        ([1.0], [0]),
        ([1.0, 2.0, 3.0], [0]),
        ([2.0, 1.0, 4.0, 3.0, 6.0, 5.0], [0]),  # neighbours swapped
        ([3.0, 1.0, 2.0, 4.0], [0]),  # one that came two places too early
        ([1.0, 2.0, 4.0, 5.0, 3.0, 6.0], [0]),  # one that came two places too late
        ([1.0, 2.0, 3.0, 2.5], [0]),
        ([7.0, 8.0, 9.0, 0.0, 1.0, 2.0], [0, 3]),  # wrapped
        ([1.0, 1.1, 1.2, 1.01, 1.11, 1.21, 1.02, 1.12, 1.22], [0, 3, 6]),  # restarted twice
        ([1.0, 2.0, 3.0, 4.0, 5.0, 1.0], [0, 5]),  # restarted just before the end
        ([1.0, 1.0, 1.0, 2.0], [0]),
    ],
)
def test_a_clock_that_starts_again_is_told_apart_from_stamps_out_of_place(
    stamps: list[float], starts: list[int]
) -> None:
    assert starts_of_runs(stamps) == starts


def test_a_hundred_thousand_pictures_of_nearly_one_stamp_pair_at_once() -> None:
    # All within the gap of all: trying each with each would take minutes.
    near = [1.0 + index * 1e-9 for index in range(50_000)]
    assert len(pair_by_stamp(near, near, 1.0)) == 50_000


@pytest.mark.parametrize(
    ("stem", "key"),
    [
        ("depth_00012", ("depth_#", (12,))),
        ("12", ("#", (12,))),
        ("color_0_0002", ("color_#_#", (0, 2))),
        ("hand", ("hand", ())),
    ],
)
def test_a_name_is_its_text_and_its_numbers(stem: str, key: tuple[str, tuple[int, ...]]) -> None:
    assert name_key(stem) == key


def by_stem(*stems: str) -> dict[str, str]:
    return {f"{stem}.png": stem for stem in stems}


@pytest.mark.parametrize(
    ("depth", "color", "expected"),
    [
        (["0001", "0002"], ["0001", "0002"], [("0001", "0001"), ("0002", "0002")]),
        (
            ["depth_00010", "depth_00009"],
            ["color_9", "color_10"],
            [("depth_00009", "color_9"), ("depth_00010", "color_10")],
        ),
        (["d1", "d3"], ["c1", "c2"], [("d1", "c1"), (None, "c2"), ("d3", None)]),
        (["anna_1", "ben_1"], ["ben_1", "anna_1"], [("anna_1", "anna_1"), ("ben_1", "ben_1")]),
        (["anna_1", "ben_1"], ["anna_1"], [("anna_1", "anna_1"), ("ben_1", None)]),
        (["cat_depth_1"], [], [("cat_depth_1", None)]),
        (["1"], ["2"], [("1", None), (None, "2")]),
    ],
)
def test_names_pair_by_stem_or_number(
    depth: list[str], color: list[str], expected: list[tuple[str | None, str | None]]
) -> None:
    files = [tuple(stem and f"{stem}.png" for stem in pair) for pair in expected]
    assert pair_by_name(by_stem(*depth), by_stem(*color)) == files


def test_two_names_of_one_number_are_refused_by_name() -> None:
    with pytest.raises(RecordingError, match=r"1\.png and 01\.png"):
        pair_by_name({"1.png": "1", "01.png": "01"}, by_stem("1"))


def test_names_of_several_kinds_without_a_common_one_are_refused() -> None:
    with pytest.raises(RecordingError, match=r"several kinds.*color_#, thumb.*under \[files\]"):
        pair_by_name(by_stem("depth_1"), by_stem("color_1", "thumb"))


numbers = st.sets(st.integers(0, 40))


@given(depth=numbers, color=numbers, width=st.integers(1, 5))
def test_numbers_pair_with_any_leading_zeros_and_none_is_lost(depth: set[int], color: set[int], width: int) -> None:
    pairs = pair_by_name(by_stem(*(f"d{n:0{width}d}" for n in depth)), by_stem(*(f"c{n}" for n in color)))
    assert sorted(d for d, _ in pairs if d) == sorted(f"d{n:0{width}d}.png" for n in depth)
    assert sorted(c for _, c in pairs if c) == sorted(f"c{n}.png" for n in color)
    assert sum(bool(d and c) for d, c in pairs) == len(depth & color)
    assert all(int(d[1:-4]) == int(c[1:-4]) for d, c in pairs if d and c)
