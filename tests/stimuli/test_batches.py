import threading
import time
import tracemalloc

import h5py
import numpy as np
import pytest
from PIL import Image

from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, UnknownNameError
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.prefetch import map_ahead, prefetch

DECODING = "braincodec-decode"


def decoding_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith(DECODING)]


def wait_for_threads_to_end():
    deadline = time.monotonic() + 5
    while decoding_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    return decoding_threads()


@pytest.mark.parametrize("ahead", [0, 1, 2, 5])
@pytest.mark.parametrize("batch_size", [1, 5, 12, 100])
def test_batches_cover_the_set_once_and_in_order(folder, pixels, ahead, batch_size):
    batches = list(StimulusSet.open(folder).batches(batch_size, prefetch=ahead))
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert np.concatenate([batch.positions for batch in batches]).tolist() == list(range(12))
    assert batches[0].positions.dtype == np.int64
    np.testing.assert_array_equal(np.concatenate([batch.images for batch in batches]), pixels)
    assert np.concatenate([batch.ids for batch in batches]).tolist() == [f"{i:02d}.png" for i in range(12)]
    assert not wait_for_threads_to_end()


def test_start_goes_on_where_a_run_ended(folder, pixels):
    stimuli = StimulusSet.open(folder)
    first = next(stimuli.batches(5))
    rest = list(stimuli.batches(5, start=first.next_position))
    assert rest[0].positions.tolist() == [5, 6, 7, 8, 9]
    np.testing.assert_array_equal(rest[0].images, pixels[5:10])
    assert list(stimuli.batches(5, start=12)) == []


def test_a_corrupt_image_is_named(folder):
    (folder / "07.png").write_bytes((folder / "07.png").read_bytes()[:60])
    stimuli = StimulusSet.open(folder)
    with pytest.raises(DamagedFileError, match=r"'07\.png' \(8 of 12\).*skip"):
        list(stimuli.batches(4))
    with pytest.raises(DamagedFileError, match=r"07\.png"):
        stimuli[7]


@pytest.mark.parametrize("transform", [None, lambda images: images.astype(np.float32)])
def test_skipping_leaves_bad_images_out_and_lists_them(folder, pixels, transform):
    (folder / "07.png").write_bytes(b"damaged")
    (folder / "02.png").unlink()
    stimuli = StimulusSet.open([folder / f"{i:02d}.png" for i in range(12) if i != 2])
    (folder / "05.png").unlink()
    batches = list(stimuli.batches(4, on_bad="skip", transform=transform))
    bad = [item for batch in batches for item in batch.bad]
    assert [(item.position, item.id) for item in bad] == [(4, "05.png"), (6, "07.png")]
    assert "cannot be read" in bad[0].reason and "not an image" in bad[1].reason
    good = [0, 1, 2, 3, 5, 7, 8, 9, 10]
    assert np.concatenate([batch.positions for batch in batches]).tolist() == good
    files = [0, 1, 3, 4, 6, 8, 9, 10, 11]
    np.testing.assert_array_equal(np.concatenate([batch.images for batch in batches]), pixels[files])
    assert [batch.next_position for batch in batches] == [4, 8, 11]


def test_a_batch_of_bad_images_has_none(folder):
    for name in ("04.png", "05.png"):
        (folder / name).write_bytes(b"damaged")
    batch = list(StimulusSet.open(folder).batches(2, on_bad="skip"))[2]
    assert len(batch) == 0 and batch.images is None and len(batch.bad) == 2
    assert batch.next_position == 6


