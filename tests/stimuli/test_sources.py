import io
import pickle
import sys
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingFileError,
    UnknownNameError,
    UnsafeFileError,
)
from braincodec.stimuli import StimulusSet

KINDS = ["folder", "glob", "list", "npy", "npy_first", "npz", "npz_compressed", "hdf5", "zip", "array", "tensor"]


def write_zip(path, pixels):
    with zipfile.ZipFile(path, "w") as archive:
        for position in reversed(range(len(pixels))):
            file = io.BytesIO()
            Image.fromarray(pixels[position]).save(file, "PNG")
            archive.writestr(f"{position:02d}.png", file.getvalue())


def make_source(kind, folder, pixels, tmp_path):
    first = np.ascontiguousarray(np.moveaxis(pixels, 3, 1))
    if kind == "folder":
        return folder
    if kind == "glob":
        return str(folder / "*.png")
    if kind == "list":
        return [folder / f"{position:02d}.png" for position in range(len(pixels))]
    if kind == "array":
        return first
    if kind == "tensor":
        return pytest.importorskip("torch").from_numpy(first)
    path = tmp_path / {"npz_compressed": "x.npz", "npy_first": "x.npy", "hdf5": "x.h5"}.get(kind, f"x.{kind}")
    if kind == "npy":
        np.save(path, pixels)
    elif kind == "npy_first":
        np.save(path, first)
    elif kind == "npz":
        np.savez(path, images=pixels)
    elif kind == "npz_compressed":
        np.savez_compressed(path, images=pixels)
    elif kind == "hdf5":
        with h5py.File(path, "w") as file:
            file.create_dataset("imgBrick", data=pixels, chunks=(5, 9, 7, 3), compression="gzip")
    else:
        write_zip(path, pixels)
    return path


@pytest.fixture(params=KINDS)
def stimuli(request, folder, pixels, tmp_path):
    return StimulusSet.open(make_source(request.param, folder, pixels, tmp_path))


def test_every_source_gives_the_same_images(stimuli, pixels):
    assert len(stimuli) == 12
    np.testing.assert_array_equal(np.stack(list(stimuli)), pixels)
    np.testing.assert_array_equal(np.concatenate([b.images for b in stimuli.batches(5)]), pixels)
    assert stimuli[3].dtype == np.uint8


def test_every_source_reads_in_any_order(stimuli, pixels):
    order = np.array([11, 0, 5, 4, 3, 7])
    chosen = stimuli[order]
    np.testing.assert_array_equal(np.concatenate([b.images for b in chosen.batches(4)]), pixels[order])
    np.testing.assert_array_equal(chosen[1], pixels[0])
    np.testing.assert_array_equal(stimuli[2], pixels[2])


def test_every_source_survives_pickling_without_open_files(stimuli, pixels):
    stimuli[0]
    again = pickle.loads(pickle.dumps(stimuli))
    np.testing.assert_array_equal(again[7], pixels[7])
    np.testing.assert_array_equal(stimuli[8], pixels[8])
    assert again.fingerprint() == stimuli.fingerprint()
    assert again.ids.tolist() == stimuli.ids.tolist()


def test_every_source_describes_itself(stimuli):
    assert stimuli.describe().startswith("12 stimuli: ")
    assert "9 x 7 pixels" in stimuli.describe()
    assert stimuli[:3].describe().startswith("3 of 12 stimuli: ")
    assert stimuli.describe() in repr(stimuli)


def test_fingerprints_follow_order_ids_and_selection(stimuli):
    prints = {
        stimuli.fingerprint(),
        stimuli[:11].fingerprint(),
        stimuli[::-1].fingerprint(),
        StimulusSet.open(stimuli, ids=range(100, 112)).fingerprint(),
    }
    assert len(prints) == 4
    assert stimuli[:].fingerprint() == stimuli.fingerprint()


def test_fingerprints_follow_contents(folder, pixels, tmp_path):
    stimuli = StimulusSet.open(folder)
    before = stimuli.fingerprint()
    Image.fromarray(pixels[0]).resize((30, 30)).save(folder / "03.png")
    assert stimuli.fingerprint() != before

    changed = pixels.copy()
    changed[3, 0, 0, 0] ^= 1
    assert StimulusSet.open(changed).fingerprint() != StimulusSet.open(pixels).fingerprint()


