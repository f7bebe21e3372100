"""`braincodec convert`, and the function under it."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from braincodec.errors import InputValueError, MissingFileError, OutputError, UnknownNameError
from braincodec.legacy.convert import convert_folder, plan_conversion
from braincodec.models.base import Encoder
from braincodec.responses import open_responses
from braincodec.store import open_store

FWRF, EEG = "fmri-nsd-fwrf", "eeg-things_eeg_2-vit_b_32"
WEIGHTS = "encoding_models/modality-fmri/train_dataset-nsd/model-fwrf/encoding_models_weights"


@pytest.fixture
def ned(golden, tmp_path):
    """A writable copy of the fMRI part of a published folder, with some things that are no models of ours."""
    folder = tmp_path / "ned"
    source = golden / "neural_encoding_dataset"
    place = "encoding_models/modality-fmri/train_dataset-nsd/model-fwrf"
    shutil.copytree(source / place, folder / place, copy_function=shutil.copyfile)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    (folder / "encoding_models/modality-fmri/train_dataset-nsd/model-alexnet/encoding_models_weights").mkdir(
        parents=True
    )
    (folder / place / "encoding_models_accuracy").mkdir()
    (folder / "synthetic_neural_responses/modality-fmri").mkdir(parents=True)
    return folder


def test_folder_becomes_artefacts_that_give_the_published_numbers(run, ned, golden, tmp_path):
    outcome = run("convert", ned, tmp_path / "store")
    assert outcome.code == 0
    assert "2 converted" in outcome.out
    answers = np.load(golden / "expected_fmri.npz")
    for roi in ("V1", "lateral"):
        output = tmp_path / f"{roi}.npy"
        images = f"{golden / 'images.npz'}::images_227"
        run("encode", images, "-m", FWRF, "-s", tmp_path / "store", "--roi", roi, "-o", output)
        expected = answers[f"{roi}_227"]
        assert np.abs(np.load(output) - expected).max() <= 1e-4 * expected.std()


def test_what_is_skipped_is_said_with_the_reason(run, ned, tmp_path):
    rows = json.loads(run("convert", ned, tmp_path / "store", "--json").out)
    skipped = {row["name"].rpartition("/")[2]: row["reason"] for row in rows if row["outcome"] == "skipped"}
    assert set(skipped) == {"model-alexnet", "encoding_models_accuracy", "synthetic_neural_responses"}
    assert FWRF in skipped["model-alexnet"]
    assert all(skipped.values())


def test_memory_is_announced_with_the_size_of_the_file(run, ned, tmp_path):
    size = sum((ned / WEIGHTS / f"weights_sub-01_roi-lateral_split-{part}.pt").stat().st_size for part in (1, 2))
    outcome = run("convert", ned, tmp_path / "store")
    assert f"reading {FWRF} subject 1 lateral ({size / 1e6:,.1f} MB) may take up to" in outcome.err
    assert f"{(size + 1e9) / 1e9:.2f} GB of memory" in outcome.err


def test_finished_artefacts_are_kept(run, ned, tmp_path):
    run("convert", ned, tmp_path / "store", "--roi", "V1")
    first = tmp_path / "store" / FWRF / "subject-01" / "roi-V1" / "model.safetensors"
    before = first.stat().st_mtime_ns
    outcome = run("convert", ned, tmp_path / "store")
    assert "1 converted, 1 kept" in outcome.out
    assert first.stat().st_mtime_ns == before
    assert "2 converted" in run("convert", ned, tmp_path / "store", "--overwrite").out
    assert first.stat().st_mtime_ns != before


def test_interrupted_conversion_leaves_no_half_artefact_and_goes_on(run, ned, tmp_path, monkeypatch):
    save = Encoder.save

    def save_and_stop(self, path, **options):
        if "lateral" in str(path):
            monkeypatch.setattr("braincodec.artefact.model_card", interrupt)  # in the middle of writing
        return save(self, path, **options)

    def interrupt(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Encoder, "save", save_and_stop)
        assert run("convert", ned, tmp_path / "store").code == 130
    monkeypatch.undo()
    subject = tmp_path / "store" / FWRF / "subject-01"
    assert [path.name for path in subject.iterdir()] == ["roi-V1"]
    assert "1 converted, 1 kept" in run("convert", ned, tmp_path / "store").out


def test_damaged_file_fails_alone_with_exit_code_1(run, ned, tmp_path):
    broken = ned / WEIGHTS / "weights_sub-01_roi-V1.pt"
    os.truncate(broken, 5000)
    outcome = run("convert", ned, tmp_path / "store")
    assert outcome.code == 1
    assert "1 converted, 3 skipped, 1 failed" in outcome.out
    assert not (tmp_path / "store" / FWRF / "subject-01" / "roi-V1").exists()
    assert open_store(tmp_path / "store").entry(FWRF).rois == ["lateral"]


def test_hostile_file_fails_with_what_it_tried_to_run(run, ned, tmp_path):
    marker = tmp_path / "marker"
    pickle = f"cos\nsystem\n(S'touch {marker}'\ntR.".encode()
    (ned / WEIGHTS / "weights_sub-01_roi-V1.pt").write_bytes(pickle)
    (job,) = [job for job in convert_folder(ned, tmp_path / "store") if job.roi == "V1"]
    assert job.outcome == "failed"
    assert "system" in job.reason
    assert not marker.exists()


def test_missing_part_of_two_is_named(ned, tmp_path):
    (ned / WEIGHTS / "weights_sub-01_roi-lateral_split-2.pt").unlink()
    (job,) = [job for job in convert_folder(ned, tmp_path / "store") if job.roi == "lateral"]
    assert job.outcome == "failed"
    assert "split-2" in job.reason


def test_weights_without_metadata_are_converted_and_said_to_lack_positions(ned, tmp_path):
    for path in (ned / WEIGHTS).parent.glob("metadata/*"):
        path.unlink()
    jobs = [job for job in convert_folder(ned, tmp_path / "store") if job.outcome == "converted"]
    assert len(jobs) == 2
    assert all("no metadata file" in job.reason for job in jobs)


def test_progress_is_told_before_and_after_each_model(ned, tmp_path):
    begun, ended = [], []
    done = convert_folder(ned, tmp_path / "store", rois=["V1"], on_start=begun.append, on_end=ended.append)
    assert [(job.roi, job.outcome) for job in begun] == [("V1", "pending")]
    assert ended == done
    assert done[0].artefact == tmp_path / "store" / FWRF / "subject-01" / "roi-V1"


def test_plan_reads_nothing_and_writes_nothing(ned, tmp_path):
    for path in (ned / WEIGHTS).iterdir():
        path.write_bytes(b"not a model")
    plan = plan_conversion(ned, tmp_path / "store")
    assert [job.outcome for job in plan].count("pending") == 2
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"models": ["fmri-nsd-fwfr"]}, "did you mean 'fmri-nsd-fwrf'"),
        ({"subjects": [7]}, "unknown subject"),
        ({"rois": ["V9"]}, "unknown roi 'V9'"),
    ],
)
def test_names_that_are_not_there_are_refused(ned, tmp_path, choice, words):
    with pytest.raises(UnknownNameError, match=words):
        convert_folder(ned, tmp_path / "store", **choice)


def test_wrong_folders_are_refused(tmp_path):
    with pytest.raises(MissingFileError):
        convert_folder(tmp_path / "nothing", tmp_path / "store")
    with pytest.raises(InputValueError, match="holds no encoding_models"):
        convert_folder(tmp_path, tmp_path / "store")


@pytest.mark.parametrize("small_disk", [8], indirect=True)
def test_full_disk_ends_the_conversion_and_leaves_nothing(ned, small_disk):
    with pytest.raises(OutputError, match=r"cannot write .*lateral"):
        convert_folder(ned, small_disk / "store")
    assert [path.name for path in (small_disk / "store" / FWRF / "subject-01").iterdir()] == ["roi-V1"]


@pytest.mark.slow
def test_eeg_model_becomes_an_artefact_with_the_same_numbers(run, golden, torchvision, seeded_vit, tmp_path):
    outcome = run("convert", golden / "neural_encoding_dataset", tmp_path / "store", "--model", EEG)
    assert outcome.code == 0
    images = f"{golden / 'images.npz'}::images_227"
    encoded = run("encode", images, "-m", EEG, "-s", tmp_path / "store", "-o", tmp_path / "x.nc")
    assert encoded.code == 0, encoded.err
    answers = np.load(golden / "expected_eeg.npz")
    expected = answers[next(name for name in answers.files if answers[name].shape[0] == 6)]
    found = open_responses(tmp_path / "x.nc").values
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * expected.std()