def test_nan_in_a_file_can_be_skipped_but_wrong_values_cannot(tmp_path, pixels):
    images = pixels / np.float32(255)
    images[3, 0, 0, 0] = np.nan
    np.save(tmp_path / "x.npy", images)
    stimuli = StimulusSet.open(tmp_path / "x.npy", value_range=(0, 1))
    batches = list(stimuli.batches(12, on_bad="skip"))
    assert [item.id for item in batches[0].bad] == ["3"]
    np.testing.assert_array_equal(batches[0].images, np.delete(pixels, 3, axis=0))
    with pytest.raises(InputValueError, match="'3' holds NaN"):
        list(stimuli.batches(12))
    np.save(tmp_path / "y.npy", images * 255)
    with pytest.raises(InputValueError, match="expected 0 to 1"):
        list(StimulusSet.open(tmp_path / "y.npy", value_range=(0, 1)).batches(12, on_bad="skip"))


@pytest.fixture
def mixed_sizes(tmp_path):
    for position, (height, width) in enumerate([(4, 4), (4, 4), (4, 6), (4, 4), (8, 2)]):
        Image.new("L", (width, height), position * 10).save(tmp_path / f"{position}.png")
    return StimulusSet.open(tmp_path)


def test_sizes_that_differ_need_a_transform(mixed_sizes):
    with pytest.raises(InputValueError, match=r"'0\.png' has 4 x 4 pixels, '2\.png' has 4 x 6"):
        list(mixed_sizes.batches(5))
    assert [batch.images.shape[1:3] for batch in mixed_sizes.batches(1)] == [(4, 4), (4, 4), (4, 6), (4, 4), (8, 2)]


def test_a_transform_sees_runs_of_one_size_and_its_rows_are_joined(mixed_sizes):
    torch = pytest.importorskip("torch")
    seen = []

    def mean(images):
        seen.append(images.shape)
        tensor = torch.from_numpy(images).float().mean(dim=(1, 2))
        return tensor, tensor[:, :1]

    (batch,) = mixed_sizes.batches(5, transform=mean)
    assert seen == [(2, 4, 4, 3), (1, 4, 6, 3), (1, 4, 4, 3), (1, 8, 2, 3)]
    assert batch.images[0][:, 0].tolist() == [0, 10, 20, 30, 40]
    assert batch.images[1].shape == (5, 1)


def test_large_images_reach_the_transform_in_pieces(folder, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr("braincodec.stimuli.batch.PIECE_BYTES", 3 * pixels[0].nbytes)
    for stimuli in (StimulusSet.open(folder), StimulusSet.open(pixels)):
        seen = []
        (batch,) = stimuli.batches(12, transform=lambda images, seen=seen: (seen.append(len(images)), images)[1])
        assert seen == [3, 3, 3, 3]
        np.testing.assert_array_equal(batch.images, pixels)


@pytest.mark.parametrize(
    ("transform", "error"),
    [
        (lambda images: images[:1], InputValueError),
        (lambda images: 3, InputTypeError),
        (lambda images: None, InputTypeError),
        (lambda images: np.float32(1), InputValueError),
        (lambda images: 1 / 0, ZeroDivisionError),
    ],
)
def test_a_wrong_transform_is_reported_to_the_reader(folder, transform, error):
    with pytest.raises(error):
        list(StimulusSet.open(folder).batches(4, transform=transform))
    assert not wait_for_threads_to_end()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"batch_size": 0}, InputValueError),
        ({"batch_size": 2.0}, InputTypeError),
        ({"batch_size": True}, InputTypeError),
        ({"batch_size": 2, "start": 13}, InputValueError),
        ({"batch_size": 2, "start": -1}, InputValueError),
        ({"batch_size": 2, "prefetch": -1}, InputValueError),
        ({"batch_size": 2, "on_bad": "ignore"}, UnknownNameError),
    ],
)
def test_wrong_arguments_are_refused_before_iterating(folder, arguments, error):
    with pytest.raises(error):
        StimulusSet.open(folder).batches(**arguments)


def test_threads_end_when_the_reader_closes(folder):
    batches = StimulusSet.open(folder).batches(1)
    next(batches)
    assert decoding_threads()
    batches.close()
    assert not wait_for_threads_to_end()


