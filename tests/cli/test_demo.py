"""The demo, with few photographs."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from braincodec.demo import next_steps, run_demo
from braincodec.errors import MissingExtraError
from braincodec.responses import open_responses

NAMES = ["astronaut", "china"]
SMALL = {"backbone": "gabor:bank", "calibration": 16, "stimuli": 60}

for package in ("skimage", "sklearn", "nibabel", "nilearn", "matplotlib", "mne"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    lines: list[str] = []
    folder = tmp_path_factory.mktemp("demo") / "output"
    return run_demo(folder, names=NAMES, **SMALL, say=lines.append), lines


@pytest.mark.slow
def test_everything_is_where_it_says(demo):
    result, lines = demo
    from PIL import Image

    with Image.open(result.figure) as figure:
        assert figure.width > 1000
        assert "simulated" in figure.text["Description"]
    assert sorted(path.name for path in result.photographs.iterdir()) == ["LICENCES.txt", "astronaut.png", "china.png"]
    licences = (result.photographs / "LICENCES.txt").read_text(encoding="utf-8")
    assert all(name in licences for name in NAMES)
    assert set(result.outputs) == {"fmri", "eeg"}
    assert any("simulated" in line for line in lines)


@pytest.mark.slow
def test_responses_are_those_of_the_stored_model_and_say_simulated(demo):
    from braincodec.store import open_store

    result, _ = demo
    stored = open_responses(result.outputs["fmri"])
    assert stored.attrs["simulated"] == 1
    model = stored.attrs["model"]
    again = open_store(result.store).encoder(model).encode(result.photographs)
    np.testing.assert_allclose(stored.values, again.values, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_table_has_the_mean_of_each_area(demo):
    result, _ = demo
    stored = open_responses(result.outputs["fmri"]).sel(stimulus="china.png")
    with (result.folder / "responses-by-roi.csv").open(encoding="utf-8") as file:
        rows = {row["photograph"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(NAMES)
    mean = stored.values[stored["roi_V1"].values].mean()
    assert float(rows["china"]["V1"]) == pytest.approx(float(mean), abs=1e-4)


@pytest.mark.slow
def test_next_steps_name_what_exists_and_say_simulated(demo):
    result, _ = demo
    text = "\n".join(next_steps(result))
    assert "simulated" in text
    assert str(result.figure) in text
    assert "braincodec encode my-pictures/" in text
    assert f"braincodec app --store {result.store}" in text
    elsewhere = next_steps(result, ".venv/bin/braincodec")
    assert not any(line.startswith("  braincodec ") for line in elsewhere)
    assert f"  .venv/bin/braincodec app --store {result.store}" in elsewhere
    assert "in Python (.venv/bin/python):" in elsewhere


@pytest.mark.slow
def test_second_demo_uses_the_same_subjects(demo):
    result, _ = demo
    lines: list[str] = []
    again = run_demo(result.folder, names=NAMES[:1], **SMALL, say=lines.append)
    assert sum("earlier demo" in line for line in lines) == 3
    assert again.decoded.rows() == result.decoded.rows()
    assert again.trained.rows() == result.trained.rows()
    assert again.mean_responses["astronaut"] == pytest.approx(result.mean_responses["astronaut"], rel=1e-4)
    assert open_responses(again.outputs["fmri"]).sizes["stimulus"] == 1


def test_program_is_named_as_it_can_be_typed(monkeypatch):
    from braincodec.cli.output import program

    monkeypatch.setattr("sys.argv", [".venv/bin/braincodec", "demo"])
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert program() == ".venv/bin/braincodec"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert program() == "braincodec"
    monkeypatch.setattr("sys.argv", ["-c"])
    assert program() == "braincodec"


def test_missing_extra_is_said_before_anything_is_written(tmp_path, monkeypatch):
    def missing(package, what):
        raise MissingExtraError(package, "demo", what)

    monkeypatch.setattr("braincodec.extras.import_optional", missing)
    with pytest.raises(MissingExtraError, match=r"pip install 'braincodec\[demo\]'"):
        run_demo(tmp_path / "output")
    assert not (tmp_path / "output").exists()


@pytest.mark.slow
def test_a_model_is_trained_and_its_accuracy_shown_beside_the_ceiling(demo):
    from PIL import Image

    import braincodec as bc

    result, lines = demo
    trained = result.trained
    areas = {row[0]: row for row in trained.rows()}
    assert set(areas) == {"all", "V1", "V2", "V3", "hV4", "EBA", "FFA", "PPA", "VWFA"}
    assert 0.1 < float(areas["all"][1]) < float(areas["all"][3]) <= 1
    with Image.open(trained.figure) as picture:
        words = picture.text["Description"]
    assert words == trained.text_alternative
    assert words.startswith("Simulated subject: nothing was measured") and "V1" in words
    assert (trained.folder / "scores.csv").is_file() and (trained.folder / "report.html").is_file()
    assert bc.Encoder.load(trained.folder).description.simulated
    assert any("training linear" in line for line in lines)
    assert str(trained.figure) in "\n".join(next_steps(result))


@pytest.mark.slow
def test_images_are_decoded_and_shown_beside_the_seen_ones(demo):
    from PIL import Image

    import braincodec as bc
    from braincodec.stimuli import StimulusSet

    result, lines = demo
    decoded = result.decoded
    assert decoded.scores.direction == "both" and decoded.scores.about["simulated"]
    with Image.open(decoded.figure) as picture:
        words = picture.text["Description"]
    assert words == decoded.text_alternative
    assert words.startswith("Simulated subject: nothing was measured. Each decoded image is the nearest of the 48 ")
    assert "Seen and decoded images, sorted from best to worst" in words
    rows = {row[1]: row for row in decoded.rows()}
    assert {row[0] for row in rows.values()} == {"encoding", "decoding"}
    assert "Two-way identification (decoded embedding)" in rows
    assert all(" to " in row[3] for row in rows.values())  # each with its interval
    store = bc.open_store(result.store)
    assert [entry.id for entry in store.entries()] == [
        "eeg-simulated-linear", "fmri-simulated-gaussian_fwrf", "fmri-simulated-lea"
    ]  # fmt: skip
    lea = store.encoder("fmri-simulated-lea", subject=1)
    assert lea.description.simulated and decoded.model.is_dir()
    assert not list(decoded.folder.glob("**/*.safetensors"))  # it is there once
    training = {image.tobytes() for image in lea.generator.tensors()["images"].numpy()}
    seen = decoded.scores.images
    assert len(seen["ids"]) == 6 and len(training) == 48
    recording = bc.load_dataset("simulated", n=60, repetitions=3, backbone="gabor:bank", calibration=16).subject("1")
    images = lea.decode(recording.part("test")[1].mean("repetition"))
    assert isinstance(images, StimulusSet) and {np.asarray(image).tobytes() for image in images} <= training
    assert (decoded.folder / "report.html").is_file()
    assert any("judged in both directions" in line for line in lines)
    assert str(decoded.figure) in "\n".join(next_steps(result))


@pytest.mark.slow
def test_whole_demo_at_its_own_size(run, tmp_path):
    pytest.importorskip("efficientnet_lite_pytorch")
    outcome = run("demo", "--output", tmp_path / "output")
    assert outcome.code == 0
    assert "images per second" in outcome.out
    assert "simulated" in outcome.out
    assert (tmp_path / "output" / "figure.png").is_file()
    assert outcome.out.rstrip().endswith(str(tmp_path / "output" / "decoded.png"))
    assert (tmp_path / "output" / "decoded.png").is_file()
