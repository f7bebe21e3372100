"""The published inference runs on the true layouts of the data, both directions, whole or not at all."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from braincodec.datasets import load_dataset
from braincodec.errors import InputTypeError, InputValueError, MissingFileError, OutputError, UnknownNameError
from braincodec.evaluation import Scores
from braincodec.evaluation.judging.predicting import mean_responses
from braincodec.models.lea.model import LEA
from braincodec.published_lea import lea_inference
from braincodec.published_lea.run import plan_lea_inference
from braincodec.responses import open_responses

from .simulated import QUICK, without_pictures


@pytest.fixture(scope="module")
def done(god, tmp_path_factory):
    lines: list[str] = []
    out = tmp_path_factory.mktemp("result") / "out"
    return lea_inference("god", god, 1, out, say=lines.append, **QUICK), lines


def test_both_directions_are_judged_with_interval_floor_and_ceiling(done):
    table = done[0].scores.table
    assert set(table["direction"]) == {"encoding", "decoding"}
    assert set(table["metric"]) == set(QUICK["metrics"])
    assert set(table["n_stimuli"]) == {6}
    known = table[table["roi"] == "all"].set_index("metric")
    assert np.isfinite(known[["low", "high", "floor"]].to_numpy(float)).all()
    assert np.isfinite(known.loc["correlation", "ceiling"])
    assert "two_way_embedding" in set(table["metric"])
    assert any("scores of images are means over them" in note for note in done[0].scores.about["warnings"])


def test_everything_is_kept_in_one_folder(done, god):
    result = done[0]
    inside = {path.name for path in result.path.iterdir()}
    assert inside == {
        "lea.json", "fmri-god-lea", "images", "images.csv", "sheet.png", "responses.zarr", "scores", "scores.csv",
        "figures", "report.html",
    }  # fmt: skip
    responses = open_responses(result.responses)
    assert responses.shape == (6, 54) and np.isfinite(responses.values).all()
    assert [len(own) for own in result.images] == [2] * 6
    stimulus = responses["stimulus"].values[0]
    assert result.images[0][0].name == f"{stimulus}-sample-1.png"
    assert np.asarray(Image.open(result.images[0][0])).shape == (32, 32, 3)
    assert "seen, then 2 decoded samples" in Image.open(result.sheet).text["Description"]
    assert Scores.load(result.path / "scores").value("pixel_correlation") == result.scores.value("pixel_correlation")
    with (result.path / "images.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 12
    assert str(god) in json.loads((result.path / "lea.json").read_text())["root"]
    assert all(figure.is_file() for figure in result.figures) and len(result.figures) >= 5


def test_the_plan_comes_first_and_says_where_everything_comes_from(done):
    lines = done[1]
    first = next(number for number, line in enumerate(lines) if line.startswith("fitting"))
    plan = "\n".join(lines[:first])
    assert "god, subject 1: 64 training and 6 test stimuli, 54 voxels (V1 8, V2 7" in plan
    assert "strength by cross-validation inside the training data" in plan
    assert "out-of-fold predictions" in plan


@pytest.fixture
def quick(monkeypatch):
    """No figures."""
    without_pictures(monkeypatch)


@pytest.mark.usefixtures("quick")
def test_the_model_that_was_made_gives_the_same_images_again(done, god, tmp_path):
    first = done[0]
    keep = {name: value for name, value in QUICK.items() if name not in ("image_embedding", "settings")}
    again = lea_inference("god", god, 1, tmp_path / "again", model=first.path, **keep)
    for ours, theirs in zip(again.images, first.images, strict=True):
        assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]
    np.testing.assert_array_equal(open_responses(again.responses).values, open_responses(first.responses).values)


@pytest.mark.usefixtures("quick")
def test_an_interrupted_run_goes_on(god, tmp_path, monkeypatch):
    import braincodec.published_lea.run as module

    with monkeypatch.context() as patch:
        patch.setattr(module, "_scores", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            lea_inference("god", god, 1, tmp_path / "out", **QUICK)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr("braincodec.models.lea.model.LEA.fit", lambda *_, **__: pytest.fail("fitted again"))
    monkeypatch.setattr("braincodec.models.lea.model.LEA.encode", lambda *_, **__: pytest.fail("encoded again"))
    lines: list[str] = []
    result = lea_inference("god", god, 1, tmp_path / "out", say=lines.append, **QUICK)
    assert result.resumed and any("goes on" in line for line in lines)
    assert result.scores.value("pixel_correlation") == pytest.approx(result.scores.value("pixel_correlation"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("quick")
def test_published_steps_are_named_in_the_scores(bold5000, tmp_path):
    published = {"preprocessing": "published", "rescale": "transductive", "alpha": 500.0, "intercept": False}
    result = lea_inference("bold5000", bold5000, "CSI4", tmp_path / "out", **{**QUICK, **published})
    warnings = " ".join(result.scores.about["warnings"])
    assert "rescaled" in warnings and "preprocessing='published'" in warnings
    assert dict(result.plan.rows)["alignment"] == "ridge, 500; no intercept from fMRI to images"
    assert set(result.scores.table["direction"]) == {"encoding", "decoding"}


def test_nothing_is_written_by_a_plan(god, tmp_path):
    keep = {name: value for name, value in QUICK.items() if name != "progress"}
    plan = plan_lea_inference("god", god, "2", tmp_path / "out", **keep)
    assert dict(plan.rows)["result"] == str(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"root": "no/such/folder"}, MissingFileError, "recordings of god"),
        ({"subject": 7}, UnknownNameError, "unknown subject '7' of god; available: 1, 2"),
        ({"samples": 0}, InputValueError, "samples"),
        ({"model": "absent-model"}, MissingFileError, "artefact not found: absent-model"),
        ({"rescale": "transductiv"}, InputValueError, "rescale"),
        ({"autoencoder": "absent.pth"}, MissingFileError, "absent.pth"),
        ({"settings": {"fmri_latnet": "voxels"}}, InputValueError, "did you mean 'fmri_latent'"),
        ({"dataset": "nsd"}, InputValueError, "dataset"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_written(god, tmp_path, change, error, words):
    named = {"dataset": "god", "root": god, "subject": 1, "output": tmp_path / "out"}
    given = {**named, **QUICK, **change}
    if "model" in change:
        given = {name: value for name, value in given.items() if name not in ("image_embedding", "settings")}
    with pytest.raises(error, match=words):
        lea_inference(**given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_a_model_is_given_patterns_of_the_scale_that_it_was_trained_on(god, tmp_path):
    recording = load_dataset("god", god, preprocessing="training").subject("1")
    settings = {"image_embedding": "gabor:bank", **QUICK["settings"]}
    lea = LEA(**settings).fit(recording)
    lea.save(tmp_path / "model")
    expected = lea.decode(mean_responses(recording, "test"))
    keep = {name: value for name, value in QUICK.items() if name not in ("image_embedding", "settings", "samples")}
    result = lea_inference("god", god, 1, tmp_path / "out", model=tmp_path / "model", samples=1, **keep)
    for image, (path,) in zip(expected, result.images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), image)
    with pytest.raises(InputValueError, match="is the model of subject 1; subject 2 was asked for"):
        lea_inference("god", god, 2, tmp_path / "two", model=tmp_path / "model", **keep)
    with pytest.raises(InputValueError, match="was trained on god, not on bold5000"):
        lea_inference("bold5000", god, "CSI1", tmp_path / "two", model=tmp_path / "model", **keep)


def test_a_model_and_how_to_train_one_contradict_each_other(god, tmp_path):
    with pytest.raises(InputValueError, match=r"alpha is of the training; model 'lea' is trained already"):
        lea_inference("god", god, 1, tmp_path / "out", model="lea", alpha=500)


def test_an_existing_folder_is_refused_and_what_is_no_result_is_never_overwritten(god, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists"):
        lea_inference("god", god, 1, tmp_path / "out", **QUICK)
    with pytest.raises(OutputError, match="no earlier result"):
        lea_inference("god", god, 1, tmp_path / "out", overwrite=True, **QUICK)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_model_that_cannot_decode_is_refused(god, tmp_path, done):
    folder = Path(done[0].model)
    copy = tmp_path / "linear"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "kind": "linear"}))
    with pytest.raises(InputTypeError, match="kind 'linear', which does not decode"):
        lea_inference("god", god, 1, tmp_path / "out", model=copy)
