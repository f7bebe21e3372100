"""Stimuli through an encoder: in memory or to a file, with bad images, interrupts, little memory."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from braincodec import StimulusSet, open_responses
from braincodec import device as devices
from braincodec.errors import DamagedFileError, InputValueError, OutputError, UnknownNameError
from braincodec.models import run
from braincodec.stimuli.sources.array import InMemoryArray

from ..small_models import eeg, fwrf, gabor_linear, images, linear

IMAGES = images(9, 24)


@pytest.fixture
def folder(tmp_path):
    """Nine images, two of them corrupt: the third and the last."""
    place = tmp_path / "pictures"
    place.mkdir()
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(place / f"{number}.png")
    (place / "2.png").write_bytes((place / "2.png").read_bytes()[:60])
    (place / "8.png").write_bytes(b"no image")
    return place


def test_responses_are_labelled():
    responses = fwrf(3).encode(IMAGES[:2], device="cpu")
    assert responses.stimulus.values.tolist() == ["0", "1"]
    assert responses.attrs["model"] == "fmri-test"
    assert responses.attrs["response_units"] == "zscored_within_session"
    assert responses.attrs["simulated"] == 0
    assert responses.attrs["space"] == "volume"
    assert "skipped" not in responses.attrs
    assert responses.bc.rois == ["V1"]


@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".h5", ".npz", ".npy"])
@pytest.mark.parametrize("make", [linear, eeg])
def test_a_file_holds_what_memory_would(make, suffix, tmp_path):
    encoder = make()
    path = encoder.encode_to(tmp_path / f"responses{suffix}", IMAGES, device="cpu", batch_size=2)
    assert path == tmp_path / f"responses{suffix}"
    back, wanted = open_responses(path), encoder.encode(IMAGES, device="cpu", batch_size=2)
    assert np.array_equal(back.values, wanted.values)
    if suffix != ".npy":
        assert back.dims == wanted.dims
        assert back.stimulus.values.tolist() == wanted.stimulus.values.tolist()
        assert set(wanted.coords) <= set(back.coords)
        assert back.attrs["model"] == wanted.attrs["model"]
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("response_units", ["unknown", "original", "microvolt", "zscored_within_session"])
def test_any_response_units_can_be_written(response_units, tmp_path):
    encoder = linear(3, response_units=response_units)
    back = open_responses(encoder.encode_to(tmp_path / "r.zarr", IMAGES[:2], device="cpu"))
    assert back.attrs.get("response_units", "unknown") == response_units


def test_bad_image_ends_the_run_with_its_name(folder, tmp_path):
    with pytest.raises(DamagedFileError, match=r"'2\.png' \(3 of 9\)"):
        linear().encode(folder, device="cpu")
    with pytest.raises(DamagedFileError, match=r"'2\.png'"):
        linear().encode_to(tmp_path / "r.zarr", folder, device="cpu", batch_size=2)
    assert not (tmp_path / "r.zarr").exists()


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_bad_images_are_skipped_and_listed(folder, tmp_path, batch_size):
    encoder = linear()
    kept = [0, 1, 3, 4, 5, 6, 7]
    wanted = encoder.encode(IMAGES[kept], device="cpu").values
    options = {"device": "cpu", "batch_size": batch_size, "on_bad": "skip"}
    responses = encoder.encode(folder, **options)
    back = open_responses(encoder.encode_to(tmp_path / "r.zarr", folder, **options))
    for found in (responses, back):
        assert found.stimulus.values.tolist() == [f"{n}.png" for n in kept]
        assert np.allclose(found.values, wanted, atol=1e-5)
        assert list(json.loads(found.attrs["skipped"])) == ["2.png", "8.png"]


def test_unknown_choices_are_refused_before_any_work(tmp_path):
    encoder = linear()
    encoder._prepare = lambda device, dtype: pytest.fail("work began")
    for options in ({"device": "tpu"}, {"dtype": "float8"}):
        with pytest.raises(UnknownNameError):
            encoder.encode(IMAGES, **{"device": "cpu"} | options)
    with pytest.raises(UnknownNameError, match="output suffix"):
        encoder.encode_to(tmp_path / "r.xyz", IMAGES)
    with pytest.raises(UnknownNameError, match="on_bad"):
        linear().encode(IMAGES, device="cpu", on_bad="ignore")
    with pytest.raises(InputValueError, match="batch_size"):
        linear().encode(IMAGES, device="cpu", batch_size=0)


def test_responses_that_cannot_fit_into_memory_are_refused_with_a_way_out(monkeypatch):
    monkeypatch.setattr(run, "free_main_memory", lambda: 100)
    with pytest.raises(InputValueError, match=r"need .* GB of memory, .* are free: stream them .* with encode_to"):
        linear().encode(IMAGES, device="cpu")


def test_disk_that_cannot_hold_the_responses_is_refused_at_once(tmp_path, monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1000, 950, 50))
    encoder = linear()
    encoder._prepare = lambda device, dtype: pytest.fail("work began")
    with pytest.raises(OutputError, match=r"MB are needed, .* MB are free"):
        encoder.encode_to(tmp_path / "r.zarr", IMAGES, device="cpu")
    assert not list(tmp_path.iterdir())


class Interrupted(InMemoryArray):
    """Images of which the one at position `stop` presses Ctrl-C when it is read, once."""

    stop: int | None = None

    def read(self, positions, ids):
        if self.stop in positions:
            type(self).stop = None
            raise KeyboardInterrupt
        return super().read(positions, ids)


@pytest.mark.parametrize("suffix", [".zarr", ".nc"])
@pytest.mark.parametrize("make", [linear, fwrf])
def test_ctrl_c_leaves_only_what_the_next_call_goes_on_from(make, suffix, tmp_path):
    encoder, target = make(5), tmp_path / f"responses{suffix}"
    options = {"device": "cpu", "batch_size": 2}
    whole = encoder.encode_to(tmp_path / f"whole{suffix}", IMAGES, **options)
    stimuli = StimulusSet(Interrupted(IMAGES))
    Interrupted.stop = 5
    with pytest.raises(KeyboardInterrupt):
        encoder.encode_to(target, stimuli, **options)
    assert sorted(item.name for item in tmp_path.iterdir()) == [f".responses{suffix}.partial", whole.name]
    encoded = []
    step = encoder.readout
    encoder.readout = lambda shared: encoded.append(len(shared)) or step(shared)
    path = encoder.encode_to(target, stimuli, **options)
    assert sum(encoded) < 9  # it went on
    assert sorted(item.name for item in tmp_path.iterdir()) == [target.name, whole.name]
    assert np.array_equal(open_responses(path).values, open_responses(whole).values)
    assert open_responses(path).stimulus.values.tolist() == [str(n) for n in range(9)]


def test_another_model_does_not_go_on_with_an_unfinished_file(tmp_path):
    Interrupted.stop = 5
    stimuli, target = StimulusSet(Interrupted(IMAGES)), tmp_path / "r.zarr"
    with pytest.raises(KeyboardInterrupt):
        linear(5).encode_to(target, stimuli, device="cpu", batch_size=2)
    with pytest.raises(InputValueError, match=r"begun with other settings \(model was"):
        linear(5, subject=2).encode_to(target, stimuli, device="cpu", batch_size=2)
    with pytest.raises(InputValueError, match="dtype was 'float32', now 'bfloat16'"):
        linear(5).encode_to(target, stimuli, device="cpu", dtype="bfloat16")
    linear(5, subject=2).encode_to(target, stimuli, device="cpu", overwrite=True)
    wanted = linear(5, subject=2).encode(IMAGES, device="cpu")
    assert np.array_equal(open_responses(target).values, wanted.values)


def test_decoding_threads_end_with_an_error(folder):
    encoder = linear()
    encoder.readout = lambda shared: 1 / 0
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError) as caught:
        encoder.encode(folder, device="cpu", batch_size=1, on_bad="skip")
    assert_threads_end(before, caught.value)


def test_decoding_threads_end_when_what_was_computed_cannot_be_written(folder, tmp_path, monkeypatch):
    def fail(self, *args, **kwargs):
        raise OutputError("no")

    monkeypatch.setattr("braincodec.responses.writer.ResponseWriter.write", fail)
    before = threading.active_count()
    with pytest.raises(OutputError) as caught:
        linear().encode_to(tmp_path / "r.zarr", folder, device="cpu", batch_size=1, on_bad="skip")
    assert_threads_end(before, caught.value)


def test_decoding_threads_end_with_an_interrupt_between_batches(folder, monkeypatch):
    def interrupt(count):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "progress_bar", lambda *args, **kwargs: contextlib.nullcontext(interrupt))
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt) as caught:
        linear().encode(folder, device="cpu", batch_size=1, on_bad="skip")
    assert_threads_end(before, caught.value)


def assert_threads_end(before: int, error: BaseException) -> None:
    assert error.__traceback__ is not None  # which would keep them
    for _ in range(100):  # those that were decoding an image finish it
        if threading.active_count() <= before:
            break
        time.sleep(0.02)
    assert threading.active_count() <= before


@settings(max_examples=25, deadline=None)
@given(limit=st.integers(1, 9), batch_size=st.integers(1, 12), kind=st.sampled_from(["memory", "torch"]))
def test_out_of_memory_halves_the_batch_and_loses_no_image(limit, batch_size, kind):
    encoder = ENCODER
    step = type(encoder).readout

    def readout(shared):
        if len(shared) > limit:
            raise MemoryError if kind == "memory" else RuntimeError("CUDA out of memory. Tried to allocate")
        return step(encoder, shared)

    encoder.readout = readout
    monkey = pytest.MonkeyPatch()
    monkey.setattr(devices, "release_cached_memory", lambda: None)
    try:
        responses = encoder.encode(IMAGES, device="cpu", batch_size=batch_size)
    finally:
        monkey.undo()
        del encoder.readout
    assert responses.stimulus.values.tolist() == [str(n) for n in range(9)]
    assert np.allclose(responses.values, WANTED, atol=1e-5)


def test_the_step_that_fitted_is_kept_for_the_batches_that_follow(monkeypatch):
    monkeypatch.setattr(devices, "release_cached_memory", lambda: None)
    encoder, sizes = linear(), []
    step = encoder.readout

    def readout(shared):
        sizes.append(len(shared))
        if len(shared) > 2:
            raise MemoryError
        return step(shared)

    encoder.readout = readout
    encoder.encode(images(16, 24), device="cpu", batch_size=8)
    assert sizes == [8, 4] + [2] * 8


def test_precision_is_chosen_for_the_device_that_computes(monkeypatch):
    chosen = []
    monkeypatch.setattr(devices, "fast_matmul", lambda device: chosen.append(device) or contextlib.nullcontext())
    linear().encode(IMAGES, device="cpu")
    assert {device.type for device in chosen} == {"cpu"}


ENCODER = linear()
WANTED = ENCODER.encode(IMAGES, device="cpu").values


def test_progress_counts_skipped_images_too(folder, capsys):
    linear().encode(folder, device="cpu", on_bad="skip", progress=True)
    assert "9/9" in capsys.readouterr().err


def test_empty_selection_of_stimuli_gives_no_responses():
    stimuli = StimulusSet.open(IMAGES)[[]]
    assert linear().encode(stimuli, device="cpu").shape == (0, 7)


def test_an_encoder_is_prepared_anew_for_another_precision_only():
    encoder, prepared = gabor_linear(), []
    original = encoder._prepare
    encoder._prepare = lambda device, dtype: prepared.append(dtype) or original(device, dtype)
    for dtype in ("float32", "float32", "bfloat16", "bfloat16", "float32"):
        encoder.encode(IMAGES[:1], device="cpu", dtype=dtype)
    assert len(prepared) == 3


MEASURE = """
import resource, sys
import numpy as np, torch
torch.set_num_threads(1)
sys.path.insert(0, {parent!r})
from tests.small_models import {make}
encoder = {make}(64)
tiny = np.lib.stride_tricks.as_strided(np.zeros(24 * 24 * 3 + 10_000, np.uint8), ({count}, 24, 24, 3), (1, 72, 3, 1))
encoder.encode_to({path!r}, tiny, device="cpu", batch_size=8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def peak_memory(make: str, count: int, path: Path) -> float:
    """MB that encoding `count` tiny images to a Zarr store takes in a process of its own."""
    parent = str(Path(__file__).resolve().parents[2])
    code = textwrap.dedent(MEASURE).format(make=make, count=count, path=str(path), parent=parent)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(("make", "count", "most"), [("linear", 2000, 25), ("linear", 10_000, 40), ("fwrf", 1500, 60)])
def test_memory_does_not_grow_with_the_number_of_images_nor_in_a_large_network(tmp_path, make, count, most):
    few = peak_memory(make, 100, tmp_path / "few.zarr")
    many = peak_memory(make, count, tmp_path / "many.zarr")
    assert many - few < most
