"""Features on disk: what the network gives, named by what decides it, the same after any interruption."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, OutputError, UnknownNameError
from braincodec.features import (
    Backbone,
    FeatureCache,
    FeatureExtractor,
    Preprocessing,
    extract,
    extract_together,
)
from braincodec.features.cache.growing import GrowingCache
from braincodec.stimuli import StimulusSet

GABOR = {"backbone": "gabor:bank", "layers": "scales.*", "pooling": "spatial_mean"}
SIZE = 8


def network(seed: int = 0, channels: int = 4, size: int = SIZE, scale: float = 1.0) -> FeatureExtractor:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Conv2d(3, channels, 3), nn.ReLU(inplace=True), nn.Conv2d(channels, 2, 3))
    with torch.no_grad():
        module[2].weight.mul_(scale)
    backbone = Backbone(f"tiny{seed}", module, Preprocessing(resize=(size, size)))
    return FeatureExtractor({"backbone": backbone.name, "layers": ["2", "0"]}, backbone)


@pytest.fixture(scope="module")
def stimuli():
    images = np.random.default_rng(0).integers(0, 256, (70, 12, 12, 3), np.uint8)
    return StimulusSet.open(images, ids=[f"image-{n}" for n in range(70)])


@pytest.fixture
def small_shards(monkeypatch):
    """Shards of 16 stimuli, so that 70 fill several."""
    monkeypatch.setattr("braincodec.features.cache.layout.MOST_SHARD_STIMULI", 16)


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_cache_holds_what_the_network_gives(stimuli, small_shards, tmp_path, dtype):
    extractor = network()
    cache = extract(stimuli, extractor, tmp_path, dtype=dtype, batch_size=9)
    expected = extractor(extractor.preprocessing(np.stack(list(stimuli))))
    assert cache.layers == ("2", "0")
    assert cache.shapes == {"2": (32,), "0": (144,)}
    for layer in cache.layers:
        array = cache[layer]
        assert array.dims == ("stimulus", "feature")
        assert array.dtype == dtype
        assert array.stimulus.values.tolist() == stimuli.ids.tolist()
        tolerance = 1e-6 if dtype == "float32" else 1e-3
        np.testing.assert_allclose(array.values, expected[layer].numpy(), rtol=tolerance, atol=tolerance)
    assert [p.name for p in tmp_path.iterdir()] == [cache.path.name]


def test_arrays_are_read_only_when_used(stimuli, tmp_path):
    array = extract(stimuli, network(), tmp_path)["0"]
    assert not array.variable._in_memory
    assert array.isel(stimulus=[3, 1], feature=slice(5, 9)).shape == (2, 4)
    assert array.sel(stimulus="image-7").shape == (144,)


def test_a_complete_cache_is_opened_and_not_computed_again(stimuli, tmp_path, monkeypatch):
    first = extract(stimuli, network(), tmp_path)
    monkeypatch.setattr(FeatureExtractor, "stream", lambda *_: pytest.fail("computed again"))
    assert extract(stimuli, network(), tmp_path).path == first.path


def test_everything_that_decides_the_features_changes_the_name(stimuli, tmp_path):
    def name(extractor=None, images=stimuli, **options):
        return extract(images, extractor or network(), tmp_path, **options).path.name

    other_layers = network()
    config = other_layers.config.model_dump()
    names = [
        name(),
        name(network(seed=1)),
        name(network(size=10)),
        name(FeatureExtractor(config | {"layers": ["0", "2"]}, other_layers.backbone)),
        name(FeatureExtractor(config | {"pooling": "spatial_mean"}, other_layers.backbone)),
        name(images=stimuli[:60]),
        name(images=StimulusSet.open(np.stack(list(stimuli)), ids=[f"other-{n}" for n in range(70)])),
        name(images=StimulusSet.open(np.stack(list(stimuli))[::-1].copy(), ids=stimuli.ids)),
        name(dtype="float32"),
        name(precision="bfloat16"),
    ]
    assert len(set(names)) == len(names)
    assert name(batch_size=3) == names[0]


def test_several_networks_share_one_pass_and_equal_preprocessing(stimuli, tmp_path, monkeypatch):
    calls: dict[int, int] = {}
    original = Preprocessing.__call__

    def counted(self, images):
        calls[self.resize[0]] = calls.get(self.resize[0], 0) + len(images)
        return original(self, images)

    monkeypatch.setattr(Preprocessing, "__call__", counted)
    networks = [network(0), network(1), network(2, size=10)]
    together = extract_together(stimuli, networks, tmp_path / "together")
    assert calls == {SIZE: 70, 10: 70}
    for extractor, cache in zip(networks, together, strict=True):
        alone = extract(stimuli, extractor, tmp_path / "alone")
        assert alone.path.name == cache.path.name
        assert np.array_equal(alone["0"], cache["0"])


def test_networks_that_are_ahead_wait_for_the_others(stimuli, small_shards, tmp_path):
    first, second = network(0), network(1)
    with pytest.raises(KeyboardInterrupt):
        extract(interrupted(stimuli, 40), first, tmp_path, batch_size=10)
    caches = extract_together(stimuli, [second, first], tmp_path, batch_size=7)
    for extractor, cache in zip([second, first], caches, strict=True):
        assert np.allclose(cache["0"], extract(stimuli, extractor, tmp_path / "whole")["0"], atol=1e-3)


def interrupted(stimuli, after):
    """The same stimuli, whose reader presses Ctrl-C after some."""

    class Interrupted(StimulusSet):
        def batches(self, *arguments, **options):
            for batch in super().batches(*arguments, **options):
                if batch.positions[0] >= after:
                    raise KeyboardInterrupt
                yield batch

    other = Interrupted(stimuli._source, stimuli.ids)
    assert other.fingerprint() == stimuli.fingerprint()
    return other


@settings(max_examples=5, deadline=None)
@given(stops=st.lists(st.integers(0, 70), max_size=3), batch_size=st.integers(1, 40), shard=st.sampled_from([1, 8, 64]))
def test_any_interruptions_end_in_the_same_files(stimuli, tmp_path_factory, stops, batch_size, shard):
    folder = tmp_path_factory.mktemp("caches")
    extractor = network()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("braincodec.features.cache.layout.MOST_SHARD_STIMULI", shard)
        whole = extract(stimuli, extractor, folder / "whole", batch_size=batch_size)
        for stop in stops:
            with contextlib.suppress(KeyboardInterrupt):
                extract(interrupted(stimuli, stop), extractor, folder / "parts", batch_size=batch_size)
        parts = extract(stimuli, extractor, folder / "parts", batch_size=batch_size)
    assert files(parts.path) == files(whole.path)


def test_run_that_stored_nothing_leaves_nothing(stimuli, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        extract(interrupted(stimuli, 0), network(), tmp_path / "caches")
    assert not list((tmp_path / "caches").iterdir())


def test_interrupted_finish_can_be_repeated(stimuli, small_shards, tmp_path, monkeypatch):
    whole = extract(stimuli, network(), tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("braincodec.atomic.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            extract(stimuli, network(), tmp_path / "caches")
    assert files(extract(stimuli, network(), tmp_path / "caches").path) == files(whole.path)


def test_two_processes_do_not_write_the_same_cache(stimuli, tmp_path):
    cache = extract(stimuli, network(), tmp_path)
    path = tmp_path / "other.zarr"
    identity = {"dtype": "float16"}
    with (
        GrowingCache(path, identity, cache.shapes, stimuli.ids),
        pytest.raises(OutputError, match="being written by another process"),
        GrowingCache(path, identity, cache.shapes, stimuli.ids),
    ):
        pass


SLOW = """
    import time
    import numpy as np
    from braincodec.features import extract
    from braincodec.features.cache import growing
    growing.SECONDS_BETWEEN_SAVES = 0.05
    original = growing.GrowingCache.append
    def slowly(self, *arguments):
        original(self, *arguments)
        print(self.progress.next_position, flush=True)
        time.sleep(0.05)
    growing.GrowingCache.append = slowly
    images = np.random.default_rng(1).integers(0, 256, (60, 16, 16, 3), np.uint8)
    extract(images, {config!r}, {folder!r}, batch_size=4, progress=False)