def test_threads_end_when_the_reader_raises(folder):
    with pytest.raises(KeyboardInterrupt):
        for _ in StimulusSet.open(folder).batches(1):
            raise KeyboardInterrupt
    assert not wait_for_threads_to_end()


def test_threads_end_between_the_images_of_a_batch(tmp_path, folder, monkeypatch):
    decoded = []
    from braincodec.stimuli.sources import ImageFiles

    read = ImageFiles.read

    def slow(self, position):
        decoded.append(position)
        time.sleep(0.05)
        return read(self, position)

    monkeypatch.setattr(ImageFiles, "read", slow)
    batches = StimulusSet.open([folder / f"{i:02d}.png" for i in range(12)]).batches(1, prefetch=2)
    next(batches)
    batches.close()
    assert not wait_for_threads_to_end()
    count = len(decoded)
    time.sleep(0.15)
    assert len(decoded) == count < 12


def test_reading_runs_ahead_but_only_so_far():
    made = []

    def produce(check):
        for item in range(100):
            made.append(item)
            yield item

    items = prefetch(produce, depth=3)
    assert next(items) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]
    items.close()


def test_decoding_overlaps_with_computing():
    def produce(check):
        for item in range(8):
            time.sleep(0.04)
            yield item

    begin = time.perf_counter()
    for _ in prefetch(produce, depth=2):
        time.sleep(0.04)
    assert time.perf_counter() - begin < 0.8 * 8 * 0.08


def test_several_threads_keep_the_order_and_hold_few_results():
    taken = []

    def items():
        for item in range(50):
            taken.append(item)
            yield item

    results = map_ahead(lambda item: (time.sleep(0.002 * (item % 3)), item)[1], items(), 4, lambda: None)
    for expected, result in enumerate(results):
        assert result == expected
        assert len(taken) <= expected + 6


@pytest.mark.parametrize("kind", ["npy", "npz", "npz_compressed", "hdf5"])
def test_memory_does_not_grow_with_the_number_of_images(tmp_path, kind):
    shape, path = (10_000, 32, 32, 3), tmp_path / f"x.{'npz' if 'npz' in kind else kind}"
    images = np.zeros(shape, np.uint8)
    images[:, 0, 0, 0] = np.arange(10_000) % 256
    if kind == "npy":
        np.save(path, images)
    elif kind == "npz":
        np.savez(path, images)
    elif kind == "npz_compressed":
        np.savez_compressed(path, images)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("imgBrick", data=images)
    del images
    stimuli = StimulusSet.open(path)
    tracemalloc.start()
    try:
        checked = 0
        for batch in stimuli.batches(100):
            checked += int((batch.images[:, 0, 0, 0] == batch.positions % 256).sum())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert checked == 10_000
    # four batches of 0.3 MB, where the set has 31 MB
    assert peak < 4e6


def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    pixels = np.zeros((64, 64, 3), np.uint8)
    for position in range(600):
        Image.fromarray(pixels).save(tmp_path / f"{position:03d}.bmp")
    stimuli = StimulusSet.open(tmp_path)
    stimuli[0]  # the decoders are imported here
    tracemalloc.start()
    try:
        assert sum(len(batch) for batch in stimuli.batches(8)) == 600
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2e6


def test_real_photographs_of_a_zip_are_read_in_order(shared_data):
    path = shared_data / "macaque_v4" / "images" / "images_210224.zip"
    stimuli = StimulusSet.open(path)
    assert stimuli.ids.tolist() == sorted(stimuli.ids.tolist())
    batch = next(stimuli.batches(16))
    assert batch.images.shape == (16, 112, 112, 3)
    assert batch.images.std() > 10


def test_golden_images_are_read_by_name(golden):
    stimuli = StimulusSet.open(f"{golden / 'images.npz'}::images_227")
    with np.load(golden / "images.npz") as stored:
        np.testing.assert_array_equal(np.moveaxis(stored["images_227"], 1, 3), np.stack(list(stimuli)))
