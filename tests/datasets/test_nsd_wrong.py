"""Whatever is wrong with NSD's files is said before the long work, by name; verify says all of it."""

from __future__ import annotations

import gzip
import shutil

import h5py
import nibabel
import numpy as np
import pytest
import scipy.io

from braincodec.datasets.nsd import NSD
from braincodec.errors import DamagedFileError, MissingFileError, OutputError
from braincodec.simulate.layouts.nsd import BETAS, Sizes, write_nsd

SIZES = Sizes()
VOLUME = f"nsddata_betas/ppdata/subj01/func1pt8mm/{BETAS}"
SURFACE = f"nsddata_betas/ppdata/subj01/fsaverage/{BETAS}"
DESIGN = "nsddata/experiments/nsd/nsd_expdesign.mat"
STIMULI = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
ROI = "nsddata/ppdata/subj01/func1pt8mm/roi"
LABEL = "nsddata/freesurfer/subj01/label"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, {form: (folder / form, write_nsd(folder / form, SIZES, form=form)) for form in ("hdf5", "nii.gz")}


@pytest.fixture
def copy(whole, tmp_path):
    """A copy of the files, to be spoilt, and the data set over it."""

    def make(form="hdf5"):
        source, facts = whole[1][form]
        root = tmp_path / "nsd"
        shutil.copytree(source, root)
        kind = type("Small", (NSD,), {"published": facts})
        return root, lambda **options: kind(root, cache=tmp_path / "cache", **options)

    return make


def cut(path, count=40):
    path.write_bytes(path.read_bytes()[:-count])


def test_missing_sessions_are_named_and_fewer_can_be_asked_for(copy):
    root, data = copy()
    for number in (2, 4):
        (root / VOLUME / f"betas_session{number:02d}.hdf5").unlink()
    with pytest.raises(
        MissingFileError, match=r"2 of 4 sessions of subject 1 \(number 2, 4\).*session02.*sessions=<n>"
    ):
        data().subject("1")
    assert data(sessions=1).subject("1").responses.sizes["stimulus"] > 0
    assert data().verify() == ["subject 1: 2 of 4 sessions are missing: 2, 4"]


def test_one_hemisphere_of_a_session_is_not_a_session(copy):
    root, data = copy()
    (root / SURFACE / "rh.betas_session03.mgh").unlink()
    with pytest.raises(MissingFileError, match=r"\(number 3\) not found: .*rh\.betas_session03\.mgh"):
        data(space="fsaverage").subject("1")


@pytest.mark.parametrize(
    ("form", "space", "name"),
    [
        ("hdf5", "volume", f"{VOLUME}/betas_session04.hdf5"),
        ("nii.gz", "volume", f"{VOLUME}/betas_session04.nii.gz"),
        ("hdf5", "fsaverage", f"{SURFACE}/rh.betas_session04.mgh"),
    ],
)
def test_a_truncated_session_is_named_before_any_is_read(copy, monkeypatch, form, space, name):
    root, data = copy(form)
    cut(root / name)
    monkeypatch.setattr("braincodec.datasets.nsd.dataset.prepare_trials", None)  # nothing may be prepared
    with pytest.raises(DamagedFileError, match=r"session04.* (is truncated|cannot be read)"):
        data(space=space).subject("1")
    (problem,) = data(space=space).verify()
    assert problem.startswith("subject 1: ")
    assert name.rpartition("/")[2] in problem


def test_a_series_that_breaks_off_inside_is_named(copy):
    root, data = copy("nii.gz")
    path = root / VOLUME / "betas_session02.nii.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 200] = bytes(200)  # its end still tells the right length
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"betas_session02\.nii\.gz cannot be read"):
        data().subject("1")
    # what came before is kept, and the same call goes on when the file is whole again
    shutil.copy(root / VOLUME / "betas_session01.nii.gz", path)
    assert data().subject("1").responses.shape[0] > 0


@pytest.mark.parametrize("content", [b"", b"no image at all", gzip.compress(b"short", mtime=0)])
@pytest.mark.parametrize("name", [f"{ROI}/streams.nii.gz", f"{VOLUME}/ncsnr.nii.gz"])
def test_a_map_that_is_no_image_is_named(copy, name, content):
    root, data = copy()
    (root / name).write_bytes(content)
    with pytest.raises(DamagedFileError, match=name.rpartition("/")[2]):
        data().subject("1")