def test_folders_are_searched_sorted_and_cleaned(tmp_path):
    image = Image.new("RGB", (4, 4))
    for name in ["b/2.jpg", "b/10.png", "a.JPEG", "c/deep/er.png", ".hidden.png", ".cache/x.png", "b/._2.jpg"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    (tmp_path / "notes.txt").write_text("no image")
    assert StimulusSet.open(tmp_path).ids.tolist() == ["a.JPEG", "b/10.png", "b/2.jpg", "c/deep/er.png"]


def test_linked_folders_are_followed_once(tmp_path, folder):
    (folder / "again").symlink_to(folder, target_is_directory=True)
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "link").symlink_to(folder, target_is_directory=True)
    assert StimulusSet.open(outer).ids.tolist() == [f"link/{i:02d}.png" for i in range(12)]


def test_lists_mix_files_folders_and_patterns_in_the_order_given(tmp_path, folder):
    single = tmp_path / "single.png"
    Image.new("RGB", (4, 4)).save(single)
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (4, 4)).save(other / "x.png")
    stimuli = StimulusSet.open([single, str(folder / "0[12].png"), other])
    assert stimuli.ids.tolist() == ["single.png", "pictures/01.png", "pictures/02.png", "other/x.png"]
    assert StimulusSet.from_paths([folder / "05.png", folder / "01.png"]).ids.tolist() == ["05.png", "01.png"]


def test_patterns_reach_into_folders(folder):
    assert len(StimulusSet.open(str(folder.parent / "**" / "*.png"))) == 12
    assert StimulusSet.open(str(folder.parent / "pic*" / "00.png")).ids.tolist() == ["pictures/00.png"]


def test_a_name_with_brackets_is_taken_as_it_is(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "shot[1].png")
    assert StimulusSet.open(tmp_path / "shot[1].png").ids.tolist() == ["shot[1].png"]


def test_relative_paths_survive_a_change_of_folder(folder, monkeypatch, pixels):
    monkeypatch.chdir(folder)
    stimuli = StimulusSet.open("03.png")
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(stimuli[0], pixels[3])


def test_an_empty_folder_names_itself_and_what_was_looked_for(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(InputValueError, match=rf"{tmp_path.name}; looked for .*\.jpg, \.jpeg.*\.png"):
        StimulusSet.open(tmp_path)


@pytest.mark.parametrize("name", ["gone", "gone.jpg", "gone/*.jpg", "x.npy", "x.npz", "x.h5", "x.zip", "s3://pics/a"])
def test_missing_paths_are_named(tmp_path, name):
    source = name if "://" in name else str(tmp_path / name)
    with pytest.raises(MissingFileError, match="not found") as error:
        StimulusSet.open(source)
    assert name in str(error.value)


def test_a_pattern_that_matches_no_image_says_so(tmp_path):
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputValueError, match=r"none of the 1 paths"):
        StimulusSet.open(str(tmp_path / "*"))


def test_an_image_listed_twice_is_refused(folder):
    with pytest.raises(InputValueError, match=r"00\.png is listed 2 times"):
        StimulusSet.open([folder, folder / "00.png"])


def test_a_file_that_is_no_image_is_refused_before_work(folder, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(InputValueError, match="is no image"):
        StimulusSet.open([folder / "00.png", text])


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (3, InputTypeError),
        (None, InputTypeError),
        ([], InputValueError),
        ([np.zeros((4, 4, 3))], InputTypeError),
        (["x.npy", "y.png"], InputValueError),
        ({"a": 1}, InputTypeError),
        (np.zeros((2, 4, 4, 3), bool), InputTypeError),
        (np.zeros((2, 4, 4, 3), object), InputTypeError),
        (np.zeros((2, 4, 4, 3), np.float32), InputTypeError),
        (np.zeros((2, 4, 4, 4), np.uint8), InputValueError),
    ],
)
def test_sources_that_are_none_are_explained(source, error):
    with pytest.raises(error):
        StimulusSet.open(source)


