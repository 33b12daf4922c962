from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.curation.splits import FrameSplit, Split, split_participants
from labelkit.errors import SplitError

people = st.sets(st.text(min_size=1, max_size=6), min_size=3, max_size=30)
seeds = st.integers(0, 1000)


def sides_of(names, seed, **shares):
    split = split_participants(names, seed=seed, **{"validation": 0.15, "test": 0.15, **shares})
    where = dict.fromkeys(split.train, "train")
    where |= dict.fromkeys(split.validation, "validation")
    return where | dict.fromkeys(split.test, "test"), split


@given(people, seeds)
def test_everyone_stands_on_exactly_one_side(names, seed):
    where, split = sides_of(names, seed)
    assert set(where) == names
    assert len(split.train) + len(split.validation) + len(split.test) == len(names)


@given(people, seeds)
def test_the_order_and_number_of_a_name_s_samples_do_not_matter(names, seed):
    listed = sorted(names)
    assert sides_of(listed, seed) == sides_of([*reversed(listed), *listed], seed)


@given(people, seeds, st.text(min_size=1, max_size=6))
def test_one_who_joins_moves_at_most_one_other_across_each_border(names, seed, newcomer):
    before, after = sides_of(names, seed)[0], sides_of(names | {newcomer}, seed)[0]
    moved = [{before[name], after[name]} for name in names if before[name] != after[name]]
    assert moved.count({"train", "test"}) <= 1
    assert moved.count({"train", "validation"}) <= 1
    assert {"validation", "test"} not in moved


def test_another_seed_gives_another_split():
    names = [f"p{k:02d}" for k in range(13)]
    assert len({sides_of(names, seed)[1].test for seed in range(10)}) > 5


def test_a_seed_s_split_is_the_same_on_every_machine():
    _, split = sides_of([f"p{k:02d}" for k in range(1, 7)], 0)
    assert (split.validation, split.test) == (("p02",), ("p04",))


@pytest.mark.parametrize(("n", "validation", "test"), [(3, 1, 1), (6, 1, 1), (9, 1, 1), (12, 2, 2), (20, 3, 3)])
def test_a_side_gets_its_share_rounded_and_at_least_one(n, validation, test):
    _, split = sides_of([f"p{k}" for k in range(n)], 0)
    assert (len(split.validation), len(split.test)) == (validation, test)


@pytest.mark.parametrize("names", [["a", "b", "a"], ["a"], []])
def test_too_few_participants_says_how_many_are_needed_and_there(names):
    with pytest.raises(SplitError, match=rf"at least 3 participants.*there are {len(set(names))}"):
        sides_of(names, 0)


def test_shares_that_leave_nobody_to_train_on_are_an_error():
    with pytest.raises(SplitError, match=r"take 2 and 2 of 4 .*lower --validation or --test"):
        sides_of(["a", "b", "c", "d"], 0, validation=0.5, test=0.5)


@given(people, seeds)
def test_who_is_held_out_is_tested_on_alone_and_the_others_keep_their_order(names, seed):
    held = sorted(names)[0]
    _, split = sides_of(names, seed, hold_out=held)
    assert split.test == (held,)
    assert {*split.train, *split.validation} == names - {held}
    ranks = sorted(names - {held}, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
    assert set(split.validation) == set(ranks[len(ranks) - len(split.validation) :])


def test_holding_out_nobody_known_names_the_nearest():
    with pytest.raises(SplitError, match="no participant 'p3' to hold out; did you mean 'p03'"):
        sides_of(["p01", "p02", "p03"], 0, hold_out="p3")


def dealt(n, seed=0, validation=0.15, test=0.15):
    return FrameSplit(seed, validation, test).deal(np.array(["p"] * n))


@given(st.integers(3, 200), seeds)
def test_every_frame_stands_on_exactly_one_side_and_the_frames_say_that_they_leak(n, seed):
    masks = dealt(n, seed)
    assert (np.sum(masks, axis=0) == 1).all()
    assert all(mask.any() for mask in masks)
    assert FrameSplit(seed, 0.15, 0.15).leaks
    assert not Split(("a",), ("b",), ("c",)).leaks


def test_frames_are_dealt_by_their_shares_and_by_the_seed():
    assert [int(mask.sum()) for mask in dealt(200)] == [140, 30, 30]
    assert dealt(200).test.tolist() == dealt(200).test.tolist() != dealt(200, seed=1).test.tolist()


def test_shares_that_leave_no_frame_to_train_on_are_an_error():
    with pytest.raises(SplitError, match="take 1 and 1 of 2 frames and leave none to train on"):
        dealt(2)


def test_participants_are_dealt_whole():
    masks = Split(train=("a",), validation=("c",), test=("b",)).deal(np.array(["a", "b", "a", "c"]))
    assert [mask.tolist() for mask in masks] == [[1, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]]


def test_a_participant_on_two_sides_is_an_error():
    with pytest.raises(SplitError, match=r"'b'.* train and test"):
        Split(train=("a", "b"), validation=("c",), test=("b",))


def test_an_empty_side_is_an_error():
    with pytest.raises(SplitError, match="no participant is left for validation"):
        Split(train=("a",), validation=(), test=("b",))