"""


@pytest.mark.slow
def test_killed_run_goes_on_and_ends_in_the_same_files(tmp_path, monkeypatch):
    images = np.random.default_rng(1).integers(0, 256, (60, 16, 16, 3), np.uint8)
    whole = extract(images, GABOR, tmp_path / "whole", batch_size=4)
    script = textwrap.dedent(SLOW).format(config=GABOR, folder=str(tmp_path / "killed"))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline() or 60) < 20:
            pass
        time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    (partial,) = (tmp_path / "killed").iterdir()
    kept = json.loads((partial / "state.json").read_text())["progress"]["next_position"]
    assert 0 < kept < 60
    seen = []
    original = GrowingCache.append
    monkeypatch.setattr(
        GrowingCache, "append", lambda self, block, *more: (seen.append(more[0]), original(self, block, *more))
    )
    cache = extract(images, GABOR, tmp_path / "killed", batch_size=4)
    assert min(seen) == kept + 4
    assert files(cache.path) == files(whole.path)
    assert [p.name for p in (tmp_path / "killed").iterdir()] == [cache.path.name]


def test_disk_full_keeps_what_can_be_resumed(small_disk, monkeypatch):
    monkeypatch.setattr("braincodec.features.cache.layout.MOST_SHARD_STIMULI", 32)
    monkeypatch.setattr(GrowingCache, "bytes_to_come", 0)  # so that the disk is found full only while writing
    images = np.random.default_rng(0).integers(0, 256, (512, 12, 12, 3), np.uint8)
    extractor = network(channels=24)
    ballast = small_disk / "ballast"
    status = os.statvfs(small_disk)
    ballast.write_bytes(b"\0" * (status.f_bavail * status.f_frsize - 500_000))
    with pytest.raises(OutputError, match=r"No space left on device \(.* MB free.*stimuli are kept"):
        extract(images, extractor, small_disk, batch_size=32)
    assert {p.name[0] for p in small_disk.iterdir()} == {"b", "."}
    ballast.unlink()
    cache = extract(images, extractor, small_disk, batch_size=32)
    assert np.allclose(cache["2"], extractor(extractor.preprocessing(images))["2"], atol=2e-3)


def test_too_small_a_disk_is_refused_before_any_work(stimuli, tmp_path, monkeypatch):
    free = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    with pytest.raises(OutputError, match=r"are needed, 0\.0 MB are free"):
        extract(stimuli, network(), tmp_path / "caches")
    assert not list((tmp_path / "caches").iterdir())


def test_a_disk_with_room_for_one_of_two_caches_is_refused_before_any_work(stimuli, tmp_path, monkeypatch):
    row = 2 * (32 + 144)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": int(1.5 * 70 * row)}))
    monkeypatch.setattr(FeatureExtractor, "stream", lambda *_: pytest.fail("work began"))
    with monkeypatch.context() as patch:
        patch.setattr(FeatureExtractor, "feature_shapes", lambda *_: {"2": (32,), "0": (144,)})
        with pytest.raises(OutputError, match=r"tiny0-.*, .*tiny1-.*: 0\.0 MB are needed"):
            extract_together(stimuli, [network(0), network(1)], tmp_path / "caches")
    assert not list((tmp_path / "caches").iterdir())


def test_files_that_zarr_was_writing_when_killed_do_not_stay(stimuli, small_shards, tmp_path):
    whole = extract(stimuli, network(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        extract(interrupted(stimuli, 40), network(), tmp_path / "parts", batch_size=10)
    (partial,) = (tmp_path / "parts").iterdir()
    (partial / "features.zarr" / "layers" / "2" / "features" / "c" / "2.0.abc.partial").write_bytes(b"half")
    assert set(files(extract(stimuli, network(), tmp_path / "parts").path)) == set(files(whole.path))


def test_unreadable_images_are_refused_or_left_out_and_listed(tmp_path):
    from PIL import Image

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(9):
        Image.fromarray(np.full((10, 10, 3), number, np.uint8)).save(pictures / f"{number}.png")
    (pictures / "4.png").write_bytes(b"no image")
    with pytest.raises(DamagedFileError, match=r"4\.png"):
        extract(pictures, network(), tmp_path / "caches", batch_size=2)
    cache = extract(pictures, network(), tmp_path / "caches", batch_size=2, on_bad="skip")
    assert list(cache.skipped) == ["4.png"]
    assert len(cache.ids) == len(cache["0"]) == 8
    assert "4.png" not in cache.ids
    alone = extract(pictures / "5.png", network(), tmp_path / "alone")
    assert np.allclose(cache["0"].sel(stimulus="5.png"), alone["0"][0], atol=1e-3)
    with pytest.raises(InputValueError, match=r"lacks 1 of 9 stimuli .* '4\.png'"):
        extract(pictures, network(), tmp_path / "caches")


def test_features_that_overflow_are_refused_with_the_stimulus(stimuli, tmp_path):
    with pytest.raises(InputValueError, match=r"layer '2' .* stimulus 'image-0'.*dtype='float32'"):
        extract(stimuli, network(scale=1e9), tmp_path)
    assert np.isfinite(extract(stimuli, network(scale=1e9), tmp_path, dtype="float32")["2"].values).all()


def test_preprocessing_without_a_fixed_size_takes_the_images(stimuli, tmp_path):
    backbone = network().backbone
    config = {"backbone": "tiny", "layers": "0", "pooling": "none", "preprocessing": {}}
    cache = extract(stimuli[:5], FeatureExtractor(config, backbone), tmp_path)
    assert cache["0"].dims == ("stimulus", "feature_0", "feature_1", "feature_2")
    assert cache["0"].shape == (5, 4, 10, 10)


def test_memory_that_runs_out_costs_only_a_smaller_step(stimuli, tmp_path, monkeypatch):
    original = FeatureExtractor.stream
    steps = []

    def small(self, images, consume):
        if len(images) > 6:
            raise MemoryError
        steps.append(len(images))
        original(self, images, consume)

    expected = extract(stimuli, network(), tmp_path / "whole")["2"].values
    monkeypatch.setattr(FeatureExtractor, "stream", small)
    cache = extract(stimuli, network(), tmp_path / "halved", batch_size=20)
    assert max(steps) <= 6
    assert np.allclose(cache["2"], expected, atol=1e-3)


def test_wrong_requests_are_refused(stimuli, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown dtype 'int8'"):
        extract(stimuli, network(), tmp_path, dtype="int8")
    with pytest.raises(UnknownNameError, match="unknown layer"):
        extract(stimuli, GABOR | {"layers": "scale.0"}, tmp_path)
    with pytest.raises(InputValueError, match="no stimuli"):
        extract(stimuli[:0], GABOR, tmp_path)
    with pytest.raises(MissingFileError, match="cached features not found"):
        FeatureCache(tmp_path / "absent.zarr")
    cache = extract(stimuli, network(), tmp_path)
    with pytest.raises(UnknownNameError, match=r"unknown layer '1'.*available: 2, 0"):
        cache["1"]
    with pytest.raises(UnknownNameError, match="did you mean 'image-7"):
        cache.positions(["image-1", "image-7x"])
    assert cache.positions(["image-5", "image-2"]).tolist() == [5, 2]
    (cache.path / "zarr.json").write_text("{")
    with pytest.raises(DamagedFileError, match="cannot be read as cached features"):
        FeatureCache(cache.path)


def test_other_programs_can_open_the_group(stimuli, tmp_path):
    cache = extract(stimuli, network(), tmp_path)
    tree = xr.open_datatree(cache.path, engine="zarr", chunks=None)
    assert tree["layers/2/features"].shape == (70, 32)
    assert tree["stimulus"].values.tolist() == stimuli.ids.tolist()
