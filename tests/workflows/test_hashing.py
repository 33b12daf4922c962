from __future__ import annotations

import io
import logging

import pytest

from labelkit.dataset.dataset import open_dataset
from labelkit.errors import DatasetError
from labelkit.workflows import hashing
from labelkit.workflows.hashing import check_all_hashes
from tests.datasets import make_dataset


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def data(tmp_path):
    return open_dataset(make_dataset(tmp_path / "set", participants=3, samples=2))


def shown_while_hashed(data, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(hashing, "_SHORT_S", 0.0)
        patch.setattr("sys.stderr", terminal := Terminal())
        check_all_hashes(data)
    return terminal.getvalue()


def test_a_bar_shows_the_bytes_that_are_hashed_and_lines_say_what_is_done(data, monkeypatch, caplog):
    with caplog.at_level(logging.INFO):
        assert "hash:" in shown_while_hashed(data, monkeypatch)
    begun, done = (record.getMessage() for record in caplog.records)
    assert begun == f"{data.path}: comparing its 4 files with the manifest"
    assert done.startswith(f"{data.path}: all hashes match (")


def test_who_logs_no_lines_gets_no_bar(data, monkeypatch, caplog):
    with caplog.at_level(logging.WARNING):
        assert shown_while_hashed(data, monkeypatch) == ""


def test_every_file_is_told_once_when_its_hash_is_right(data):
    told = []
    data.check_hashes(on_file=told.append)
    assert told == list(data.manifest.files.values())


def test_a_changed_file_ends_it(data):
    (data.path / "labels.parquet").write_bytes(b"x")
    with pytest.raises(DatasetError, match=r"labels\.parquet: changed since"):
        check_all_hashes(data)
