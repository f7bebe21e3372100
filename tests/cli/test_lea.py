"""`braincodec lea-god`, `lea-bold5000` and `decode`, from the folders of the data to images and scores."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from braincodec.datasets import load_dataset
from braincodec.evaluation.judging.predicting import mean_responses

from ..published_lea.simulated import (
    NETWORKS,
    of_any_size,
    quick_options,
    without_pictures,
    write_small_bold5000,
    write_small_god,
)


@pytest.fixture(scope="module", autouse=True)
def smaller_than_published() -> Iterator[None]:
    with of_any_size(), pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        yield


@pytest.fixture(scope="module")
def god(tmp_path_factory) -> Path:
    return write_small_god(tmp_path_factory.mktemp("data") / "god")


@pytest.fixture(scope="module")
def trained(god, tmp_path_factory) -> Path:
    """The folder that lea-god leaves."""
    from braincodec.cli.app import main

    out = tmp_path_factory.mktemp("result") / "out"
    words = ["lea-god", "--root", god, "--subject", "1", *quick_options(), "-o", out]
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    assert not stop.value.code
    return out


@pytest.fixture
def fmri(god, tmp_path) -> Path:
    """Measured responses of subject 1 to the test pictures, with their ids."""
    recording = load_dataset("god", god, preprocessing="none").subject("1")
    path = tmp_path / "fmri.nc"
    mean_responses(recording, "test").bc.to_netcdf(path)
    return path


@pytest.mark.slow
def test_bold5000_runs_from_its_folder_to_a_summary_of_both_directions(run, tmp_path):
    root = write_small_bold5000(tmp_path / "bold5000")
    out = tmp_path / "out"
    outcome = run("lea-bold5000", "--root", root, "--subject", "CSI1", *quick_options(NETWORKS), "-o", out)
    assert outcome.code == 0, outcome.err
    plan, _, rest = outcome.err.partition("training the fMRI autoencoder, image tokenizer, token generator, and")
    assert "bold5000, subject CSI1: 64 training and 6 test stimuli, 29 voxels (EarlyVis 9, LOC 7, OPA 5" in plan
    assert rest
    for word in ("encoding", "decoding", "correlation", "two_way_pixels", "95 % interval", str(out / "report.html")):
        assert word in outcome.out
    assert "not as published: fMRI autoencoder, image tokenizer, token generator" in rest
    assert (out / "sheet.png").is_file() and (out / "responses.zarr").is_dir()


def test_a_result_serves_every_other_command(run, trained, god, tmp_path):
    assert run("models", "--store", trained).out.count("fmri-god-lea") == 1
    outcome = run("report", trained / "scores", "-o", tmp_path / "report.html")
    assert outcome.code == 0, outcome.err
    outcome = run("evaluate", trained, "--root", god, "--metrics", "pixel_correlation", "--samples", 2, "--json")
    assert outcome.code == 0, outcome.err
    with (trained / "scores.csv").open() as file:
        known = next(row for row in csv.DictReader(file) if row["metric"] == "pixel_correlation")
    assert json.loads(outcome.out)["table"][0]["value"] == pytest.approx(float(known["value"]))


def test_dry_run_tells_the_plan_and_writes_nothing(run, god, tmp_path):
    outcome = run("lea-god", "--root", god, "--subject", "2", *quick_options(), "--published", "--dry-run", "-o",
                  tmp_path / "out")  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "ridge, 500; no intercept" in outcome.out and "test set's own mean and deviation" in outcome.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--root", "no/such", "--subject", "1"], 1, "not found"),
        (["--subject", "6"], 1, "unknown subject '6' of god"),
        (["--subject", "1", "--samples", "0"], 2, "--samples"),
        (["--subject", "1", "--alpha", "0"], 1, "alpha"),
        (["--subject", "1", "--set", "folds"], 1, "name=value"),
        (["--subject", "1", "--config", "absent.yaml"], 1, "absent.yaml"),
        (["--subject", "1", "--model", "absent"], 1, "absent"),
    ],
)
def test_mistakes_are_told_in_a_line(run, god, tmp_path, words, code, message):
    root = [] if "--root" in words else ["--root", god]
    outcome = run("lea-god", *root, *words, "-o", tmp_path / "out")
    assert outcome.code == code
    assert message in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_decode_writes_images_sheet_and_hits(run, trained, god, fmri, tmp_path):
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    pictures = load_dataset("god", god).subject("1").stimuli
    for name, image in list(zip(pictures.ids, pictures, strict=True))[:8]:
        Image.fromarray(image).save(gallery / f"{name}.png")
    out = tmp_path / "decoded"
    outcome = run("decode", fmri, "--model", trained, "-o", out, "--samples", 2, "--gallery", gallery, "-k", 3)
    assert outcome.code == 0, outcome.err
    assert f"{out}: 6 x 2 samples" in outcome.out
    assert len(list((out / "images").glob("*-sample-2.png"))) == 6
    with (out / "hits.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18 and rows[0]["id"].endswith(".png")
    # the same responses, samples and seed as the published inference decoded
    for path in (out / "images").iterdir():
        assert path.read_bytes() == (trained / "images" / path.name).read_bytes()


def test_decode_takes_unlabelled_arrays(run, trained, tmp_path):
    np.save(tmp_path / "fmri.npy", np.random.default_rng(0).normal(size=(3, 54)).astype(np.float32))
    outcome = run(
        "decode", tmp_path / "fmri.npy", "-m", trained / "fmri-god-lea" / "subject-01", "-o", tmp_path / "out"
    )
    assert outcome.code == 0, outcome.err
    assert sorted(path.name for path in (tmp_path / "out" / "images").iterdir()) == ["0.png", "1.png", "2.png"]


def test_decode_warns_of_the_test_sets_own_statistics(run, trained, fmri, tmp_path):
    outcome = run("decode", fmri, "-m", trained, "-o", tmp_path / "out", "--rescale", "transductive")
    assert outcome.code == 0, outcome.err
    assert "not comparable" in outcome.err
    assert json.loads((tmp_path / "out" / "decode.json").read_text())["rescale"] == "transductive"


def wrong_voxels(folder: Path) -> Path:
    np.save(folder / "fmri.npy", np.zeros((2, 53), np.float32))
    return folder / "fmri.npy"


def not_finite(folder: Path) -> Path:
    values = np.zeros((2, 54), np.float32)
    values[1, 7] = np.nan
    np.save(folder / "fmri.npy", values)
    return folder / "fmri.npy"


def hostile(folder: Path) -> Path:
    np.save(folder / "fmri.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return folder / "fmri.npy"


@pytest.mark.parametrize(
    ("make", "words", "message"),
    [
        (wrong_voxels, [], "53 voxels"),
        (not_finite, [], "NaN"),
        (hostile, [], "cannot be read as responses"),
        (lambda folder: folder / "absent.npy", [], "responses not found"),
        (None, ["--rescale", "transductiv"], "transductive"),
        (None, ["--subject", "2"], "subject '2'"),
        (None, ["--gallery", "no-such-gallery"], "no-such-gallery"),
    ],
)
def test_decode_refuses_what_does_not_fit_and_leaves_nothing(run, trained, fmri, tmp_path, make, words, message):
    given = fmri if make is None else make(tmp_path)
    before = set(tmp_path.iterdir())
    outcome = run("decode", given, "-m", trained, "-o", tmp_path / "out", *words)
    assert outcome.code == 1
    assert message in outcome.err
    assert set(tmp_path.iterdir()) == before


def test_decode_names_a_folder_that_is_not_there_and_the_other_way_to_name_a_model(run, fmri, tmp_path, monkeypatch):
    monkeypatch.delenv("BRAINCODEC_STORE", raising=False)
    outcome = run("decode", fmri, "-m", "no-such-model", "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "folder of a model not found: no-such-model" in outcome.err and "--store" in outcome.err


def test_decode_refuses_a_gallery_of_one(run, trained, fmri, tmp_path):
    (tmp_path / "gallery").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "gallery" / "only.png")
    outcome = run("decode", fmri, "-m", trained, "-o", tmp_path / "out", "--gallery", tmp_path / "gallery")
    assert outcome.code == 1
    assert "at least 2 images to choose from, this one has 1" in outcome.err


def test_decode_refuses_an_encoder(run, small_store, fmri, tmp_path):
    outcome = run("decode", fmri, "-m", "fmri-test-mean_colour", "--store", small_store, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "decod" in outcome.err and not (tmp_path / "out").exists()


def test_decode_asks_whose_model_where_there_are_several(run, trained, fmri, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(trained / "fmri-god-lea", store / "fmri-god-lea")
    shutil.copytree(store / "fmri-god-lea" / "subject-01", store / "fmri-god-lea" / "subject-02")
    config = store / "fmri-god-lea" / "subject-02" / "config.json"
    config.write_text(config.read_text().replace('"subject": 1', '"subject": 2'))
    outcome = run("decode", fmri, "-m", store, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "--subject" in outcome.err and "1, 2" in outcome.err
    assert run("decode", fmri, "-m", store, "--subject", "1", "-o", tmp_path / "out").code == 0


def test_decode_refuses_an_existing_folder(run, trained, fmri, tmp_path):
    (tmp_path / "out").mkdir()
    outcome = run("decode", fmri, "-m", trained, "-o", tmp_path / "out")
    assert outcome.code == 1
    assert "exists" in outcome.err
