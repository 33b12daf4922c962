from __future__ import annotations

import errno

import pytest

from labelkit.live import label_cache as module
from labelkit.live.label_cache import Entry, LabelCache, cache_path
from labelkit.live.tally import Label
from labelkit.records import Reason
from labelkit.settings import BuildSettings

ONE = Entry("facts", "p01/depth/1.png", "p01/color/1.png", (10, 11, 12, 13))
OTHER = Entry("facts", "p01/depth/2.png", None, (10, 11))
SAMPLE = Label((80.1234567, 91.0), (79.9, 92.5))
REJECTION = Label(reason=Reason.MISSING_PAIR, detail="no colour picture with it")


def written(path, *items, keep=()):
    with LabelCache(path) as cache:
        cache.keep_only(keep)
        for entry, label in items:
            cache.add(entry, label)
    return path


def test_a_label_comes_back_to_the_bit_for_the_same_files_and_for_no_others(tmp_path):
    cache = LabelCache(written(tmp_path / "a" / "labels.jsonl", (ONE, SAMPLE), (OTHER, REJECTION)))
    assert cache.get(ONE) == SAMPLE
    assert cache.get(OTHER) == REJECTION
    for change in ({"facts": "others"}, {"color": None}, {"signature": (10, 11, 12, 14)}):
        assert cache.get(ONE._replace(**change)) is None


@pytest.mark.parametrize(
    "torn", [b'["facts", "p01/de', b'{"x": 1}\n', b"\xff\xfe\n", b'["a",1,2,[1],[1],[2],"no",""]\n']
)
def test_a_line_that_was_cut_or_is_none_is_passed_over(tmp_path, torn):
    path = written(tmp_path / "labels.jsonl", (ONE, SAMPLE))
    path.write_bytes(torn.rstrip(b"\n") + b"\n" + path.read_bytes() + torn)
    cache = LabelCache(path)
    assert cache.get(ONE) == SAMPLE


def test_only_what_is_still_there_is_kept_and_only_its_owner_can_read_it(tmp_path):
    path = written(tmp_path / "labels.jsonl", (ONE, SAMPLE), (OTHER, REJECTION))
    assert path.stat().st_mode & 0o077 == 0
    written(path, keep=[OTHER])
    assert b"1.png" not in path.read_bytes()
    assert LabelCache(path).get(OTHER) == REJECTION


def test_a_folder_that_cannot_be_written_costs_the_cache_and_no_more(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    written(tmp_path / "file" / "labels.jsonl", (ONE, SAMPLE))
    assert "not kept for the next start" in caplog.text


def test_a_disk_that_fills_up_costs_the_labels_from_then_on_and_no_more(tmp_path, caplog):
    class Full:
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            pass

    with LabelCache(tmp_path / "labels.jsonl") as cache:
        cache.keep_only([])
        cache.add(ONE, SAMPLE)
        cache._file.close()
        cache._file = Full()
        cache.add(OTHER, REJECTION)
        cache.add(OTHER, REJECTION)
    assert caplog.text.count("no longer kept for the next start") == 1
    assert LabelCache(tmp_path / "labels.jsonl").get(ONE) == SAMPLE


def test_what_another_version_labelled_is_labelled_again(tmp_path, monkeypatch):
    path = cache_path(tmp_path, BuildSettings())
    monkeypatch.setattr(module, "versions", lambda: {"labelkit": "another"})
    assert cache_path(tmp_path, BuildSettings()) != path


def test_other_settings_another_folder_or_another_cache_are_another_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = cache_path(tmp_path, BuildSettings())
    assert path.is_relative_to(tmp_path / "cache")
    assert path != cache_path(tmp_path, BuildSettings(seed=1))
    assert path == cache_path(tmp_path, BuildSettings(workers=7))
    assert path != cache_path(tmp_path / "p01", BuildSettings())


def test_a_user_without_a_home_folder_keeps_no_labels(tmp_path, monkeypatch, caplog):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(module.Path, "home", no_home)
    assert cache_path(tmp_path, BuildSettings()) is None
    assert "XDG_CACHE_HOME" in caplog.text
    with LabelCache(None) as cache:
        cache.keep_only([])
        cache.add(ONE, SAMPLE)
