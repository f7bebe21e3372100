"""Photographs in, predictions and neighbours out, from many threads."""

from __future__ import annotations

import functools
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from braincodec.app.explorer import Explorer
from braincodec.app.gallery import digest_of
from braincodec.app.loaded import LoadedModel
from braincodec.app.uploads import UploadError, read_upload
from braincodec.app.views.figures import scalp_numbers
from braincodec.errors import BraincodecError, InputValueError, MissingFileError, UnknownNameError
from braincodec.stimuli import StimulusSet
from braincodec.store import open_store

from ..small_models import images
from .small_store import REGIONS, SENSORS, VERTICES, VOXELS, write_small_store

PATIENCE = 30.0


def wait_until_ready(explorer: Explorer, pixels, model: str, subject=1):
    """The prediction once there is something to compare with."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        prediction = explorer.predict(pixels, model, subject)
        if prediction.reference.ready:
            return prediction
        assert "no images" not in prediction.reference.text, prediction.reference
        time.sleep(0.02)
    raise AssertionError(f"not ready: {prediction.reference}")


@functools.cache
def encoder_of(address: str, model: str, subject: int):
    """The model as anybody opens it."""
    return open_store(address).encoder(model, subject)


def expected(explorer: Explorer, pixels, model: str, subject=1):
    """What the encoder gives."""
    encoder = encoder_of(explorer.store.address, model, subject)
    found = encoder.encode(pixels[None], device="cpu", progress=False)[0]
    return found.mean("repetition") if "repetition" in found.dims else found


@pytest.mark.parametrize("model", [VOXELS, VERTICES, SENSORS, REGIONS])
def test_a_prediction_is_what_the_encoder_gives(explorer, model):
    pixels = images(1, seed=1)[0]
    prediction = explorer.predict(pixels, model)
    wanted = expected(explorer, pixels, model)
    np.testing.assert_allclose(prediction.responses.values, wanted.values, rtol=1e-5, atol=1e-5)
    assert prediction.responses.dims == wanted.dims
    assert set(wanted.coords) - set(prediction.responses.coords) <= {"stimulus"}
    assert prediction.image_digest == digest_of(pixels)


def test_batch_mates_change_nothing_but_rounding(explorer):
    pixels = [np.ascontiguousarray(image[: 64 - 3 * number]) for number, image in enumerate(images(6, seed=2))]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda one: explorer.predict(one, VOXELS, 2), pixels))
    for one, prediction in zip(pixels, found, strict=True):
        wanted = expected(explorer, one, VOXELS, 2).values
        np.testing.assert_allclose(prediction.responses.values, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def test_the_same_photograph_is_computed_once(explorer, monkeypatch):
    computed = []
    compute = LoadedModel.compute
    monkeypatch.setattr(LoadedModel, "compute", lambda self, items: computed.append(len(items)) or compute(self, items))
    pixels = images(1, seed=3)[0]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: explorer.predict(pixels, VERTICES), range(8)))
    explorer.predict(pixels.copy(), VERTICES)
    assert sum(computed) == 1
    assert all(np.array_equal(one.responses.values, found[0].responses.values) for one in found)


def test_facts_of_a_simulated_model_are_told(explorer):
    choice = explorer.model(VERTICES)
    assert (choice.simulated, choice.licence, choice.citation) == (True, "CC0", "Nobody 2025")
    assert choice.has_cortex
    assert "simulated" in choice.title
    prediction = explorer.predict(images(1)[0], VERTICES)
    assert prediction.simulated
    assert prediction.rois == ["V1", "FFA"]
    bar = prediction.roi_bars[0]
    assert (bar.roi, bar.units, bar.accuracy, bar.noise_ceiling) == ("V1", 6, pytest.approx(5 / 12), 0.5)
    assert "z-scored" in prediction.scaling


def test_vertices_are_shown_on_the_cortex(explorer):
    prediction = explorer.predict(images(1)[0], VERTICES)
    whole, v1 = prediction.on_cortex(), prediction.on_cortex("V1")
    values = prediction.responses.values
    assert whole.left.shape == whole.right.shape == (10_242,)
    np.testing.assert_allclose(whole.left[[0, 7, 35]], values[[0, 1, 5]])
    np.testing.assert_allclose(whole.right[[42, 77]], values[[6, 11]])
    assert np.isfinite(whole.left).sum() == 6
    assert np.flatnonzero(np.isfinite(v1.left)).tolist() == [0, 14, 28]
    assert (v1.low, v1.high) == (whole.low, whole.high)
    assert prediction.slices() is None
    assert prediction.time_course() is None
    with pytest.raises(UnknownNameError, match="V9"):
        prediction.on_cortex("V9")


def test_voxels_have_slices_and_no_cortex(explorer):
    prediction = explorer.predict(images(1)[0], VOXELS)
    assert prediction.on_cortex() is None
    assert set(prediction.slices("V1").slices) == {"sagittal", "coronal", "axial"}


def test_sensors_have_a_time_course(explorer):
    prediction = explorer.predict(images(1)[0], SENSORS)
    course = prediction.time_course()
    assert course.values.shape == (5, 6)
    assert course.channels == ["Oz", "O1", "Pz", "Cz", "Fz"]
    assert course.unit == "µV"
    np.testing.assert_array_equal(course.at(0.31), course.values[:, -1])
    np.testing.assert_array_equal(course.at(0.06), course.values[:, 2])
    assert prediction.channel_groups == ["occipital", "parietal", "central", "frontal"]
    assert prediction.time_course("occipital").channels == ["Oz", "O1"]
    assert [bar.roi for bar in prediction.roi_bars] == prediction.channel_groups
    assert prediction.on_cortex() is None
    assert prediction.slices() is None
    with pytest.raises(UnknownNameError, match="temporal"):
        prediction.time_course("temporal")


def test_strong_line_is_the_largest_channel_or_the_chosen_group(explorer):
    prediction = explorer.predict(images(1)[0], SENSORS)
    course = prediction.time_course()
    channel, sample = np.argwhere(np.abs(course.values) == np.abs(course.values).max())[0]
    numbers = scalp_numbers(course, course)
    assert numbers["strong"] == [course.channels[channel]]
    assert numbers["peak"] == pytest.approx(course.times[sample])
    assert scalp_numbers(course, prediction.time_course("occipital"))["strong"] == ["Oz", "O1"]


@pytest.mark.parametrize("model", [VERTICES, SENSORS])
def test_bars_are_compared_with_the_gallery(explorer, gallery, model):
    pixels = images(1, seed=7)[0]
    prediction = wait_until_ready(explorer, pixels, model)
    assert prediction.reference.images == len(gallery)
    assert prediction.reference.text == f"{len(gallery)} images of the gallery"  # and no path of this machine
    answers = explorer.store.encoder(model).encode(gallery, device="cpu", progress=False)
    if model == VERTICES:
        levels, own = (one.bc.select(roi="V1").mean("unit").values for one in (answers, prediction.responses))
    else:
        levels, own = (
            np.sqrt((one.bc.select(channel=["Oz", "O1"]) ** 2).mean(["channel", "time"]).values)
            for one in (answers.mean("repetition", keep_attrs=True), prediction.responses)
        )
    bar = prediction.roi_bars[0]
    assert bar.mean == pytest.approx(float(own), rel=1e-4)
    assert bar.quantiles == pytest.approx(np.percentile(levels, [5, 25, 50, 75, 95]), rel=1e-3, abs=1e-5)
    assert bar.percentile == pytest.approx(100 * np.mean(levels < own), abs=100 / len(gallery) + 0.01)


def test_neighbours_are_those_of_the_region_and_never_the_photograph_itself(explorer, gallery):
    pixels = gallery[3]
    prediction = wait_until_ready(explorer, pixels, VERTICES)
    answers = explorer.store.encoder(VERTICES).encode(gallery, device="cpu", progress=False)
    for roi in (None, "V1"):
        chosen = answers if roi is None else answers.bc.select(roi=roi)
        correlations = np.corrcoef(chosen.values)[3]
        order = [place for place in np.argsort(-correlations) if place != 3][:4]
        found = explorer.neighbours(prediction, roi, 4)
        assert [one.id for one in found] == [f"image-{place}" for place in order]
        np.testing.assert_allclose([one.similarity for one in found], correlations[order], atol=1e-4)
        assert all(one.thumbnail.shape == (64, 64, 3) for one in found)
    assert explorer.neighbours(prediction, None, 0) == []


def test_a_gallery_is_encoded_once_and_found_again(small_store, explorer, monkeypatch):
    pixels = images(1, seed=8)[0]
    wait_until_ready(explorer, pixels, VOXELS)
    monkeypatch.setattr("braincodec.app.reference.encode_gallery", lambda *_: pytest.fail("was encoded again"))
    with Explorer(open_store(small_store), gallery=explorer._serving._gallery, device="cpu") as again:
        assert wait_until_ready(again, pixels, VOXELS).reference.images == 24


@pytest.mark.slow
def test_generated_responses_of_the_store_are_used_where_their_images_are_at_hand(tmp_path):
    store = open_store(write_small_store(tmp_path / "store"))
    folder = tmp_path / "holiday"
    folder.mkdir()
    for number, image in enumerate(images(10, seed=9)):
        Image.fromarray(image).save(folder / f"{number}.png")
    import braincodec as bc

    bc.synthesize(store.address, VERTICES, stimuli=folder, output=store.address, progress=False)
    with Explorer(open_store(store.address), device="cpu") as explorer:
        prediction = wait_until_ready(explorer, images(1)[0], VERTICES)
        assert prediction.reference.images == 10
        assert "holiday" in prediction.reference.text
        assert explorer.neighbours(prediction, "V1", 1)[0].thumbnail.shape == (64, 64, 3)


def test_an_image_of_the_gallery_that_cannot_be_read_is_left_out(small_store, tmp_path):
    for number, image in enumerate(images(5, seed=10)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"\x89PNG broken")
    with Explorer(open_store(small_store), gallery=StimulusSet.open(tmp_path), device="cpu") as explorer:
        prediction = wait_until_ready(explorer, images(1)[0], VERTICES)
        assert prediction.reference.images == 4
        assert "2.png" not in [one.id for one in explorer.neighbours(prediction, None, 10)]


def test_without_a_usable_gallery_predictions_are_made_all_the_same(small_store):
    with Explorer(open_store(small_store), gallery=StimulusSet.open(images(1)), device="cpu") as explorer:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            prediction = explorer.predict(images(1)[0], VERTICES)
            if "at least 2 images" in prediction.reference.text:
                break
            time.sleep(0.02)
        assert "at least 2 images are needed" in prediction.reference.text
        assert prediction.reference.final
        assert prediction.roi_bars[0].percentile is None
        assert explorer.neighbours(prediction) == []


def test_models_make_room_for_others_and_come_back(small_store, gallery):
    with Explorer(open_store(small_store), gallery=gallery, device="cpu", most_model_bytes=1) as explorer:
        pixels = images(1, seed=11)[0]
        first = explorer.predict(pixels, VOXELS, 1).responses.values
        explorer.predict(pixels, VERTICES)
        assert explorer._serving._room.loaded == [(VERTICES, "1")]
        other = explorer.predict(images(2, seed=11)[1], VOXELS, 1).responses.values
        assert explorer._serving._room.loaded == [(VOXELS, "1")]
        assert not np.array_equal(other, first)
        np.testing.assert_array_equal(explorer.predict(pixels, VOXELS, 1).responses.values, first)


def test_a_model_that_cannot_be_loaded_says_why_and_is_tried_again(tmp_path, gallery):
    folder = write_small_store(tmp_path / "store")
    with Explorer(open_store(folder), gallery=gallery, device="cpu") as explorer:
        weights = folder / VOXELS / "subject-02" / "model.safetensors"
        content = weights.read_bytes()
        weights.unlink()
        with pytest.raises(MissingFileError, match=r"model\.safetensors"):
            explorer.predict(images(1)[0], VOXELS, 2)
        assert "model.safetensors" in explorer.model(VOXELS).problem
        explorer.predict(images(1)[0], VERTICES)  # others go on
        weights.write_bytes(content)
        explorer.predict(images(1)[0], VOXELS, 2)
        assert explorer.model(VOXELS).problem == ""


def test_models_whose_weights_are_missing_are_listed_with_the_reason(tmp_path):
    folder = write_small_store(tmp_path / "store")
    (folder / VERTICES / "subject-01" / "model.safetensors").unlink()
    with Explorer(open_store(folder)) as explorer:
        assert len(explorer.models) == 4
        assert "model.safetensors" in explorer.model(VERTICES).problem
        assert not any(choice.problem for choice in explorer.models if choice.id != VERTICES)


def test_models_that_need_a_missing_package_are_listed_with_the_line_that_installs_it(small_store, monkeypatch):
    monkeypatch.setattr("braincodec.app.catalogue.PACKAGE_OF_SCHEME", {"gabor": "a_package_of_nobody"})
    with Explorer(open_store(small_store)) as explorer:
        assert all("pip install" in choice.problem for choice in explorer.models)


def test_regions_without_weights_are_named_and_the_others_shown(tmp_path, gallery):
    folder = write_small_store(tmp_path / "store")
    (folder / REGIONS / "subject-01" / "roi-V2" / "model.safetensors").unlink()
    with Explorer(open_store(folder), gallery=gallery, device="cpu") as explorer:
        prediction = explorer.predict(images(1)[0], REGIONS)
        assert prediction.missing == ("V2",)
        assert prediction.rois == ["V1"]


def test_a_store_without_models_says_what_to_do(tmp_path):
    (tmp_path / "generated_responses").mkdir()
    with pytest.raises(InputValueError, match="braincodec demo"):
        Explorer(open_store(tmp_path))


def test_what_does_not_exist_is_named(explorer):
    with pytest.raises(UnknownNameError, match="fmri-test-voxel"):
        explorer.predict(images(1)[0], "fmri-test-voxel")
    with pytest.raises(UnknownNameError, match="subject"):
        explorer.predict(images(1)[0], VOXELS, 3)
    with pytest.raises(UploadError):
        explorer.predict(images(1)[0].astype(float), VOXELS)
    with pytest.raises(InputValueError, match="cannot decode"):
        explorer.decode(np.zeros(9), VOXELS)


def test_closing_ends_all_threads(small_store, gallery):
    explorer = Explorer(open_store(small_store), gallery=gallery, device="cpu")
    explorer.predict(images(1)[0], VOXELS)
    explorer.close()
    assert not [one for one in threading.enumerate() if one.name == f"explorer {VOXELS} subject 1"]
    with pytest.raises(BraincodecError, match="closed"):
        explorer.predict(images(2)[1], VOXELS)


def test_a_crowd_with_bad_uploads_is_served(explorer):
    good = images(20, seed=12)
    files = []
    for image in good:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        files.append(file.getvalue())

    def visit(number: int) -> str:
        model = [VOXELS, VERTICES, SENSORS, REGIONS][number % 4]
        content = b"not a picture" if number % 10 == 9 else files[number % len(files)]
        try:
            prediction = explorer.predict(read_upload(content), model)
        except UploadError:
            return "refused"
        explorer.neighbours(prediction)
        return prediction.model

    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(visit, range(100), timeout=120))
    assert outcomes.count("refused") == 10
    assert all(outcome in ("refused", [VOXELS, VERTICES, SENSORS, REGIONS][number % 4])
               for number, outcome in enumerate(outcomes))  # fmt: skip
    assert explorer.waiting == 0