def write_hdf5(path, shape):
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=np.ones(shape, np.int16))


def test_wrong_counts_and_shapes_of_sessions_are_named(copy):
    root, data = copy()
    path = root / VOLUME / "betas_session03.hdf5"
    reverse = SIZES.volume[::-1]
    write_hdf5(path, (29, *reverse))
    with pytest.raises(DamagedFileError, match="session 3 of subject 1 has 29 trials, expected 30"):
        data().subject("1")
    assert data().verify() == ["subject 1: session 3 has 29 trials, expected 30"]
    write_hdf5(path, (30, *SIZES.volume))  # (trial, i, j, k) is not how MATLAB writes it
    with pytest.raises(DamagedFileError, match=r"betas_session03\.hdf5 has shape \(30, 6, 7, 5\); expected a series"):
        data().subject("1")
    with h5py.File(path, "w") as file:
        file["beta"] = np.zeros(3)
    with pytest.raises(DamagedFileError, match=r"has no dataset 'betas' \(it holds beta\)"):
        data().subject("1")


def test_surfaces_of_other_meshes_are_named(copy):
    root, data = copy()
    nibabel.save(nibabel.MGHImage(np.zeros((61, 1, 1, 30), "f4"), np.eye(4)), root / SURFACE / "lh.betas_session01.mgh")
    with pytest.raises(DamagedFileError, match=r"lh\.betas_session01\.mgh has shape \(61, 1, 1, 30\); expected \(60"):
        data(space="fsaverage").subject("1")


def change_design(root, **changes):
    content = scipy.io.loadmat(root / DESIGN)
    arrays = {name: content[name].astype(float) for name in ("masterordering", "subjectim", "sharedix")}
    scipy.io.savemat(root / DESIGN, {name: changes.get(name, lambda a: a)(array) for name, array in arrays.items()})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"masterordering": lambda a: a - 1}, r"masterordering .* runs from 0 to 39; expected numbers from 1 to 40"),
        ({"subjectim": lambda a: a - 1}, r"subjectim .* runs from 0 to"),
        ({"sharedix": lambda a: a + 1}, "subjectim and sharedix .* do not belong together|sharedix .* runs from"),
        ({"masterordering": lambda a: a + 0.5}, "masterordering .* holds other than whole numbers"),
        ({"masterordering": lambda a: a[:, :50]}, "plans 50 trials; 120 lie on disk"),
        ({"subjectim": lambda a: a[:, :, None].repeat(2, 2)}, "'subjectim' .* has shape"),
    ],
)
def test_a_design_counted_from_zero_or_otherwise_wrong_is_refused(copy, changes, message):
    root, data = copy()
    change_design(root, **changes)
    with pytest.raises(DamagedFileError, match=message):
        data().subject("1")
    assert any("subject 1" in problem for problem in data().verify())


def test_another_number_of_images_than_published_is_named(copy):
    root, data = copy()
    content = scipy.io.loadmat(root / DESIGN)["masterordering"].astype(float)
    last = content[0, -1]
    change_design(root, masterordering=lambda order: np.where(order == last, order[0, 0], order))
    with pytest.raises(DamagedFileError, match="subject 1 saw 39 images, expected 40"):
        data().subject("1")
    assert "subject 1: 39 images were seen, expected 40" in data().verify()


def test_labels_must_fit_the_volume_and_have_names(copy):
    root, data = copy()
    path = root / ROI / "streams.nii.gz"
    labels = nibabel.load(path).get_fdata().astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(labels[:-1], np.eye(4)), path)
    with pytest.raises(DamagedFileError, match=r"labels of streams in .* has shape \(5, 7, 5\); expected \(6, 7, 5\)"):
        data().subject("1")
    labels[2, 2, 2] = 9
    nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), path)
    with pytest.raises(DamagedFileError, match="holds the label 9, which its colour table does not name"):
        data().subject("1")
    (root / LABEL / "streams.mgz.ctab").write_text("one early\n")
    with pytest.raises(DamagedFileError, match=r"streams\.mgz\.ctab is no colour table"):
        data().subject("1")
    (root / LABEL / "streams.mgz.ctab").unlink()
    with pytest.raises(MissingFileError, match="colour table, which names the regions"):
        data().subject("1")
    shutil.rmtree(root / ROI)
    with pytest.raises(MissingFileError, match="labels of regions"):
        data().subject("1")


