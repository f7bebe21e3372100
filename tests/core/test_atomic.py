"""Files and folders appear whole or not at all."""

from __future__ import annotations

import errno

import pytest

from braincodec.atomic import atomic_path, replace
from braincodec.errors import InputValueError, MissingFileError, OutputError


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_file_and_folder_appear_under_their_name_alone(tmp_path):
    with atomic_path(tmp_path / "a.nii.gz") as temporary:
        assert temporary.name.endswith("a.nii.gz")
        temporary.write_text("whole")
        assert not (tmp_path / "a.nii.gz").exists()
    with atomic_path(tmp_path / "deep" / "folder") as temporary:
        temporary.mkdir()
        (temporary / "x").write_text("1")
    assert everything(tmp_path) == ["a.nii.gz", "deep", "deep/folder", "deep/folder/x"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, InputValueError, OSError])
@pytest.mark.parametrize("as_folder", [False, True])
def test_an_error_leaves_nothing_and_no_empty_folders(tmp_path, error, as_folder):
    with pytest.raises((error, OutputError)), atomic_path(tmp_path / "new" / "deep" / "a") as temporary:
        if as_folder:
            temporary.mkdir()
            (temporary / "half").write_text("half")
        else:
            temporary.write_text("half")
        raise error("stop")
    assert everything(tmp_path) == []


def test_folders_that_others_use_meanwhile_stay(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "new" / "a"):
        (tmp_path / "new" / "theirs").write_text("x")
        raise RuntimeError
    assert everything(tmp_path) == ["new", "new/theirs"]


def test_an_error_leaves_the_existing_target_untouched(tmp_path):
    target = tmp_path / "a"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target, overwrite=True) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert everything(tmp_path) == ["a"]


def test_existing_target_is_refused_before_any_work(tmp_path):
    (tmp_path / "a").write_text("old")
    with (
        pytest.raises(OutputError, match="exists; choose another name or ask to overwrite"),
        atomic_path(tmp_path / "a"),
    ):
        pytest.fail("the block must not run")


def test_a_target_made_meanwhile_by_somebody_else_is_not_overwritten(tmp_path):
    with pytest.raises(OutputError, match="exists"), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("mine")
        (tmp_path / "a").write_text("theirs")
    assert (tmp_path / "a").read_text() == "theirs"
    assert everything(tmp_path) == ["a"]


def fill(path, kind):
    if kind == "folder":
        path.mkdir()
        (path / "inside").write_text(path.name)
    elif kind == "link":
        (path.parent / "elsewhere").mkdir()
        path.symlink_to(path.parent / "elsewhere")
    else:
        path.write_text(path.name)


@pytest.mark.parametrize("new", ["file", "folder"])
@pytest.mark.parametrize("old", ["file", "folder", "link"])
def test_overwriting_replaces_whatever_was_there(tmp_path, old, new):
    target = tmp_path / "target"
    fill(target, old)
    with atomic_path(target, overwrite=True) as temporary:
        fill(temporary, new)
    assert not target.is_symlink()
    assert target.is_file() if new == "file" else (target / "inside").is_file()
    assert len([path for path in tmp_path.iterdir() if path.name != "elsewhere"]) == 1


@pytest.mark.parametrize("error", [OSError("no"), KeyboardInterrupt()])
def test_a_folder_set_aside_comes_back_when_its_successor_cannot_be_moved(tmp_path, monkeypatch, error):
    source, target = tmp_path / "source", tmp_path / "target"
    fill(source, "folder")
    fill(target, "folder")
    moved = type(source).replace

    def fail_for_source(self, to):
        if self == source:
            raise error
        return moved(self, to)

    monkeypatch.setattr(type(source), "replace", fail_for_source)
    with pytest.raises(type(error)):
        replace(source, target)
    assert (target / "inside").read_text() == "target"
    assert everything(tmp_path) == ["source", "source/inside", "target", "target/inside"]


def test_full_disk_names_the_file_and_the_free_space(tmp_path):
    named = pytest.raises(OutputError, match=r"cannot write .*a\.npy: No space left on device \(.* MB free")
    with named, atomic_path(tmp_path / "a.npy"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert everything(tmp_path) == []


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOTDIR])
def test_free_space_is_not_told_where_it_is_not_what_is_wanting(tmp_path, number):
    with pytest.raises(OutputError, match=r"cannot write .*a\.npy: the reason$"), atomic_path(tmp_path / "a.npy"):
        raise OSError(number, "the reason")


def test_errors_of_our_own_pass_as_they_are(tmp_path):
    with pytest.raises(MissingFileError, match="weights not found"), atomic_path(tmp_path / "a"):
        raise MissingFileError("w.pt", "weights")


def test_a_file_in_the_way_of_a_folder_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write"), atomic_path(tmp_path / "file" / "a"):
        pytest.fail("the block must not run")
