"""Computing blocks: what is shared, kept, refused and reported."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import braincodec as bc
from braincodec import device as devices
from braincodec.errors import DamagedFileError, InputValueError
from braincodec.features import Preprocessing
from braincodec.features.extractor import FeatureExtractor
from braincodec.models.fwrf import encoder as fwrf_encoder
from braincodec.stimuli import StimulusSet
from braincodec.store.native_store import NativeStore
from braincodec.synthesis.computing import blocks as computing
from braincodec.synthesis.computing.blocks import BlockComputer
from braincodec.synthesis.computing.digests import UNREADABLE, digests_of, image_digest

from ..small_models import fwrf, gabor_linear, images
from .every_kind import output, plan

PIXELS = images(10, 32)
STIMULI = StimulusSet.open(PIXELS)


@pytest.fixture
def counted(monkeypatch):
    """How often something was called, by name."""
    calls: dict[str, int] = {}

    def count(owner, name):
        original = getattr(owner, name)

        def counting(*args, **options):
            calls[name] = calls.get(name, 0) + 1
            return original(*args, **options)

        monkeypatch.setattr(owner, name, counting)
        return calls

    return count


@pytest.fixture
def folder(tmp_path):
    """Ten images as files."""
    place = tmp_path / "pictures"
    place.mkdir()
    for number, image in enumerate(PIXELS):
        Image.fromarray(image).save(place / f"{number:02d}.png")
    return place


def test_subjects_and_regions_share_one_run_of_the_network(models, outputs, counted):
    calls = counted(FeatureExtractor, "stream")
    of_eeg, of_linear, of_gaussian = outputs[6:8], outputs[2:4], outputs[4:6]
    for chosen in (of_eeg, of_linear, of_gaussian):
        calls.clear()
        one = plan(chosen, count=10, tile=8, block=8)
        BlockComputer(models, one, STIMULI).compute(one.block(0, 0))
        assert calls == {"stream": 1}


def test_fwrf_models_of_one_trunk_share_it(tmp_path, counted):
    whole = fwrf(6, seed=3)
    for subject, units in ((1, [0, 1, 2]), (2, [3, 4, 5])):
        part = whole.select(unit=units)
        part.description = part.description.model_copy(update={"subject": subject})
        part.save(tmp_path / "fmri-test" / f"subject-{subject:02d}")
    store = bc.open_store(tmp_path)
    one = plan(tuple(output(store, "fmri-test", subject, None) for subject in (1, 2)), count=10, block=4)
    calls = counted(fwrf_encoder, "feature_maps")
    found = BlockComputer(store, one, STIMULI).compute(one.block(0, 0)).values
    assert calls == {"feature_maps": 1}
    wanted = whole.encode(PIXELS[:4], device="cpu", progress=False).values
    np.testing.assert_allclose(np.concatenate(found, 1), wanted, atol=1e-5)


def test_what_subjects_share_is_in_memory_once(models, outputs):
    one = plan(outputs[6:8], count=10)
    first, second = (member.encoder.tensors() for member in BlockComputer(models, one, STIMULI).load(0).members)
    for name, tensor in first.items():
        same_place = tensor.data_ptr() == second[name].data_ptr()
        assert same_place == (not name.startswith("readout.weight"))


def test_models_are_loaded_once_and_the_longest_unused_go(models, outputs, counted):
    one = plan(outputs[:1], outputs[1:2], outputs[2:3], count=10)  # of 1 MB each, by the plan
    calls = counted(NativeStore, "_load")
    computer = BlockComputer(models, one, STIMULI, budget=2 * 10**6)
    for pass_number in (0, 1, 0, 1, 1):
        computer.compute(one.block(pass_number, 0))
    assert calls == {"_load": 2}
    computer.load(2)
    computer.load(1)
    assert calls == {"_load": 3}
    computer.load(0)
    assert calls == {"_load": 4}
    tight = BlockComputer(models, one, STIMULI, budget=0)
    tight.compute(one.block(0, 0))
    tight.compute(one.block(0, 1))
    assert calls == {"_load": 5}


def test_another_model_under_the_same_name_is_refused(tmp_path, models, outputs):
    shutil.copytree(models.address, tmp_path / "store")
    fwrf(5, seed=9, roi="V1").save(tmp_path / "store" / "fmri-fwrf" / "subject-01" / "roi-V1", overwrite=True)
    gabor_linear(4).save(tmp_path / "store" / "fmri-linear" / "subject-01", overwrite=True)
    one = plan(outputs[:1], outputs[2:3], count=10)
    computer = BlockComputer((str(tmp_path / "store"), {}), one, STIMULI)
    with pytest.raises(InputValueError, match=r"fmri-fwrf subject 1, V1 .* is another model than"):
        computer.compute(one.block(0, 0))
    with pytest.raises(InputValueError, match=r"fmri-linear subject 1, V1 .*--overwrite"):
        computer.compute(one.block(1, 0))


def test_other_stimuli_or_devices_than_planned_are_refused(models, outputs):
    one = plan(outputs[:1], count=10)
    with pytest.raises(InputValueError, match="for 10 stimuli, not for 9"):
        BlockComputer(models, one, STIMULI[:9])
    planned_elsewhere = one.model_copy(update={"request": one.request.model_copy(update={"device": "cuda"})})
    with pytest.raises(InputValueError, match="computes on cuda, not on cpu"):
        BlockComputer(models, planned_elsewhere, STIMULI, device="cpu")


def test_a_damaged_file_is_marked_or_ends_the_run_as_planned(models, outputs, folder):
    (folder / "05.png").write_bytes((folder / "05.png").read_bytes()[:60])
    (folder / "06.png").unlink()
    stimuli = StimulusSet.open(folder)
    (folder / "07.png").unlink()  # after the set was opened
    marking = plan(outputs[:2], count=9)
    found = BlockComputer(models, marking, stimuli).compute(marking.block(0, 0))
    assert [(item.position, item.id) for item in found.bad] == [(5, "05.png"), (6, "07.png")]
    assert np.isnan(found.values[0]).all(axis=1).tolist() == [False] * 5 + [True] * 2 + [False]
    assert [digest == UNREADABLE for digest in found.digests] == [False] * 5 + [True] * 2 + [False]
    raising = plan(outputs[:2], count=9, on_bad="raise")
    with pytest.raises(DamagedFileError, match=r"stimulus '05\.png' \(6 of 9\): .*--on-bad mark"):
        BlockComputer(models, raising, stimuli).compute(raising.block(0, 0))


def test_a_block_of_which_nothing_can_be_read_is_a_lost_disk(models, outputs, folder):
    stimuli = StimulusSet.open(folder)
    shutil.rmtree(folder)
    one = plan(outputs[:1], count=10)
    computer = BlockComputer(models, one, stimuli)
    with pytest.raises(DamagedFileError, match=r"none of 8 stimuli from '00\.png' on can be read"):
        computer.compute(one.block(0, 0))
    last = computer.compute(one.block(0, 1))  # two are too few to say so
    assert len(last.bad) == 2
    assert np.isnan(last.values[0]).all()


def test_digests_tell_images_apart_wherever_they_lie(models, outputs, folder):
    one = plan(outputs[:1], count=10)
    of_array = BlockComputer(models, one, STIMULI).compute(one.block(0, 1)).digests
    of_files = BlockComputer(models, one, StimulusSet.open(folder)).compute(one.block(0, 1)).digests
    assert of_array == of_files == [image_digest(image) for image in PIXELS[8:]]
    changed = PIXELS.copy()
    changed[9, 0, 0, 0] ^= 1
    assert digests_of(StimulusSet.open(changed), 8) == [of_array[0], image_digest(changed[9])]
    assert of_array[1] != image_digest(changed[9])
    assert image_digest(np.zeros((2, 3, 3), np.uint8)) != image_digest(np.zeros((3, 2, 3), np.uint8))


def test_float16_is_rounded_from_float32_and_says_what_was_lost(models, outputs):
    outputs = outputs[2:4] + outputs[6:]
    exact, rounded = (plan(outputs, count=10, stored_dtype=dtype) for dtype in ("float32", "float16"))
    wanted = BlockComputer(models, exact, STIMULI).compute(exact.block(0, 0))
    found = BlockComputer(models, rounded, STIMULI).compute(rounded.block(0, 0))
    assert wanted.rounding == [None] * len(outputs)
    for half, single, rounding in zip(found.values, wanted.values, found.rounding, strict=True):
        assert half.dtype == np.float16
        np.testing.assert_array_equal(half, single.astype(np.float16))
        error = half.astype(np.float64) - single.astype(np.float64)
        assert rounding.values == single.size
        assert rounding.largest == pytest.approx(np.abs(error).max())
        assert rounding.relative == pytest.approx(np.sqrt(np.mean(error**2)) / single.astype(np.float64).std())


def test_responses_too_large_for_float16_are_refused_by_name(tmp_path):
    large = gabor_linear(4)
    large._tensors["readout.bias"] = large._tensors["readout.bias"] + 1e5
    large.save(tmp_path / "fmri-large" / "subject-01")
    store = bc.open_store(tmp_path)
    one = plan((output(store, "fmri-large", 1, "FFA-1"),), count=10, stored_dtype="float16")
    with pytest.raises(InputValueError, match=r"fmri-large subject 1, FFA-1 gives .* float16 ends at 65,504"):
        BlockComputer(store, one, STIMULI).compute(one.block(0, 0))


def test_a_model_that_gives_only_nan_is_named_and_single_units_may_be_nan(tmp_path):
    model = gabor_linear(4)  # V1 has units 0 and 2, FFA-1 units 2 and 3
    model._tensors["readout.bias"] = torch.tensor([[0.0, 0.0, np.nan, np.nan]])
    model.save(tmp_path / "fmri-nan" / "subject-01")
    store = bc.open_store(tmp_path)
    one = plan((output(store, "fmri-nan", 1, "V1"),), (output(store, "fmri-nan", 1, "FFA-1"),), count=10)
    computer = BlockComputer(store, one, STIMULI)
    assert np.isnan(computer.compute(one.block(0, 0)).values[0]).all(axis=0).tolist() == [False, True]
    with pytest.raises(InputValueError, match=r"fmri-nan subject 1, FFA-1 gives nothing but NaN for .* position 8"):
        computer.compute(one.block(1, 1))


def test_images_that_a_model_would_see_in_different_sizes_are_refused(tmp_path):
    model = gabor_linear(4)
    model.config = model.config.model_copy(
        update={"features": model.config.features.model_copy(update={"preprocessing": Preprocessing()})}
    )
    model.save(tmp_path / "store" / "fmri-free" / "subject-01")
    for number, size in enumerate((64, 64, 48)):
        Image.fromarray(images(1, size)[0]).save(tmp_path / f"{number}.png")
    store = bc.open_store(tmp_path / "store")
    one = plan((output(store, "fmri-free", 1, None),), count=3)
    computer = BlockComputer(store, one, StimulusSet.open(tmp_path / "*.png"))
    with pytest.raises(InputValueError, match="one image with 64 x 64 pixels and another with 48 x 48"):
        computer.compute(one.block(0, 0))


def test_memory_that_runs_out_is_tried_again_without_the_other_models_and_never_with_a_smaller_tile(
    models, outputs, monkeypatch
):
    one = plan(outputs[:1], outputs[2:4], count=10)
    computer = BlockComputer(models, one, STIMULI)
    wanted = computer.compute(one.block(1, 0)).values
    computer.load(0)
    seen: list[int] = []
    failures = [MemoryError()]
    original = computing.LoadedPass.predict

    def failing(self, tile):
        seen.append(len(tile[0]))
        if failures:
            raise failures.pop()
        return original(self, tile)

    monkeypatch.setattr(computing.LoadedPass, "predict", failing)
    monkeypatch.setattr(devices, "release_cached_memory", lambda: None)  # it takes its time
    assert np.array_equal(computer.compute(one.block(1, 0)).values[0], wanted[0])
    assert set(seen) == {4}
    assert list(computer._kept) == [1]
    failures[:] = [MemoryError(), MemoryError()]
    with pytest.raises(InputValueError, match=r"memory ran out with 4 images in one forward pass on cpu: .*--tile"):
        computer.compute(one.block(1, 0))
    failures[:] = [RuntimeError("something else")]
    with pytest.raises(RuntimeError, match="something else"):
        computer.compute(one.block(1, 0))
