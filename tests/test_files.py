from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from labelkit.errors import LabelkitError, OutputError
from labelkit.files import make_folder, replacing, sha256_of, translate_os_errors, write_bytes, write_text


def test_a_file_is_replaced_whole_and_no_scratch_is_left(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_text(path, "new\n")
    assert path.read_bytes() == b"new\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_while_writing_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_half_way():
        with replacing(path) as scratch:
            scratch.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_a_disk_that_cannot_be_written_is_an_error_with_exit_code_5(code):
    with (
        pytest.raises(OutputError, match=r"^out: cannot write .*run the same command again") as caught,
        translate_os_errors(Path("out")),
    ):
        raise OSError(code, "no")
    assert isinstance(caught.value, LabelkitError)
    assert caught.value.exit_code == 5


def test_other_faults_pass_unchanged():
    with pytest.raises(FileNotFoundError), translate_os_errors(Path("out")):
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_a_file_in_the_way_of_a_folder_is_said(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(OutputError, match="a file of this name is in the way"):
        make_folder(tmp_path / "f")
    with pytest.raises(OutputError, match="in the way"):
        make_folder(tmp_path / "f" / "g")


def test_the_hash_is_that_of_the_content(tmp_path):
    write_bytes(tmp_path / "a", b"labelkit" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"labelkit" * 100_000).hexdigest()


@pytest.mark.parametrize("name", ["x" * 255, "\u00e4" * 127, "\u65e5" * 85])
def test_a_file_may_have_the_longest_name(tmp_path, name):
    write_text(tmp_path / name, "whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]
