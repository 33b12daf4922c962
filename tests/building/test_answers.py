"""What people state in RAW's card.toml, and that recordings are simulated, come into a dataset and stay there."""

from __future__ import annotations

import json
import logging
import shutil

import pytest

from labelkit.building.build import build
from labelkit.dataset.answers import CardAnswers, check_answers, read_answers
from labelkit.dataset.dataset import open_dataset
from labelkit.dataset.verification import verify_dataset
from labelkit.errors import DatasetError, SettingsError
from labelkit.workflows.card import card
from tests.building.conftest import TINY, silent, write_recording


@pytest.fixture
def raw(tmp_path):
    return write_recording(tmp_path / "raw" / "p01", "he").parent


def files_of(folder):
    return [(folder / name).read_text(encoding="utf-8") for name in ("README.md", "croissant.json", "manifest.json")]


def answers_of(folder):
    """What is answered."""
    stored = open_dataset(folder).manifest.answers.model_dump()
    return {key: answer for key, answer in stored.items() if answer}


def is_sound(folder):
    return verify_dataset(folder, lambda done, total: None)[1] == []


def test_what_card_toml_states_is_in_all_three_files_and_verifies(raw, tmp_path):
    (raw / "card.toml").write_text('licence = "cc-by-4.0"\nethics = "Board of X | 12"\n')
    build(raw, tmp_path / "set", TINY, report=silent)
    readme, croissant, _ = files_of(tmp_path / "set")
    assert "| licence | Licence | CC-BY-4.0 |" in readme
    assert r"Board of X \| 12 |" in readme
    described = json.loads(croissant)
    assert described["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert described["rai:dataSocialImpact"] == "Board of X | 12"
    assert answers_of(tmp_path / "set") == {"licence": "CC-BY-4.0", "ethics": "Board of X | 12"}
    assert is_sound(tmp_path / "set")


def test_answers_outlive_rebuilds_and_extensions_and_card_toml_goes_before_them(raw, tmp_path, caplog):
    out = tmp_path / "set"
    build(raw, out, TINY, report=silent)
    card(out, {"licence": "ours alone", "contact": "Ada"})
    build(raw, out, TINY, report=silent)
    write_recording(raw / "p02", "h")
    build(raw, out, TINY, report=silent)
    build(raw, out, TINY, overwrite=True, report=silent)
    assert answers_of(out) == {"licence": "ours alone", "contact": "Ada"}
    (raw / "card.toml").write_text('licence = "CC0-1.0"')
    with caplog.at_level(logging.WARNING):
        assert build(raw, out, TINY, report=silent).frames_done_now == 0
    assert answers_of(out) == {"licence": "CC0-1.0", "contact": "Ada"}
    assert "'ours alone' becomes 'CC0-1.0'" in caplog.text
    assert is_sound(out)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('license = "MIT"', r"card.toml: unknown key 'license'; did you mean 'licence'\?"),
        ("licence = 4", "card.toml: licence: .*string"),
        ('consent = "a\\u0000b"', "card.toml: consent: holds a control character"),
        (f'consent = "{"a" * 2001}"', "consent: has 2,001 characters; at most 2,000"),
        ("licence", "card.toml: is not TOML"),
    ],
)
def test_a_card_toml_that_cannot_be_used_is_refused_before_anything_is_built(raw, tmp_path, content, says):
    (raw / "card.toml").write_text(content)
    with pytest.raises(SettingsError, match=says):
        build(raw, tmp_path / "set", TINY, report=silent)
    assert not (tmp_path / "set" / ".build").exists()


def test_a_link_in_the_place_of_card_toml_is_not_followed(raw, tmp_path):
    (tmp_path / "elsewhere").write_text('licence = "MIT"')
    (raw / "card.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DatasetError, match=r"card\.toml: cannot be read"):
        read_answers(raw)


def test_an_answer_is_one_line(raw):
    (raw / "card.toml").write_text('purpose = """to read\nhands"""')
    assert read_answers(raw) == {"purpose": "to read hands"}
    assert CardAnswers().replace(check_answers({"purpose": ""}, "")) == CardAnswers()


@pytest.mark.parametrize(
    ("people", "says"),
    [
        ("p01 p02", "All of it is simulated: no person was recorded."),
        ("p01", "1 of 2 recordings are simulated: they show no person."),
        ("", None),
    ],
)
def test_a_dataset_says_how_much_of_it_is_simulated_in_all_three_files(raw, tmp_path, people, says):
    shutil.copytree(raw / "p01", raw / "p02")
    for name in people.split():
        path = raw / name / "recording.toml"
        path.write_text(path.read_text().replace("[recording]", "[recording]\nsimulated = true"))
    build(raw, tmp_path / "set", TINY, report=silent)
    readme, croissant, manifest = files_of(tmp_path / "set")
    assert [entry["simulated"] for entry in json.loads(manifest)["recordings"]] == ["p01" in people, "p02" in people]
    described = json.loads(croissant)
    assert described.get("keywords") == (["simulated"] if says else None)
    if says:
        assert says in readme
        assert says in described["description"]
    else:
        assert "imulated" not in readme
        assert "imulated" not in croissant


def test_recordings_of_the_simulator_say_that_they_are_simulated(simulated, tmp_path):
    build(simulated / "raw", tmp_path / "set", TINY, report=silent)
    assert all(entry.simulated for entry in open_dataset(tmp_path / "set").manifest.recordings)
