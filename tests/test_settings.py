from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labelkit
from labelkit.errors import SettingsError
from labelkit.settings import (
    PRESETS,
    BuildSettings,
    CoverageSettings,
    SimulateSettings,
    TrainSettings,
    as_toml,
    from_plain,
    load_settings,
    settings_of,
)


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
        (
            {"typed": {"crop_margin": -1.0}},
            r"command line: crop-margin must be greater than or equal to 0, not -1.0 .allowed: 0 to 1",
        ),
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
    assert "workers" not in BuildSettings().select_deciding()


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


def test_a_number_out_of_range_says_which_are_allowed():
    with pytest.raises(SettingsError, match=r"kernel-size must be less than or equal to 7, not 9 .allowed: 2 to 7"):
        load_settings(TrainSettings, typed={"kernel_size": 9}, environment={})
    with pytest.raises(
        SettingsError, match=r"validation must be less than 1, not 1.5 .allowed: more than 0 to less than 1"
    ):
        load_settings(TrainSettings, typed={"validation": 1.5}, environment={})


# The ranges of the study's Table 1.
@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("kernel_size", 2, 7),
        ("filters", 5, 25),
        ("dropout", 0.0, 0.7),
        ("dense", 16, 256),
        ("base", 16, 256),
        ("squeeze_ratio", 0.1, 0.7),
        ("pct3x3", 0.15, 0.75),
    ],
)
def test_the_study_s_ranges_are_allowed_and_nothing_beyond(key, low, high):
    for value in (low, high):
        assert getattr(load_settings(TrainSettings, typed={key: value}, environment={}), key) == value
    for value in (low - 1, high + 1):
        with pytest.raises(SettingsError, match=f"{key.replace('_', '-')} must be .* .allowed: {low:g} to {high:g}"):
            load_settings(TrainSettings, typed={key: value}, environment={})


def test_a_preset_stands_for_its_settings_where_it_is_named(tmp_path):
    config = tmp_path / "train.toml"
    config.write_text('model = "study-vanilla"\nfilters = 20\n')
    settings = load_settings(TrainSettings, config=config, environment={})
    assert (settings.model, settings.filters, settings.dense) == ("study-vanilla", 20, 24)
    settings = load_settings(TrainSettings, config=config, typed={"model": "study-mobilenet"}, environment={})
    assert (settings.filters, settings.dense) == (14, 69)
    settings = load_settings(
        TrainSettings, config=config, typed={"model": "study-mobilenet", "filters": 9}, environment={}
    )
    assert settings.filters == 9
    assert TrainSettings(model="study-mobilenet").kernel_size == 4


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_s_settings_written_as_toml_read_back_as_themselves(name, tmp_path):
    settings = TrainSettings(model=name, dropout=0.3)
    (tmp_path / "t.toml").write_text(as_toml(settings))
    assert load_settings(TrainSettings, config=tmp_path / "t.toml", environment={}) == settings


def test_settings_that_contradict_each_other_are_one_line():
    with pytest.raises(SettingsError, match="uncertainty needs the loss mae or angular; smooth-l1 is no likelihood"):
        load_settings(TrainSettings, typed={"loss": "smooth-l1", "uncertainty": "laplace"}, environment={})


def test_nobody_is_held_out_where_another_protocol_decides():
    with pytest.raises(SettingsError, match="hold-out needs split participants; frames "):
        load_settings(TrainSettings, typed={"split": "frames", "hold_out": "p01"}, environment={})


def test_fields_follow_from_what_the_network_sees():
    assert TrainSettings(input="grey-depth", resolutions="128,32").fields == ("rgb128", "rgb32", "depth128", "depth32")
    assert TrainSettings(input="depth", resolutions="64").fields == ("depth64",)


@pytest.mark.parametrize("schema", [BuildSettings, CoverageSettings, SimulateSettings, TrainSettings])
def test_every_setting_is_described(schema):
    assert all(field.description for field in schema.model_fields.values())


def parameters_of(function):
    return inspect.signature(function).parameters if callable(function) else {}


WITH_SETTINGS = [name for name in labelkit.__all__ if "settings" in parameters_of(getattr(labelkit, name))]


@pytest.mark.parametrize("name", WITH_SETTINGS)
def test_every_function_of_the_api_takes_settings_as_keywords_and_names_the_nearest(name, tmp_path):
    function = getattr(labelkit, name)
    schema = getattr(labelkit.settings, parameters_of(function)["settings"].annotation.partition(" ")[0])
    key = next(iter(schema.model_fields))
    required = [
        each
        for each in parameters_of(function).values()
        if each.default is each.empty and each.kind != each.VAR_KEYWORD
    ]
    where = [tmp_path / "none"] * len(required)
    with pytest.raises(SettingsError, match=f"{key}x.*{schema.command}.*{key}"):
        function(*where, **{f"{key}x": 1})
    assert list(tmp_path.iterdir()) == []


def test_keywords_win_over_a_settings_object_and_a_preset_is_expanded():
    settings = settings_of(TrainSettings, TrainSettings(epochs=3, seed=4), {"model": "small", "epochs": 5})
    assert (settings.epochs, settings.seed, settings.filters) == (5, 4, 10)
    with pytest.raises(SettingsError, match=r"epochs must be .*, not 0"):
        settings_of(TrainSettings, None, {"epochs": 0})
