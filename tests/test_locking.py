"""Disks without locks, such as NFS without its lock service."""

from __future__ import annotations

import errno
import fcntl
from contextlib import ExitStack

import numpy as np
import pytest

from labelkit.dataset.shards import shard_bytes
from labelkit.errors import OutputError
from labelkit.locking import only_one_at
from labelkit.tuning.storage import open_storage
from tests.datasets import angles_on_disc, columns_of, map_shard

ERRORS = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS]


@pytest.fixture(params=ERRORS, ids=errno.errorcode.get)
def no_locks(request, monkeypatch):
    def refuse(*_):
        raise OSError(request.param, "no locks here")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_folder_on_a_disk_without_locks_is_refused_by_name(tmp_path, no_locks):
    with pytest.raises(OutputError, match="another disk") as raised:
        ExitStack().enter_context(only_one_at(tmp_path, ".lock", "build"))
    assert str(tmp_path) in str(raised.value)


def test_a_search_on_a_disk_without_locks_is_refused_by_name(tmp_path, no_locks):
    with pytest.raises(OutputError, match="another disk") as raised:
        open_storage(tmp_path / "journal.log").create_new_study([], "one")
    assert str(tmp_path) in str(raised.value)


def test_a_shard_is_read_without_a_lock(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    path = tmp_path / "s.h5"
    path.write_bytes(shard_bytes(columns_of(angles_on_disc(3, rng), 7, rng), {}))
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # HDF5 would wait for no lock: it would fail
        assert len(map_shard(path)["row"]) > 0
