"""Images and responses on disk, as training reads them."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.errors import OutputError
from braincodec.models.fwrf import FwRFConfig, pictures, rows
from braincodec.models.fwrf.rows import stored_rows
from braincodec.models.training_data import examples_of

from .learnable import recording

PREPROCESSING = FwRFConfig(parts=1).preprocessing


def stored(data, workspace, repetitions="single"):
    return stored_rows(examples_of(data, "train"), repetitions, PREPROCESSING, workspace)


@pytest.fixture(scope="module")
def data():
    data = recording(train=5, units=4, repetitions=3)
    data.responses.values[:, :, 2] = 7.0
    data.responses.values[:, :, 3] = np.nan
    data.responses.values[1, 2] = np.nan  # a repetition that was not shown
    return data


def test_every_repetition_is_an_example_with_its_image(data, tmp_path):
    found = stored(data, tmp_path)
    assert len(found.examples) == 3 * 5 - 1
    assert found.known.tolist() == [True, True, True, False]
    assert found.varying.tolist() == [True, True, False, False]
    expected = PREPROCESSING(np.stack(list(data.stimuli[:5]))).numpy() * 255
    for example in found.examples:
        images, responses = found.batch(np.array([example]), np.array([0, 1]))
        repetition, stimulus = divmod(example, 5)
        np.testing.assert_array_equal(images[0], expected[stimulus].round())
        np.testing.assert_array_equal(responses[0], data.responses.values[stimulus, repetition, :2])


def test_the_mean_over_repetitions_is_one_example(data, tmp_path):
    found = stored(data, tmp_path, "average")
    assert len(found.examples) == 5
    values = data.responses.values[:5, :, 0]
    np.testing.assert_allclose(found.batch(found.examples, np.array([0]))[1][:, 0], np.nanmean(values, 1), rtol=1e-6)


def test_blocks_of_units_do_not_matter(data, tmp_path, monkeypatch):
    whole = stored(data, tmp_path / "whole")
    monkeypatch.setattr(rows, "BLOCK_BYTES", 1)
    tiled = stored(data, tmp_path / "tiled")
    np.testing.assert_array_equal(whole.responses, tiled.responses)
    assert whole.known.tolist() == tiled.known.tolist()


def test_images_are_resized_once_and_an_interrupted_call_goes_on(data, tmp_path, monkeypatch):
    whole = stored(data, tmp_path / "whole")
    monkeypatch.setattr(pictures, "IMAGES_A_BATCH", 2)
    monkeypatch.setattr(pictures, "SECONDS_BETWEEN_SAVES", -1.0)
    write, saves = pictures.atomic.write_json, []

    def stop(*given):
        write(*given)
        saves.append(1)
        if len(saves) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(pictures.atomic, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        stored(data, tmp_path / "cut")
    again = stored(data, tmp_path / "cut")
    assert len(saves) == 1 + 2
    np.testing.assert_array_equal(again.images, whole.images)
    stored(data, tmp_path / "cut")
    assert len(saves) == 3


def test_other_responses_have_another_digest(data, tmp_path):
    before = stored(data, tmp_path)
    other = recording(train=5, units=4, repetitions=3, noise=0.5)
    after = stored(other, tmp_path)
    assert before.digest != after.digest
    np.testing.assert_array_equal(before.images, after.images)
    assert before.digest == stored(data, tmp_path).digest


@pytest.mark.parametrize("small_disk", [1], indirect=True)
def test_a_disk_that_is_too_small_is_refused_before_work(data, small_disk):
    with pytest.raises(OutputError, match="GB are needed"):
        stored(recording(train=12), small_disk)
    assert not list(small_disk.glob("*/images.uint8"))


def test_a_workspace_that_is_a_file_is_refused(data, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        stored(data, tmp_path / "file")
