"""`braincodec convert --to ned`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from braincodec import open_store
from braincodec.errors import InputValueError
from braincodec.legacy.convert import convert_folder
from braincodec.store.to_ned import store_to_ned
from ned.ned import NED

from ..small_models import fwrf, gabor_linear, images

IMAGES = np.ascontiguousarray(images(2).transpose(0, 3, 1, 2))
FWRF = "fmri-nsd-fwrf"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two regions of two subjects, one with a name, and a model that NED has no form for."""
    root = tmp_path_factory.mktemp("store")
    for subject, roi in ((1, "V1"), (1, "FFA-1"), (2, "V1")):
        encoder = fwrf(3, model=FWRF, dataset="nsd", roi=roi, subject=subject, rois={roi: np.ones(3, bool)})
        encoder.save(root / FWRF / f"subject-{subject:02d}" / f"roi-{roi}")
    named = fwrf(3, model=FWRF, dataset="nsd", roi="V1", subject="monkey-A")
    named.save(root / FWRF / "subject-monkey-A" / "roi-V1")
    gabor_linear(4, model="fmri-test-gabor").save(root / "fmri-test-gabor" / "subject-01")
    return root


def outcomes(outcome):
    return {(row["name"], row["subject"], row["roi"]): row["outcome"] for row in json.loads(outcome.out)}


def test_store_becomes_a_ned_folder_that_the_facade_reads(run, store, tmp_path):
    outcome = run("convert", "--to", "ned", store, tmp_path / "ned")
    assert outcome.code == 0
    assert "3 converted, 2 skipped" in outcome.out
    assert "numbers its subjects" in outcome.out and "gabor" in outcome.out
    assert "has a place for fwRF models of voxels" in outcome.err
    ned, ours = NED(tmp_path / "ned"), open_store(store)
    for subject, roi in ((1, "V1"), (1, "FFA-1"), (2, "V1")):
        responses, metadata = ned.encode(IMAGES, "fmri", "nsd", "fwrf", subject, roi, device="cpu")
        expected = ours.encoder(FWRF, subject, roi).encode(IMAGES, device="cpu")
        np.testing.assert_array_equal(responses, expected.values)
        assert metadata["fmri"]["roi_mask_volume"].sum() == 3


def test_what_is_there_is_kept_and_the_rest_is_added(run, store, tmp_path):
    run("convert", "--to", "ned", store, tmp_path / "ned", "--roi", "V1", "--model", FWRF, "--subject", "1")
    weights = next(tmp_path.rglob("*.pt"))
    before = weights.stat().st_mtime_ns
    found = outcomes(run("convert", "--to", "ned", store, tmp_path / "ned", "--model", FWRF, "--json"))
    assert found[FWRF, 1, "V1"] == "kept" and found[FWRF, 2, "V1"] == "converted"
    assert weights.stat().st_mtime_ns == before
    weights.write_bytes(b"damaged")
    words = ("convert", "--to", "ned", store, tmp_path / "ned", "--model", FWRF, "--json", "--overwrite")
    assert outcomes(run(*words))[FWRF, 1, "V1"] == "converted"
    assert open_store(tmp_path / "ned").encoder(FWRF, 1, "V1").response_shape == (3,)


def test_there_and_back_again(store, tmp_path):
    store_to_ned(store, tmp_path / "ned", models=[FWRF], subjects=[1], rois=["V1"])
    convert_folder(tmp_path / "ned", tmp_path / "again")
    one, other = (open_store(root).encoder(FWRF, 1, "V1") for root in (store, tmp_path / "again"))
    np.testing.assert_array_equal(one.encode(IMAGES, device="cpu"), other.encode(IMAGES, device="cpu"))


def test_one_artefact_alone(run, store, tmp_path):
    outcome = run("convert", "--to", "ned", store / FWRF / "subject-02" / "roi-V1", tmp_path / "ned")
    assert outcome.code == 0 and "1 converted" in outcome.out
    assert open_store(tmp_path / "ned").entry(FWRF).rois_of_subject == {2: ("V1",)}


def test_nothing_to_convert_is_a_failure_that_says_why(run, store, tmp_path):
    outcome = run("convert", "--to", "ned", store, tmp_path / "ned", "--model", "fmri-test-gabor")
    assert outcome.code == 1
    assert "linear model over gabor:bank" in " ".join(outcome.out.split())
    assert not (tmp_path / "ned").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "fmri-nsd-fwfr"), "did you mean 'fmri-nsd-fwrf'"),
        (("--subject", "7"), "unknown subject 7"),
        (("--to", "nod"), "nod"),
    ],
)
def test_wrong_words_are_refused(run, store, tmp_path, words, said):
    outcome = run("convert", "--to", "ned", store, tmp_path / "ned", *words)
    assert outcome.code in (1, 2) and said in outcome.err


def test_ned_folder_is_refused_as_a_source(store, tmp_path):
    store_to_ned(store, tmp_path / "ned", models=[FWRF], subjects=[1])
    with pytest.raises(InputValueError, match="NED's layout already"):
        store_to_ned(tmp_path / "ned", tmp_path / "again")


def test_damaged_artefact_fails_alone(run, store, tmp_path):
    import shutil

    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    (copy / FWRF / "subject-01" / "roi-V1" / "units.nc").write_bytes(b"damaged")
    outcome = run("convert", "--to", "ned", copy, tmp_path / "ned", "--model", FWRF, "--json")
    assert outcome.code == 1
    assert outcomes(outcome)[FWRF, 1, "V1"] == "failed" and outcomes(outcome)[FWRF, 2, "V1"] == "converted"