def test_settings_of_arrays_are_refused_for_image_files(folder):
    with pytest.raises(InputValueError, match="value_range applies to arrays"):
        StimulusSet.open(folder, value_range=(0, 1))
    with pytest.raises(InputValueError, match="layout applies to arrays"):
        StimulusSet.open([folder / "00.png", folder / "01.png"], layout="channels_first")


def test_int64_images_are_right_and_not_almost_zero(pixels):
    np.testing.assert_array_equal(StimulusSet.open(pixels.astype(np.int64))[4], pixels[4])


def test_values_in_memory_are_checked_at_once(pixels):
    images = pixels.astype(np.int64)
    images[7, 0, 0, 0] = 300
    with pytest.raises(InputValueError, match=r"'image-7'.*300"):
        StimulusSet.open(images, ids=[f"image-{i}" for i in range(12)])
    floats = pixels / np.float32(255)
    floats[2, 1, 1, 1] = np.nan
    with pytest.raises(InputValueError, match="'2' holds NaN"):
        StimulusSet.open(floats, value_range=(0, 1))


def test_grey_arrays_are_read_when_their_layout_is_stated():
    grey = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
    expected = np.repeat(grey[..., None], 3, axis=3)
    for array, layout in [(grey, "grey"), (grey[..., None], "channels_last"), (grey[:, None], "channels_first")]:
        np.testing.assert_array_equal(np.stack(list(StimulusSet.open(array, layout=layout))), expected)


def test_channels_first_arrays_are_viewed_and_not_copied(pixels):
    first = np.ascontiguousarray(np.moveaxis(pixels, 3, 1))
    batch = next(StimulusSet.open(first).batches(4))
    assert np.shares_memory(batch.images, first)


def test_bfloat16_tensors_are_read(pixels):
    torch = pytest.importorskip("torch")
    tensor = torch.full((2, 3, 4, 4), 0.5, dtype=torch.bfloat16, requires_grad=True)
    assert StimulusSet.open(tensor, value_range=(0, 1))[0][0, 0].tolist() == [128, 128, 128]


def test_a_npz_with_several_arrays_asks_which(tmp_path, pixels):
    path = tmp_path / "x.npz"
    np.savez(path, train=pixels, test=pixels[:3], labels=np.arange(3))
    with pytest.raises(InputValueError, match="train, test"):
        StimulusSet.open(path)
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        StimulusSet.open(path, dataset="trian")
    assert len(StimulusSet.open(path, dataset="test")) == 3
    assert len(StimulusSet.open(f"{path}::train")) == 12
    assert len(StimulusSet.from_npz(path, "train")) == 12


def test_the_only_stack_of_a_npz_is_found_beside_labels(tmp_path, pixels):
    np.savez(tmp_path / "x.npz", images=pixels, labels=np.arange(12))
    assert len(StimulusSet.open(tmp_path / "x.npz")) == 12


def test_an_hdf5_file_with_several_datasets_asks_which(tmp_path, pixels):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        file["group/a"], file["b"] = pixels, pixels[:2]
    with pytest.raises(InputValueError, match="b, group/a"):
        StimulusSet.open(path)
    with pytest.raises(UnknownNameError, match="imgBrick"):
        StimulusSet.from_hdf5(path)
    assert len(StimulusSet.open(f"{path}::group/a")) == 12
    with h5py.File(path, "a") as file:
        file["imgBrick"] = pixels[:4]
    assert len(StimulusSet.open(path)) == 4


def test_fortran_order_is_read_right(tmp_path, pixels):
    np.save(tmp_path / "x.npy", np.asfortranarray(pixels))
    np.testing.assert_array_equal(np.stack(list(StimulusSet.open(tmp_path / "x.npy"))), pixels)
    np.savez_compressed(tmp_path / "x.npz", np.asfortranarray(pixels))
    with pytest.raises(InputValueError, match="ascontiguousarray"):
        StimulusSet.open(tmp_path / "x.npz")


