"""Whatever bytes a reader is given, it reads them or refuses them in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labelkit.recordings.sidecar import TABLES, statements_from_tables
from tests.hostile.fuzz import TARGETS, reads_or_refuses, refusing_in_one_line
from tests.hostile.seeds import SEEDS

REPOSITORY = Path(__file__).parents[2]

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@st.composite
def damaged(draw, sound):
    """Overwrite, cut out, double or append a few pieces of a sound file."""
    content = bytearray(sound)
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(content)))
        stop = start + draw(st.integers(0, 8))
        kind = draw(st.sampled_from(["overwrite", "cut", "double", "insert"]))
        piece = draw(st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 8, b"\0" * 8, b"\xff\xff\xff\x7f"]))
        if kind == "overwrite":
            content[start : start + len(piece)] = piece
        elif kind == "cut":
            del content[start:stop]
        elif kind == "double":
            content[start:start] = content[start:stop] * 3
        else:
            content[start:start] = piece
    return bytes(content)


@settings(max_examples=150)
@given(st.data())
@pytest.mark.parametrize("target", TARGETS)
def test_a_damaged_file_is_read_or_refused(target, data):
    reads_or_refuses(target, data.draw(damaged(data.draw(st.sampled_from(list(SEEDS[target]()))))))


@settings(max_examples=50)
@given(st.binary(max_size=400))
@example(b"")
@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes_are_read_or_refused(target, content):
    reads_or_refuses(target, content)


@pytest.mark.parametrize("target", TARGETS)
def test_a_sound_file_is_read(target):
    seeds = SEEDS[target]()
    assert seeds
    for seed in seeds:
        assert TARGETS[target](seed)


def places_in(value, path=()):
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places_in(inner, (*path, key))


@settings(max_examples=200)
@given(st.data())
def test_a_manifest_with_anything_anywhere_is_read_or_refused(data):
    fields = json.loads(SEEDS["manifest"]()[0])
    *above, last = data.draw(st.sampled_from([path for path in places_in(fields) if path]))
    inner = fields
    for key in above:
        inner = inner[key]
    if isinstance(inner, dict) and data.draw(st.booleans()):
        inner[data.draw(st.text(max_size=12))] = inner.pop(last)
    else:
        inner[last] = data.draw(VALUES)
    reads_or_refuses("manifest", json.dumps(fields).encode())


@settings(max_examples=300)
@given(st.data())
def test_a_sidecar_that_states_anything_is_read_or_refused(data):
    table = data.draw(st.sampled_from(sorted(TABLES)))
    keys = st.sampled_from(sorted(TABLES[table].model_fields)) | st.text(max_size=8)
    numbers = st.lists(st.floats() | st.integers() | st.just(10**400), max_size=4)
    values = VALUES | numbers | st.lists(numbers, max_size=4)
    with refusing_in_one_line():
        statements_from_tables({table: data.draw(st.dictionaries(keys, values, max_size=4))}, "recording.toml")


@pytest.mark.sweep
@pytest.mark.parametrize("bit", range(8))
def test_a_table_is_read_or_refused_whatever_bit_of_its_footer_is_wrong(bit):
    # In a process of its own: there are damages at which Arrow ends it (once "Repetition level histogram size").
    subprocess.run([sys.executable, "-c", FLIPS, str(bit)], cwd=REPOSITORY, check=True)


FLIPS = """
import struct, sys
from tests.hostile.fuzz import reads_or_refuses
from tests.hostile.seeds import SEEDS
(content,) = SEEDS["table"]()
(footer,) = struct.unpack("<I", content[-8:-4])
for place in range(len(content) - 8 - footer, len(content)):
    wrong = bytearray(content)
    wrong[place] ^= 1 << int(sys.argv[1])
    reads_or_refuses("table", bytes(wrong))
"""