def test_a_mapping_beyond_the_subjects_surface_is_refused(copy):
    root, data = copy()
    path = root / "nsddata/ppdata/subj01/transforms/lh.white-to-fsaverage.mgz"
    values = np.arange(60, dtype=np.float32)[:, None, None]  # from 0
    nibabel.save(nibabel.MGHImage(values, np.eye(4)), path)
    with pytest.raises(DamagedFileError, match="runs from 0 to 59; expected vertices from 1 to 90"):
        data(space="fsaverage").subject("1")


def test_absent_signal_to_noise_ratios_say_what_to_do(copy):
    root, data = copy()
    (root / VOLUME / "ncsnr.nii.gz").unlink()
    with pytest.raises(MissingFileError, match="ncsnr='computed' estimates them"):
        data().subject("1")
    assert data(ncsnr="computed").subject("1").units["ncsnr"].notnull().all()


def test_images_must_be_there_and_all(copy, tmp_path):
    root, data = copy()
    elsewhere = tmp_path / "elsewhere.hdf5"
    shutil.move(root / STIMULI, elsewhere)
    with pytest.raises(MissingFileError, match=r"images of nsd.*give stimuli=<path>"):
        data().subject("1")
    assert data(stimuli=elsewhere).subject("1", roi="V1").stimuli[0].shape == (8, 8, 3)
    with h5py.File(root / STIMULI, "w") as file:
        file["imgBrick"] = np.zeros((5, 8, 8, 3), np.uint8)
    with pytest.raises(DamagedFileError, match="holds 5 images, expected"):
        data().subject("1")
    cut(root / STIMULI)
    assert data(sessions=3).verify()[0].startswith(str(root))


def test_verify_finds_nothing_wrong_with_whole_files_and_prepares_nothing(copy, tmp_path):
    _, data = copy()
    for space in ("volume", "fsaverage"):
        assert data(space=space).verify(read_stimuli=True) == []
    assert not (tmp_path / "cache").exists()


def test_verify_says_everything_and_names_absent_subjects(copy):
    root, data = copy()
    for number in range(1, 4):
        (root / VOLUME.replace("subj01", "subj02") / f"betas_session{number:02d}.hdf5").unlink()
    cut(root / VOLUME / "betas_session02.hdf5")
    (root / VOLUME / "betas_session03.hdf5").unlink()
    cut(root / VOLUME / "ncsnr.nii.gz")
    problems = data().verify()
    assert [text.partition(": ")[0] for text in problems] == ["subject 1"] * 3 + ["subject 2"]
    for text, part in zip(problems, ("missing: 3", "session02", "ncsnr", "absent"), strict=True):
        assert part in text


def test_info_says_how_to_get_the_data_and_what_they_take():
    from braincodec.datasets.nsd.disk import space_needed
    from braincodec.datasets.nsd.published import Published

    assert "s3://natural-scenes-dataset" in NSD.how_to_get
    volume = space_needed(Published(), "func1pt8mm")
    # 73,000 images of 425 x 425 x 3 bytes; 40 sessions of 81 x 104 x 83 voxels, 750 trials, two bytes
    assert "images 39.6 GB" in volume
    assert "subject 1: 42.0 GB of responses in 40 files of 1.05 GB" in volume


def test_info_of_what_is_there(copy):
    _, data = copy()
    text = data().info()
    assert "terms" in text
    assert "MB in" in text
    assert "will take" in text


@pytest.mark.parametrize("small_disk", [1], indirect=True)
def test_a_full_disk_is_said_before_sessions_are_read(copy, small_disk):
    root, data = copy()
    (small_disk / "filling").write_bytes(bytes(1_000_000))
    kind = type(data())
    with pytest.raises(OutputError, match=r"cannot write .*nsd"):
        kind(root, cache=small_disk).subject("1")