@pytest.mark.parametrize("kind", ["npy", "npz", "npz_compressed", "hdf5", "zip"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_truncated_containers_are_refused(kind, share, folder, pixels, tmp_path):
    path = make_source(kind, folder, pixels, tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DamagedFileError, match=path.name):
        StimulusSet.open(path)


@pytest.mark.parametrize("kind", ["npy", "hdf5", "zip", "npz_compressed"])
def test_a_container_that_vanishes_is_named(kind, folder, pixels, tmp_path):
    path = make_source(kind, folder, pixels, tmp_path)
    stimuli = pickle.loads(pickle.dumps(StimulusSet.open(path)))
    path.unlink()
    with pytest.raises(DamagedFileError, match=path.name):
        stimuli[0]


def test_pickled_arrays_are_refused_unread(tmp_path):
    array = np.empty(2, object)
    np.save(tmp_path / "x.npy", array)
    np.savez(tmp_path / "x.npz", array)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(UnsafeFileError, match="Python objects"):
            StimulusSet.open(tmp_path / name)


def test_a_npy_that_declares_more_than_it_holds_is_refused(tmp_path):
    header = np.lib.format.header_data_from_array_1_0(np.zeros((1, 1, 1, 3), np.uint8))
    header["shape"] = (10_000, 1000, 1000, 3)
    with (tmp_path / "x.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(DamagedFileError, match="declares 30,000,000,000 bytes"):
        StimulusSet.open(tmp_path / "x.npy")


def test_an_hdf5_that_declares_a_huge_image_is_refused(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("imgBrick", (1, 10**6, 10**6, 3), "u1", chunks=(1, 64, 64, 3))
    with pytest.raises(UnsafeFileError, match="1000000 x 1000000"):
        StimulusSet.open(tmp_path / "x.h5")


def test_values_in_files_are_checked_batch_by_batch(tmp_path, pixels):
    images = pixels.astype(np.int64)
    images[9, 0, 0, 0] = -5
    np.save(tmp_path / "x.npy", images)
    batches = StimulusSet.open(tmp_path / "x.npy").batches(4)
    np.testing.assert_array_equal(next(batches).images, pixels[:4])
    with pytest.raises(InputValueError, match=r"'9'.*-5"):
        list(batches)


def test_a_zip_gives_its_images_sorted_and_extracts_nothing(tmp_path, pixels):
    file = io.BytesIO()
    Image.fromarray(pixels[0]).save(file, "PNG")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ["b.png", "../../a.png", "__MACOSX/._b.png", ".c.png", "notes.txt", "/etc/d.png"]:
            archive.writestr(name, file.getvalue())
    before = sorted(tmp_path.parent.rglob("*"))
    stimuli = StimulusSet.open(tmp_path / "x.zip")
    assert stimuli.ids.tolist() == ["../../a.png", "/etc/d.png", "b.png"]
    np.testing.assert_array_equal(stimuli[0], pixels[0])
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_zip_without_images_names_what_was_looked_for(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("notes.txt", "hello")
    with pytest.raises(InputValueError, match=r"x\.zip holds no image.*\.png"):
        StimulusSet.open(tmp_path / "x.zip")


def test_a_zip_member_with_a_huge_declared_size_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr("braincodec.stimuli.sources.zip.MOST_FILE_BYTES", 10**6)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(2 * 10**6))
    with pytest.raises(UnsafeFileError, match=r"bomb\.png declares 2,000,000 bytes"):
        StimulusSet.open(tmp_path / "x.zip")[0]


def test_a_corrupt_member_of_a_zip_is_named(tmp_path, pixels):
    write_zip(tmp_path / "x.zip", pixels)
    data = bytearray((tmp_path / "x.zip").read_bytes())
    data[data.index(b"04.png") + 60] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(bytes(data))
    with pytest.raises(DamagedFileError, match=r"04\.png"):
        StimulusSet.open(tmp_path / "x.zip")[4]


def test_torch_is_not_imported():
    import subprocess

    code = "import sys, braincodec.stimuli; assert not {'torch', 'PIL', 'h5py'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
