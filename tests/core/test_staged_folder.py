"""A result appears whole, goes on where it stopped, and replaces nothing but an earlier one of its kind."""

from __future__ import annotations

import errno

import pytest

from braincodec.errors import InputValueError, OutputError
from braincodec.staged_folder import StagedFolder


def folder(tmp_path, overwrite=False, **identity):
    return StagedFolder(tmp_path / "out", "run.json", {"seed": 0, **identity}, "run", overwrite=overwrite)


def interrupted(tmp_path, **identity):
    with pytest.raises(KeyboardInterrupt), folder(tmp_path, **identity) as staged:
        (staged.path / "a.txt").write_text("half")
        staged.workspace.mkdir()
        (staged.workspace / "weights").write_text("w")
        raise KeyboardInterrupt


def test_nothing_has_the_final_name_until_it_is_whole_and_the_workspace_goes(tmp_path):
    with folder(tmp_path) as staged:
        (staged.path / "a.txt").write_text("whole")
        staged.workspace.mkdir()
        assert not (tmp_path / "out").exists()
        staged.complete()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "run.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_interrupted_run_goes_on(tmp_path):
    interrupted(tmp_path)
    with folder(tmp_path) as staged:
        assert staged.resumed
        assert (staged.path / "a.txt").read_text() == "half"
        staged.complete()


def test_other_settings_do_not_go_on_and_are_named(tmp_path):
    interrupted(tmp_path)
    with pytest.raises(InputValueError, match=r"seed was 0, is 1"), folder(tmp_path, seed=1):
        pass
    assert (tmp_path / "out.partial" / "a.txt").exists()
    with folder(tmp_path, overwrite=True, seed=1) as staged:
        assert not staged.resumed
        assert not (staged.path / "a.txt").exists()
        assert (staged.workspace / "weights").exists()


def test_a_mistake_before_any_work_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="wrong"), folder(tmp_path):
        raise ValueError("wrong")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_result_is_refused_and_only_its_kind_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years")
    with pytest.raises(OutputError, match="exists"), folder(tmp_path):
        pass
    with pytest.raises(OutputError, match=r"no earlier run \(there is no run.json"), folder(tmp_path, overwrite=True):
        pass
    (tmp_path / "out" / "run.json").write_text("{}")
    with folder(tmp_path, overwrite=True) as staged:
        staged.complete()
    assert not (tmp_path / "out" / "thesis.txt").exists()


def test_two_processes_do_not_make_the_same_result(tmp_path):
    with folder(tmp_path), pytest.raises(OutputError, match="another process"), folder(tmp_path):
        pass


def test_a_folder_of_something_else_in_the_way_is_named(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "mine.txt").write_text("x")
    with pytest.raises(OutputError, match=r"in the way: no interrupted run, but mine.txt"), folder(tmp_path):
        pass
    assert (tmp_path / "out.partial" / "mine.txt").exists()


def test_a_full_disk_is_told_with_what_is_kept(tmp_path):
    with pytest.raises(OutputError, match="make room and give the same command again"), folder(tmp_path) as staged:
        (staged.path / "a.txt").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
