"""Train, score and save: what comes out, what is refused, and how an interrupted run goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import braincodec as bc
from braincodec.errors import InputValueError, OutputError, UnknownNameError
from braincodec.evaluation import Scores
from braincodec.training import train

from ..small_training import DATASET, KIND, WAIT, SmallPeople, settings

MODEL = f"fmri-{DATASET}-{KIND}"


def fits(workspace: Path) -> list[str]:
    """Which models were trained, in order: subject and number of units."""
    return (workspace / "fits.txt").read_text().split("\n")[:-1]


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """One trained model of two regions."""
    out = tmp_path_factory.mktemp("one") / "out"
    report = {**settings()["evaluation"], "report": True, "metrics": None}
    return train(settings(output=out, roi=["V1", "V2"], evaluation=report))


def test_the_result_is_a_store_an_artefact_and_a_report(one):
    names = sorted(item.name for item in one.path.iterdir())
    assert names == [
        "fmri-small_people-small_colours",
        "learning-curves",
        "report.html",
        "scores",
        "scores.csv",
        "train.yaml",
    ]
    store = bc.open_store(one.path)
    assert store.models()["id"].tolist() == [MODEL]
    assert store.encoder(MODEL, subject=1, roi="V2").response_shape == (3,)
    assert bc.Encoder.load(one.path).response_shape == (7,)
    assert bc.Encoder.load(one.models[0].path).identity() == one.encoder.identity()


def test_units_and_description_carry_the_scores(one):
    encoder, scores = bc.Encoder.load(one.path), one.scores
    pairs = {"accuracy_correlation": "correlation", "accuracy_noise_normalised": "noise_normalised_accuracy",
             "accuracy_r2": "r2_correlation", "noise_ceiling": "noise_ceiling"}  # fmt: skip
    for name, theirs in pairs.items():
        np.testing.assert_allclose(encoder.units[name], scores.units[theirs], rtol=1e-6)
    about = encoder.description
    assert about.accuracy == pytest.approx(float(np.median(encoder.units["accuracy_noise_normalised"])))
    assert about.accuracy > 0.5
    assert about.training["dataset"] == {"name": DATASET, "options": {}}
    assert about.training["rois"] == ["V1", "V2"]
    row = next(row for row in about.training["scores"] if (row["roi"], row["metric"]) == ("all", "correlation"))
    assert row["n_stimuli"] == 20 and row["low"] < row["value"] < row["high"]
    assert set(about.training["split"]) == {"train", "validation", "test"}
    assert one.table.equals(scores.table)


def test_scores_are_those_of_evaluate(one):
    assert Scores.load(one.path / "scores" / "subject-01").table.equals(one.scores.table)
    data = SmallPeople().subject("1")
    again = bc.evaluate(bc.Encoder.load(one.path), _seven_units(data), metrics="correlation", draws=20, permutations=20)
    assert again.value("correlation", roi="V1") == pytest.approx(one.scores.value("correlation", roi="V1"), abs=1e-6)


def _seven_units(recording):
    from braincodec.training.data import in_regions

    return in_regions(recording, ("V1", "V2"))


def test_training_by_the_saved_settings_gives_the_same_model_to_the_bit(one, tmp_path):
    again = train(one.path / "train.yaml", output=tmp_path / "again")
    for name in ("model.safetensors", "config.json", "units.nc"):
        files = [result.models[0].path / name for result in (one, again)]
        assert files[0].read_bytes() == files[1].read_bytes(), name


def test_without_output_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = train(settings(roi="V1"))
    assert result.path is None and result.encoder.description.roi == "V1"
    assert not list(tmp_path.iterdir())


def test_each_region_of_each_subject_gets_a_model_of_its_own(tmp_path):
    result = train(settings(subject="all", roi="each", output=tmp_path / "out", workspace=tmp_path / "work"))
    assert fits(tmp_path / "work") == ["1 4", "1 3", "1 7", "2 4", "2 3", "2 7"]
    entry = bc.open_store(tmp_path / "out").entry(MODEL)
    assert entry.one_model_a_roi and entry.rois_of_subject == {1: ("V1", "V2", "early"), 2: ("V1", "V2", "early")}
    encoder = bc.open_store(tmp_path / "out").encoder(MODEL, subject=2, roi="V2")
    assert encoder.units["roi"].values.tolist() == ["V2", "early"]
    assert len(result.models) == 6 and result.table["roi"].nunique() == 3
    with pytest.raises(InputValueError, match="6 models were trained"):
        _ = result.encoder
    with pytest.raises(InputValueError, match="holds 6 models"):
        bc.Encoder.load(tmp_path / "out")


def test_a_split_of_ones_own_is_used_and_stored(tmp_path):
    result = train(settings(split={"fractions": [0.5, 0, 0.5], "seed": 3}))
    assert {part: len(ids) for part, ids in result.encoder.description.training["split"].items()} == {
        "train": 30,
        "validation": 0,
        "test": 30,
    }
    ids = SmallPeople().subject("1").stimuli.ids.tolist()
    file = tmp_path / "split.json"
    file.write_text(json.dumps({"1": {"train": ids[:10], "test": ids[10:20]}}))
    assert len(train(settings(split={"file": file})).encoder.description.training["split"]["test"]) == 10
    with pytest.raises(UnknownNameError, match="subject '2'"):
        train(settings(split={"file": file}, subject=2))


def test_without_test_stimuli_it_is_judged_on_validation_and_says_so():
    result = train(settings(split={"fractions": [0.6, 0.4, 0]}))
    assert any("validation" in warning for warning in result.warnings)
    assert result.encoder.description.training["scored_on"] == "validation"
    alone = train(settings(split={"fractions": [1, 0, 0]}))
    assert alone.scores is None and alone.encoder.description.accuracy is None


def test_predictions_that_know_the_test_responses_are_called_out():
    recording = SmallPeople(noise=3.0).subject("1")
    known = recording.part("test")[1].mean("repetition")
    scores = bc.evaluate(known, recording, metrics="correlation", draws=50, permutations=0)
    assert "No model can predict better" in scores.about["warnings"][0]


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"subject": 3}, UnknownNameError, "unknown subject '3'.*available: 1, 2"),
        ({"subject": None}, InputValueError, "2 subjects: 1, 2; say which"),
        ({"roi": "V3"}, UnknownNameError, "unknown roi 'V3'"),
        ({"roi": "nowhere"}, UnknownNameError, "unknown roi 'nowhere'"),
        ({"dataset": "small_peeple"}, UnknownNameError, "did you mean 'small_people'"),
        ({"dataset": {"name": DATASET, "root": "/x"}}, InputValueError, "takes no root"),
        ({"dataset": {"name": DATASET, "options": {"nois": 1}}}, UnknownNameError, "did you mean 'noise'"),
        ({"evaluation": {"metrics": "corelation"}}, UnknownNameError, "did you mean 'correlation'"),
        ({"evaluation": {"metrics": "ssim"}}, InputValueError, "ssim is a metric of decoding"),
        ({"evaluation": {"noise_ceiling": "given"}}, InputValueError, "needs an array"),
        ({"device": "cudda"}, UnknownNameError, "unknown device 'cudda'"),
        ({"model": {"kind": "linear", "backbone": "gabr:bank", "layers": "*"}}, UnknownNameError, "mean 'gabor'"),
        ({"split": {"fractions": [0.01, 0, 0.9]}}, InputValueError, "at least 2 are needed"),
        (
            {"evaluation": {"part": "validation"}, "split": {"fractions": [0.5, 0, 0.5]}},
            InputValueError,
            "no validation",
        ),
    ],
)
def test_mistakes_end_before_anything_is_trained(changes, error, words, tmp_path):
    with pytest.raises(error, match=words):
        train(settings(**{"output": tmp_path / "out", "workspace": tmp_path / "work", **changes}))
    assert not (tmp_path / "out").exists() and not (tmp_path / "work" / "fits.txt").exists()


def test_a_subject_may_be_written_as_studies_do(tmp_path):
    names = {asked: train(settings(subject=asked)).models[0].piece.subject for asked in ("sub-01", "02", 2)}
    assert names == {"sub-01": "1", "02": "2", 2: "2"}


KILLED = """
import sys
sys.path.insert(0, {parent!r})
from tests import small_training
from braincodec.training import train
train(small_training.settings(subject="all", roi="each", output={out!r}))
"""


def killed_run(out: Path, mark: Path, at: str) -> None:
    """Kill a run while it trains one of its models."""
    code = textwrap.dedent(KILLED).format(parent=str(Path(__file__).resolve().parents[2]), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, WAIT: f"{at}:{mark}"})
    deadline = time.monotonic() + 120
    while not mark.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert mark.exists()


@pytest.mark.slow
def test_a_killed_run_goes_on_and_trains_nothing_twice(tmp_path):
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    killed_run(out, tmp_path / "mark", at="2-4")
    assert not out.exists()
    before = fits(partial / "workspace")
    assert before == ["1 4", "1 3", "1 7", "2 4"]
    same = {"subject": "all", "roi": "each", "output": out}
    with pytest.raises(InputValueError, match=r"other settings \(model.strength was 0.001, is 0.5\)"):
        train(settings(**same, model={"kind": KIND, "strength": 0.5}))
    lines: list[str] = []
    finished = {path: path.stat().st_mtime_ns for path in partial.rglob("model.safetensors")}
    assert len(finished) == 3
    result = train(settings(**same, workspace=tmp_path / "work"), say=lines.append)
    assert fits(tmp_path / "work") == ["2 4", "2 3", "2 7"]
    assert "goes on" in lines[0] and not partial.exists()
    whole = train(settings(**{**same, "output": tmp_path / "whole"}))
    for resumed, straight in zip(result.models, whole.models, strict=True):
        files = [model.path / "model.safetensors" for model in (resumed, straight)]
        assert files[0].read_bytes() == files[1].read_bytes()
        assert resumed.scores is not None and straight.scores is not None
        assert resumed.scores.table.equals(straight.scores.table)


def test_two_processes_do_not_write_the_same_result(tmp_path):
    from braincodec.training import TrainConfig
    from braincodec.training.folder import ResultFolder

    config = TrainConfig.parse(settings(output=tmp_path / "out"))
    with (
        ResultFolder(tmp_path / "out", config, overwrite=False),
        pytest.raises(OutputError, match="another process"),
    ):
        train(settings(output=tmp_path / "out"))
    assert train(settings(output=tmp_path / "out")).path == tmp_path / "out"


def test_a_mistake_that_the_fit_finds_leaves_nothing_behind(tmp_path):
    wrong = {"kind": "linear", "backbone": "gabor:bank", "layers": "scale.*"}
    with pytest.raises(UnknownNameError, match="layer"):
        train(settings(model=wrong, output=tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_features_of_a_run_that_finished_nothing_serve_other_settings(tmp_path):
    partial = tmp_path / "out.partial"
    (partial / "workspace").mkdir(parents=True)
    (partial / "train.yaml").write_text("dataset: small_people\nsubject: 2\nmodel: {kind: small_colours}\n")
    (partial / "workspace" / "fits.txt").write_text("0 0\n")
    train(settings(output=tmp_path / "out"))
    assert (tmp_path / "out" / "train.yaml").is_file() and not partial.exists()


def test_a_full_disk_is_explained_and_the_run_goes_on_after_room_was_made(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("braincodec.artefact._write_tensors", full)
        with pytest.raises(OutputError, match=r"No space left.*MB free.*make room and give the same command again"):
            train(settings(output=tmp_path / "out"))
    assert not (tmp_path / "out").exists() and not list((tmp_path / "out.partial").rglob("model.safetensors"))
    assert train(settings(output=tmp_path / "out")).path == tmp_path / "out"


@pytest.mark.slow
def test_linear_models_train_to_the_ceiling_of_a_simulated_cortex(tmp_path):
    result = train(
        {
            "dataset": {"name": "simulated", "options": {"n": 60, "backbone": "gabor:bank", "calibration": 16}},
            "roi": "V1",
            "model": {"kind": "linear", "backbone": "gabor:bank", "layers": "scales.*", "pooling": "spatial_mean"},
            "evaluation": {"draws": 20, "permutations": 20, "metrics": "correlation", "report": False},
            "output": tmp_path / "out",
        }
    )
    assert result.scores is not None and result.encoder.description.simulated
    assert result.scores.value("correlation", roi="V1") > 0.2
    again = train(tmp_path / "out" / "train.yaml", output=tmp_path / "again")
    mine, theirs = (one.encoder.tensors() for one in (result, again))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    stored = xr.open_dataset(result.models[0].path / "units.nc", engine="h5netcdf")
    assert "accuracy_correlation" in stored


def own_recordings(folder: Path) -> Path:
    """A folder as anybody may have it, with one dead unit."""
    from PIL import Image

    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 4, 4, 3), np.uint8).repeat(12, 1).repeat(12, 2)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / "images" / f"{number:03d}.png")
    responses = rng.standard_normal((40, 5))
    responses[:, 3] = np.nan
    np.save(folder / "responses.npy", responses)
    return folder


def test_ones_own_recordings_train_and_a_dead_unit_stays_nan_and_is_reported(tmp_path, recwarn):
    result = train(
        {
            "dataset": {"name": "own", "root": own_recordings(tmp_path / "mine")},
            "model": {"kind": "linear", "backbone": "gabor:bank", "layers": "scales.*", "image_size": 64, "folds": 2},
            "evaluation": {"draws": 20, "permutations": 0, "metrics": "correlation", "report": False},
            "output": tmp_path / "out",
        }
    )
    assert np.isnan(result.encoder.encode(tmp_path / "mine" / "images", progress=False).values[:, 3]).all()
    assert np.flatnonzero(np.isnan(result.encoder.units["accuracy_correlation"])).tolist() == [3]
    assert any("1 of 5 units are NaN for every stimulus" in warning for warning in result.warnings)
    assert result.warnings == bc.Encoder.load(tmp_path / "out").description.training["warnings"]
    assert not [one for one in recwarn if one.category.__module__.startswith("braincodec.readouts")]


def test_eeg_trains_repetition_by_repetition(tmp_path):
    options = {"modality": "eeg", "n": 40, "repetitions": 3, "backbone": "gabor:bank", "calibration": 16}
    model = {"kind": "linear", "backbone": "gabor:bank", "layers": "scales.*", "pooling": "spatial_mean"}
    result = train(
        {
            "dataset": {"name": "simulated", "options": options},
            "model": {**model, "readout": "least_squares", "components": 5, "repetitions": "separate"},
            "evaluation": {"draws": 5, "permutations": 0, "metrics": "correlation", "report": False},
            "output": tmp_path / "out",
        }
    )
    encoder = bc.Encoder.load(tmp_path / "out")
    assert encoder.response_dims == ("repetition", "channel", "time")
    assert encoder.units["accuracy_correlation"].dims == ("channel", "time")
    assert {"noise_ceiling_lower", "noise_ceiling_upper"} <= set(encoder.units)
    with pytest.raises(InputValueError, match="has no regions"):
        train(result.config, roi="V1", output=None)


def test_a_name_is_that_of_model_and_scores(tmp_path):
    done = train(settings(output=tmp_path / "out", roi=["V2"], name="colours-of-monday"))
    assert done.encoder.description.model == done.scores.name == "colours-of-monday"
