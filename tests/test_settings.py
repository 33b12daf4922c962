from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import SettingsError
from labelkit.settings import BuildSettings, CoverageSettings, SimulateSettings, as_toml, from_plain, load_settings


def load(**kwargs):
    return load_settings(BuildSettings, **{"environment": {}, **kwargs})


def test_flags_win_over_the_environment_which_wins_over_the_file(tmp_path):
    config = tmp_path / "build.toml"
    config.write_text('seed = 1\nmin_points = 11\ncrop = "box"\n')
    environment = {"LABELKIT_BUILD_DATASET_SEED": "2", "LABELKIT_BUILD_DATASET_MIN_POINTS": "22", "HOME": "/"}
    settings = load(config=config, environment=environment, typed={"seed": 3})
    assert (settings.seed, settings.min_points, settings.crop) == (3, 22, "box")
    assert settings.region == BuildSettings().region


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"typed": {"crop_margn": 0.2}}, r"command line: unknown setting 'crop_margn' .*did you mean 'crop_margin'"),
        ({"typed": {"crop_margin": -1.0}}, r"command line: crop-margin must be greater than or equal to 0, not -1.0"),
        ({"typed": {"plane_engine": "pcl"}}, r"plane-engine must be 'labelkit' or 'open3d', not 'pcl'"),
        ({"typed": {"crop": "circle"}}, r"crop must be 'virtual-camera' or 'box', not 'circle'"),
        ({"environment": {"LABELKIT_BUILD_DATASET_SEAD": "1"}}, r"LABELKIT_BUILD_DATASET_SEAD: .*did you mean 'seed'"),
        ({"environment": {"LABELKIT_BUILD_DATASET_SEED": "one"}}, r"LABELKIT_BUILD_DATASET_SEED: seed must be .*'one'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_and_what_was_expected(kwargs, words):
    with pytest.raises(SettingsError, match=words):
        load(**kwargs)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("sede = 1", r"c\.toml: unknown setting 'sede'"),
        ('seed = "1"', r"c\.toml: seed must be a valid integer, not '1'"),
        ("seed = true", r"c\.toml: seed must be"),
        ("seed = ", r"c\.toml: not a TOML file"),
        (b"seed = 1 # \xff", r"c\.toml: not a TOML file"),
    ],
)
def test_a_settings_file_is_read_strictly(tmp_path, content, words):
    config = tmp_path / "c.toml"
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError, match=words):
        load(config=config)


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml: cannot read the settings file"):
        load(config=tmp_path / "none.toml")


@given(
    st.builds(
        BuildSettings,
        seed=st.integers(0, 2**40),
        crop=st.sampled_from(["box", "virtual-camera"]),
        crop_margin=st.floats(0, 1),
        with_depth=st.booleans(),
    )
)
def test_settings_written_as_toml_read_back_as_themselves(tmp_path_factory, settings):
    config = tmp_path_factory.getbasetemp() / "written.toml"
    config.write_text(as_toml(settings), encoding="utf-8")
    assert load(config=config) == settings


def test_how_to_run_changes_no_digest_but_what_to_make_does():
    assert BuildSettings(workers=7, max_rejected=0.1).digest() == BuildSettings().digest()
    assert BuildSettings(crop_margin=0.2).digest() != BuildSettings().digest()
    assert "workers" not in BuildSettings().deciding()


def test_what_to_leave_out_is_a_list_in_every_source_and_changes_no_digest(tmp_path):
    config = tmp_path / "build.toml"
    config.write_text('exclude = ["p01", "*/blurred/*"]\n')
    assert load(config=config).exclude == ("p01", "*/blurred/*")
    assert load(environment={"LABELKIT_BUILD_DATASET_EXCLUDE": '["p, 1"]'}).exclude == ("p, 1",)
    assert load(typed={"exclude": ("p01",)}).exclude == ("p01",)
    assert load(config=config).digest() == BuildSettings().digest()
    with pytest.raises(SettingsError, match=r"EXCLUDE: exclude must be .* not 'p01'"):
        load(environment={"LABELKIT_BUILD_DATASET_EXCLUDE": "p01"})
    config.write_text('exclude = "p01"\n')
    with pytest.raises(SettingsError, match=r"build\.toml: exclude must be a valid tuple"):
        load(config=config)


def test_settings_of_another_version_are_refused():
    with pytest.raises(SettingsError, match=r"run\.json: unknown setting 'old_key' for coverage-map"):
        from_plain(CoverageSettings, {"old_key": 1}, "run.json")


@pytest.mark.parametrize("schema", [BuildSettings, CoverageSettings, SimulateSettings])
def test_every_setting_is_described(schema):
    assert all(field.description for field in schema.model_fields.values())
