"""Responses become a folder of image files, whole or not at all, the same whether or not it was interrupted."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from braincodec.decoding import decode_to, image_files
from braincodec.errors import InputTypeError, InputValueError, OutputError
from braincodec.evaluation.judging.images import predicted_images
from braincodec.stimuli import StimulusSet

from .small_decoder import SmallDecoder, WholeDecoder, measured


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def pixels(path):
    return np.asarray(Image.open(path))


def test_each_response_becomes_a_file_that_is_named_by_its_id(tmp_path):
    done = decode_to(SmallDecoder(), measured(5), tmp_path / "out", seed=7, progress=False)
    assert [path.name for (path,) in done.files] == [f"n{row:02d}.png" for row in range(5)]
    assert pixels(done.files[3][0])[0, 0].tolist() == [103, 0, 10]
    assert rows_of(tmp_path / "out" / "images.csv")[3] == {
        "file": "images/n03.png", "stimulus": "n03.JPEG", "sample": "1",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "decode.json").read_text())["seed"] == 7
    assert done.sheet is not None and Image.open(done.sheet).size[0] > 0
    assert not (tmp_path / "out.partial").exists()


def test_samples_have_files_of_their_own(tmp_path):
    done = decode_to(SmallDecoder(), measured(3), tmp_path / "out", n_samples=4, progress=False)
    assert [path.name for path in done.files[1]] == [f"n01-sample-{sample}.png" for sample in (1, 2, 3, 4)]
    assert [pixels(path)[0, 0, 1] for path in done.files[1]] == [0, 1, 2, 3]


def test_files_are_found_again_when_decoded_images_are_judged(tmp_path):
    ids = ["COCO_train2014_000000000001.jpg", "n01930112_2.JPEG", "badlands3.jpg"]
    decode_to(SmallDecoder(), measured(3, ids), tmp_path / "out", progress=False)
    found = predicted_images(StimulusSet.open(tmp_path / "out" / "images"), ids)
    assert [int(image[0, 0, 0]) for image in found] == [100, 101, 102]


@pytest.mark.parametrize("samples", [1, 3])
def test_an_interrupted_run_goes_on_and_ends_with_the_same_images(tmp_path, samples):
    whole = decode_to(SmallDecoder(), measured(), tmp_path / "whole", n_samples=samples, progress=False)
    with pytest.raises(KeyboardInterrupt):
        decode_to(SmallDecoder(fails_at=30), measured(), tmp_path / "out", n_samples=samples, progress=False)
    assert not (tmp_path / "out").exists()
    second = SmallDecoder()
    done = decode_to(second, measured(), tmp_path / "out", n_samples=samples, progress=False)
    assert done.resumed
    assert second.calls[0][0] > 10  # what was finished is not decoded again
    for ours, theirs in zip(done.files, whole.files, strict=True):
        assert [path.read_bytes() for path in ours] == [path.read_bytes() for path in theirs]


def test_an_interrupted_run_of_other_responses_is_not_continued(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        decode_to(SmallDecoder(fails_at=30), measured(), tmp_path / "out", progress=False)
    with pytest.raises(InputValueError, match="seed was 0, is 1"):
        decode_to(SmallDecoder(), measured(), tmp_path / "out", seed=1, progress=False)
    done = decode_to(SmallDecoder(), measured(), tmp_path / "out", seed=1, overwrite=True, progress=False)
    assert pixels(done.files[0][0])[0, 0, 2] == 1


def test_transductive_rescaling_sees_all_responses_even_after_an_interruption(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        decode_to(SmallDecoder(fails_at=30), measured(), tmp_path / "out", rescale="transductive", progress=False)
    done = decode_to(SmallDecoder(), measured(), tmp_path / "out", rescale="transductive", progress=False)
    assert [int(pixels(path)[0, 0, 0]) for (path,) in done.files] == list(range(40))


def test_a_decoder_without_embeddings_is_asked_once(tmp_path):
    blocks = decode_to(SmallDecoder(), measured(), tmp_path / "blocks", n_samples=2, progress=False)
    decoder = WholeDecoder()
    whole = decode_to(decoder, measured(), tmp_path / "whole", n_samples=2, progress=False)
    assert decoder.inside.calls == [list(range(40))]
    assert [path.read_bytes() for path in whole.files[33]] == [path.read_bytes() for path in blocks.files[33]]


def test_nearest_images_of_a_gallery_are_listed(tmp_path):
    gallery = StimulusSet.open(np.zeros((6, 4, 4, 3), np.uint8))
    done = decode_to(SmallDecoder(), measured(2), tmp_path / "out", gallery=gallery, k=3, progress=False)
    hits = rows_of(done.hits)
    assert len(hits) == 6
    assert hits[4] == {"stimulus": "n01.JPEG", "rank": "2", "id": "1", "similarity": "0.333333"}


def test_the_nearest_of_a_gallery_are_found_as_images_are_decoded(tmp_path):
    class Told(SmallDecoder):
        def retrieve(self, responses, gallery, k=5, *, rescale=None, dtype="float32"):
            self.told = {"rescale": rescale, "dtype": dtype}
            return super().retrieve(responses, gallery, k)

    model, gallery = Told(), StimulusSet.open(np.zeros((6, 4, 4, 3), np.uint8))
    asked = {"rescale": "transductive", "dtype": "bfloat16"}
    decode_to(model, measured(2), tmp_path / "out", gallery=gallery, progress=False, **asked)
    assert model.told == asked


def test_plain_arrays_are_numbered(tmp_path):
    done = decode_to(SmallDecoder(), np.ones((2, 4), np.float32), tmp_path / "out", progress=False)
    assert [path.name for (path,) in done.files] == ["0.png", "1.png"]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"responses": np.ones((2, 7))}, InputValueError, "7 voxels"),
        ({"responses": measured(3)[:0]}, InputValueError, "no rows"),
        ({"n_samples": 0}, InputValueError, "n_samples must be at least 1, got 0"),
        ({"seed": -1}, InputValueError, "seed must be at least 0"),
        ({"model": object()}, InputTypeError, "has no decode"),
        ({"gallery": StimulusSet.open(np.zeros((1, 4, 4, 3), np.uint8))}, InputValueError, "at least 2 images"),
    ],
)
def test_wrong_input_is_told_and_leaves_nothing(tmp_path, change, error, words):
    given = {"model": SmallDecoder(), "responses": measured(3), "output": tmp_path / "out", "progress": False} | change
    with pytest.raises(error, match=words):
        decode_to(**given)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_result_is_refused(tmp_path):
    decode_to(SmallDecoder(), measured(2), tmp_path / "out", progress=False)
    with pytest.raises(OutputError, match="exists"):
        decode_to(SmallDecoder(), measured(2), tmp_path / "out", progress=False)
    decode_to(SmallDecoder(), measured(3), tmp_path / "out", overwrite=True, progress=False)
    assert len(list((tmp_path / "out" / "images").iterdir())) == 3


@given(st.lists(st.text(max_size=12), min_size=1, max_size=8), st.integers(1, 3))
def test_file_names_are_relative_and_distinct_even_where_case_is_not_told_apart(ids, samples):
    names = [name for own in image_files(ids, samples) for name in own]
    assert len({name.casefold() for name in names}) == len(ids) * samples
    for name in names:
        parts = name.split("/")
        assert all(part not in ("", ".", "..") for part in parts)
        assert not set(name) & set('\\:*?"<>|\0\n')
