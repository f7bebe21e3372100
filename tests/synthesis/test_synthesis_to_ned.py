"""Synthesized responses as scripts of NED read them, from our store and from NED's layout."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from braincodec import open_store
from braincodec.cli.app import main
from braincodec.errors import MissingFileError
from braincodec.store.responses_to_ned import responses_to_ned
from braincodec.synthesis.run import synthesize
from ned.ned import NED

from ..legacy.layouts import fwrf_metadata, write_eeg, write_fwrf
from .object_store import bucket, s3_server
from .small_run import here, pictures, write_pictures

__all__ = ["bucket", "here", "pictures", "s3_server"]
V1 = ("fmri", "nsd", "fwrf", "mine", 1, "V1")


@pytest.fixture
def published(tmp_path):
    """Models of NED's, two regions."""
    return write_fwrf(write_fwrf(tmp_path / "published", 1, "V1", (4,)), 1, "lateral", (3, 2))


def test_synthesized_responses_answer_scripts_of_ned_without_their_models(here, published, pictures, tmp_path):
    options = {"stimuli": pictures, "output": tmp_path / "out", "name": "mine", "tile": 4, "block": 4}
    synthesize(published, "fmri-nsd-fwrf", **options)
    expected = open_store(published).encoder("fmri-nsd-fwrf", 1, "V1").encode(pictures, device="cpu").values
    shutil.rmtree(published)
    responses_to_ned(tmp_path / "out", tmp_path / "ned")
    for place in ("out", "ned"):
        found, metadata = NED(tmp_path / place).load_synthetic_neural_responses(*V1)
        assert found.shape == (10, 4)
        assert np.abs(found[:] - expected).max() <= 1e-5 * expected.std()
        assert metadata["stimulus_labels"]["stimulus_ids"] == [f"{number:02d}.png" for number in range(10)]
        theirs = fwrf_metadata(4, seed=1)
        assert np.array_equal(metadata["fmri"]["roi_mask_volume"], theirs["fmri"]["roi_mask_volume"])
        splits = metadata["encoding_models"]["train_val_test_nsd_image_splits"]
        assert splits["train_img_num"].tolist() == list(range(9))
        scores = theirs["encoding_models"]["encoding_accuracy"]
        assert metadata["encoding_models"]["encoding_accuracy"].keys() == scores.keys()
    one, other = (open_store(tmp_path / place) for place in ("out", "ned"))
    which = {"stimuli": "mine", "subject": 1, "roi": "lateral"}
    assert np.array_equal(one.responses("fmri-nsd-fwrf", **which), other.responses("fmri-nsd-fwrf", **which))


def test_images_behind_synthesized_responses_are_found_again(here, published, pictures, tmp_path):
    done = synthesize(published, "fmri-nsd-fwrf", stimuli=pictures, output=tmp_path / "out", name="mine", rois="V1")
    stimuli = done.store().stimulus_set("mine")
    responses = done.store().responses("fmri-nsd-fwrf", stimuli="mine", subject=1, roi="V1")
    assert stimuli.ids.tolist() == responses["stimulus"].values.tolist()
    assert stimuli[3].shape == (32, 32, 3)


def test_image_that_could_not_be_read_is_named_in_both_layouts(here, published, tmp_path):
    pictures = write_pictures(tmp_path / "broken", 6)
    (pictures / "02.png").write_bytes(b"no image")
    options = {"stimuli": pictures, "output": tmp_path / "out", "name": "mine", "rois": "V1"}
    done = synthesize(published, "fmri-nsd-fwrf", **options)
    assert [item.id for item in done.skipped] == ["02.png"]
    responses_to_ned(tmp_path / "out", tmp_path / "ned")
    for place in ("out", "ned"):
        responses = open_store(tmp_path / place).responses("fmri-nsd-fwrf", stimuli="mine", subject=1, roi="V1")
        assert np.isnan(responses.values).all(axis=1).tolist() == [False, False, True, False, False, False]
        assert "02.png" in responses.attrs["skipped"]


@pytest.mark.slow
def test_synthesized_eeg_keeps_its_four_repetitions_in_neds_layout(here, seeded_vit, pictures, tmp_path):
    write_eeg(tmp_path / "published")
    synthesize(
        tmp_path / "published", "eeg-things_eeg_2-vit_b_32", stimuli=pictures, output=tmp_path / "out", name="mine"
    )
    responses_to_ned(tmp_path / "out", tmp_path / "ned")
    arguments = ("eeg", "things_eeg_2", "vit_b_32", "mine", 1)
    (one, metadata), (other, of_ned) = (
        NED(tmp_path / place).load_synthetic_neural_responses(*arguments) for place in ("out", "ned")
    )
    assert one.shape == other.shape == (10, 4, 3, 5)
    assert np.array_equal(one[:], other[:])
    assert metadata["eeg"]["ch_names"] == of_ned["eeg"]["ch_names"]


def test_unfinished_responses_are_neither_listed_nor_exported(here, published, pictures, tmp_path, capsys):
    here.most = 1
    options = {"stimuli": pictures, "output": tmp_path / "out", "name": "mine", "tile": 4, "block": 4}
    with pytest.raises(KeyboardInterrupt):
        synthesize(published, "fmri-nsd-fwrf", **options)
    assert open_store(tmp_path / "out").response_sets().empty
    assert responses_to_ned(tmp_path / "out", tmp_path / "ned") == []
    with pytest.raises(SystemExit):
        main(["responses", "show", "-s", str(tmp_path / "out"), "--stimuli", "mine", "--roi", "V1"])
    assert "the synthesis is unfinished, 1 of 3 blocks" in capsys.readouterr().err
    with pytest.raises(MissingFileError, match="the synthesis is unfinished"):
        NED(tmp_path / "out").load_synthetic_neural_responses(*V1)


@pytest.mark.slow
def test_responses_in_a_bucket_are_read_by_scripts_of_ned_and_brought_into_neds_layout(
    here, published, pictures, bucket, tmp_path
):
    options = {"output": bucket.address, "name": "mine", "tile": 4, "storage_options": bucket.options}
    done = synthesize(published, "fmri-nsd-fwrf", stimuli=pictures, **options)
    store = done.store()
    (exported, _) = responses_to_ned(store, tmp_path / "ned")
    assert exported.outcome == "written"
    (ours, metadata), (theirs, of_ned) = (
        NED(place).load_synthetic_neural_responses(*V1) for place in (store, tmp_path / "ned")
    )
    assert np.array_equal(ours[:], theirs[:])
    assert metadata.keys() == of_ned.keys()
    assert store.stimulus_set("mine").ids.tolist() == metadata["stimulus_labels"]["stimulus_ids"]
