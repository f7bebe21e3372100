"""Where a result may go, and what is never replaced by it."""

from __future__ import annotations

import pytest

from braincodec.errors import InputValueError, OutputError
from braincodec.training import train

from ..small_training import settings


def test_an_existing_result_is_refused_unless_overwritten(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("dear")
    with pytest.raises(OutputError, match="exists"):
        train(settings(output=out))
    assert (out / "mine.txt").read_text() == "dear" and not (tmp_path / "out.partial").exists()
    with pytest.raises(OutputError, match=r"no earlier result.*not overwritten"):
        train(settings(output=out), overwrite=True)
    assert (out / "mine.txt").read_text() == "dear"
    (out / "train.yaml").write_text("seed: 0\n")
    train(settings(output=out), overwrite=True)
    assert not (out / "mine.txt").exists() and (out / "train.yaml").is_file()


def test_a_folder_that_holds_the_data_is_never_overwritten(tmp_path):
    (tmp_path / "study" / "data").mkdir(parents=True)
    (tmp_path / "study" / "train.yaml").write_text("seed: 0\n")
    data = {"name": "own", "root": tmp_path / "study" / "data"}
    with pytest.raises(OutputError, match="holds the data"):
        train(settings(dataset=data, output=tmp_path / "study"), overwrite=True)


@pytest.mark.parametrize("output", [".", "..", "/"])
def test_an_output_without_a_name_of_its_own_is_refused(output):
    with pytest.raises(OutputError, match="no name for a new folder"):
        train(settings(output=output), overwrite=True)


@pytest.mark.parametrize("name", ["subject", "roi"])
def test_a_choice_of_nothing_is_refused(name):
    with pytest.raises(InputValueError, match=f"{name} names nothing; leave it out, or say all"):
        train(settings(**{name: ""}))


def test_a_folder_in_the_way_is_left_alone(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "thesis.tex").write_text("dear")
    with pytest.raises(OutputError, match="but thesis"):
        train(settings(output=tmp_path / "out"))
    assert (tmp_path / "out.partial" / "thesis.tex").read_text() == "dear"


def test_a_disk_that_is_really_full_leaves_no_result(small_disk):
    (small_disk / "ballast").write_bytes(b"\0" * (3 * 2**20 - 40_000))
    with pytest.raises(OutputError, match="same command"):
        train(settings(output=small_disk / "out"))
    assert not (small_disk / "out").exists()


def test_a_disk_too_small_to_begin_is_not_said_to_hold_anything(small_disk):
    model = {"kind": "linear", "backbone": "gabor:bank", "layers": "scales.0"}
    with pytest.raises(OutputError, match="are needed") as caught:
        train(settings(output=small_disk / "out", model=model))
    assert "is kept" not in str(caught.value)
    assert not list(small_disk.iterdir())
