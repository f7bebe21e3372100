"""The published code's own answers: the largest difference is at most 1e-4 of their standard deviation.

Through `open_store` in batches of every size, from artefacts, and through the interfaces of NED, NEST and BERG.
"""

from __future__ import annotations

import shutil
from typing import NamedTuple

import numpy as np
import pytest

from braincodec import Encoder, open_store
from braincodec.compat import BERG, NEST
from ned.ned import NED

from ..legacy.layouts import EEG, METADATA, WEIGHTS, save_object

FWRF, EEG_MODEL, SURFACE = "fmri-nsd-fwrf", "eeg-things_eeg_2-vit_b_32", "fmri-nsd_fsaverage-vit_b_32"
TOLERANCE = 1e-4
MESH = 163_842


class Golden(NamedTuple):
    """Folders, images and answers."""

    ned: str
    berg: str
    images: dict[int, np.ndarray]
    fmri: dict[str, np.ndarray]
    eeg: dict[int, np.ndarray]
    surface: dict[str, np.ndarray]


@pytest.fixture(scope="module")
def answers(golden, vit_hub):
    """All that the published code computed; torch hub points at its seeded network meanwhile."""
    images = np.load(golden / "images.npz")
    eeg = np.load(golden / "expected_eeg.npz")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(vit_hub))
        yield Golden(
            ned=str(golden / "neural_encoding_dataset"),
            berg=str(golden / "brain-encoding-response-generator"),
            images={size: images[f"images_{size}"] for size in (227, 300)},
            fmri=dict(np.load(golden / "expected_fmri.npz")),
            eeg={size: eeg[f"eeg_{size}"] for size in (227, 300)},
            surface=dict(np.load(golden / "expected_fsaverage.npz")),
        )


def assert_equal(found, expected, whole=None):
    """At most 1e-4 of the standard deviation of the whole expected array."""
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    scale = (expected if whole is None else whole).std()
    assert np.abs(np.asarray(found) - expected).max() <= TOLERANCE * scale


# --- fMRI, one network for each region -------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def fwrf(answers):
    store = open_store(answers.ned)
    return {roi: store.encoder(FWRF, 1, roi) for roi in ("V1", "lateral")}


@pytest.fixture(scope="module")
def fwrf_artefacts(fwrf, tmp_path_factory):
    root = tmp_path_factory.mktemp("artefacts")
    for roi, encoder in fwrf.items():
        encoder.save(root / FWRF / "subject-01" / f"roi-{roi}")
    return root


@pytest.mark.parametrize("size", [227, 300])
@pytest.mark.parametrize("roi", ["V1", "lateral"])
class TestFmri:
    @pytest.mark.parametrize("batch_size", ["auto", 1, 2, 4])
    def test_any_batch_size(self, answers, fwrf, roi, size, batch_size):
        found = fwrf[roi].encode(answers.images[size], device="cpu", batch_size=batch_size).values
        assert_equal(found, answers.fmri[f"{roi}_{size}"])

    def test_batch_of_one(self, answers, fwrf, roi, size):
        expected = answers.fmri[f"{roi}_{size}"]
        for number in range(len(expected)):
            one = fwrf[roi].encode(answers.images[size][number : number + 1], device="cpu").values
            assert_equal(one, expected[number : number + 1], expected)

    def test_converted_and_read_from_disk(self, answers, fwrf_artefacts, roi, size):
        encoder = Encoder.load(fwrf_artefacts / FWRF / "subject-01" / f"roi-{roi}")
        assert_equal(encoder.encode(answers.images[size], device="cpu").values, answers.fmri[f"{roi}_{size}"])

    def test_ned_in_one_step_from_either_store(self, answers, fwrf_artefacts, roi, size):
        for folder in (answers.ned, fwrf_artefacts):
            found, _ = NED(folder).encode(answers.images[size].astype(np.int64), "fmri", "nsd", "fwrf", 1, roi)
            assert_equal(found, answers.fmri[f"{roi}_{size}"])

    def test_ned_nest_and_berg_in_two_steps(self, answers, roi, size):
        expected, images = answers.fmri[f"{roi}_{size}"], answers.images[size]
        for interface in (NED(answers.ned), NEST(answers.ned)):
            model = interface.get_encoding_model("fmri", "nsd", "fwrf", 1, roi)
            assert_equal(interface.encode(model, images, return_metadata=False), expected)
        berg = BERG(answers.ned)
        assert_equal(berg.encode(berg.get_encoding_model(FWRF, subject=1, selection={"roi": roi}), images), expected)


def test_regions_in_one_pass(answers):
    both = open_store(answers.ned).encoder(FWRF, 1, ["V1", "lateral"])
    found = both.encode(answers.images[300], device="cpu").values
    assert_equal(found, np.concatenate([answers.fmri["V1_300"], answers.fmri["lateral_300"]], 1))


# --- EEG -------------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def regrouped(answers, golden, tmp_path_factory):
    """BERG's form: the three files in one dict, with one PCA, or with a scikit-learn object for each repetition."""
    source = golden / "neural_encoding_dataset" / EEG
    names = {"scaler_param": "StandardScaler", "pca_param": "pca", "reg_param": "LinearRegression"}
    files = {key: next((source / WEIGHTS).glob(f"{name}_param*.npy")) for key, name in names.items()}
    content = {key: np.load(path, allow_pickle=True).item() for key, path in files.items()}
    forms = {"dict": content}
    try:
        from sklearn.decomposition import PCA
    except ImportError:
        pass
    else:
        pca = PCA(n_components=content["pca_param"]["n_components_"])
        pca.__dict__.update(content["pca_param"])
        forms["objects"] = content | {"pca_param": {f"rep-{number}": pca for number in range(1, 5)}}
    folders = {}
    for form, value in forms.items():
        folders[form] = tmp_path_factory.mktemp(f"berg-{form}")
        save_object(folders[form] / EEG / WEIGHTS / "weights_subject-01.npy", value)
        (folders[form] / EEG / METADATA).mkdir()
        shutil.copyfile(
            source / METADATA / "metadata_sub-01.npy", folders[form] / EEG / METADATA / "metadata_subject-01.npy"
        )
    return folders


@pytest.fixture(scope="module")
def eeg(answers):
    return open_store(answers.ned).encoder(EEG_MODEL)


@pytest.mark.parametrize("size", [227, 300])
@pytest.mark.parametrize("batch_size", ["auto", pytest.param(1, marks=pytest.mark.slow), 4])
def test_eeg_in_any_batch_size(answers, eeg, size, batch_size):
    found = eeg.encode(answers.images[size], device="cpu", batch_size=batch_size).values
    assert_equal(found, answers.eeg[size])


@pytest.mark.parametrize("size", [227, 300])
def test_eeg_in_a_batch_of_one(answers, eeg, size):
    expected = answers.eeg[size]
    found = eeg.encode(answers.images[size][-1:], device="cpu").values
    assert_equal(found, expected[-1:], expected)


def test_eeg_converted_and_read_from_disk_without_torch_hub(answers, eeg, tmp_path, monkeypatch):
    encoder = Encoder.load(eeg.save(tmp_path / EEG_MODEL / "subject-01"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nothing"))  # the artefact holds the network too
    for size in (227, 300):
        assert_equal(encoder.encode(answers.images[size], device="cpu").values, answers.eeg[size])
    found, metadata = NED(tmp_path).encode(answers.images[300], "eeg", "things_eeg_2", "vit_b_32", 1)
    assert_equal(found, answers.eeg[300])
    assert len(metadata["eeg"]["ch_names"]) == 17


def test_eeg_through_ned_and_nest(answers):
    ned = NED(answers.ned)
    found, metadata = ned.encode(answers.images[227].astype(np.int32), "eeg", "things_eeg_2", "vit_b_32", 1)
    assert_equal(found, answers.eeg[227])
    assert metadata["eeg"]["times"].shape == (20,)
    nest = NEST(answers.ned)
    model = nest.get_encoding_model("eeg", "things_eeg_2", "vit_b_32", 1)
    assert_equal(nest.encode(model, answers.images[300], return_metadata=False), answers.eeg[300])


@pytest.mark.parametrize("form", [pytest.param("dict", marks=pytest.mark.slow), "objects"])
def test_eeg_in_bergs_file_form_whole_and_under_a_selection(answers, regrouped, form):
    if form not in regrouped:
        pytest.skip("needs scikit-learn")
    berg = BERG(regrouped[form])
    whole = berg.get_encoding_model(EEG_MODEL, subject=1)
    for size in (227, 300):
        assert_equal(berg.encode(whole, answers.images[size]), answers.eeg[size])
    expected = answers.eeg[300]
    names = berg.get_model_metadata(EEG_MODEL, subject=1)["eeg"]["ch_names"]
    channels, times = [5, 2, 11], [0, 7, 8, 19]
    vector = np.zeros(20, int)
    vector[times] = 1
    selection = {"channels": [names[number] for number in channels], "timepoints": vector}
    found = berg.encode(berg.get_encoding_model(EEG_MODEL, subject=1, selection=selection), answers.images[300])
    assert_equal(found, expected[:, :, channels][..., times], expected)


# --- whole cortex ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def surface_artefact(answers, tmp_path_factory):
    """The whole model as an artefact."""
    root = tmp_path_factory.mktemp("surface")
    open_store(answers.berg).encoder(SURFACE).save(root / SURFACE / "subject-01")
    return root


@pytest.fixture(scope="module", params=["published", "converted"])
def berg(request, answers):
    """BERG over the published folder, and over its artefact."""
    return BERG(answers.berg if request.param == "published" else request.getfixturevalue("surface_artefact"))


def pair_is_equal(found, left, right):
    whole = np.concatenate([left, right], 1)  # the standard deviation is that of both hemispheres
    assert_equal(found[0], left, whole)
    assert_equal(found[1], right, whole)


@pytest.mark.parametrize("size", [227, 300])
def test_cortex_by_region(answers, berg, size):
    model = berg.get_encoding_model(SURFACE, subject=1, selection={"roi": "V1v"})
    found = berg.encode(model, answers.images[size])
    left, right = (answers.surface[f"V1v_{side}_{size}"] for side in ("lh", "rh"))
    pair_is_equal(found, left, right)
    one = berg.encode(model, answers.images[size][:1])
    whole = np.concatenate([left, right], 1)
    assert_equal(one[0], left[:1], whole)
    assert_equal(one[1], right[:1], whole)


def test_cortex_by_vertices(answers, berg):
    vectors = {}
    for side in ("lh", "rh"):
        vectors[f"{side}_vertices"] = np.zeros(MESH, int)
        vectors[f"{side}_vertices"][answers.surface[f"{side}_vertices"]] = 1
    found = berg.encode(berg.get_encoding_model(SURFACE, subject=1, selection=vectors), answers.images[227])
    pair_is_equal(found, answers.surface["vertices_lh_227"], answers.surface["vertices_rh_227"])


@pytest.mark.parametrize("batch_size", ["auto", *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 4))])
def test_cortex_through_the_store_in_any_batch_size(answers, surface_artefact, batch_size):
    expected = np.concatenate([answers.surface["V1v_lh_300"], answers.surface["V1v_rh_300"]], 1)
    for folder in (answers.berg, surface_artefact):
        encoder = open_store(folder).encoder(SURFACE, 1, "V1v")
        assert_equal(encoder.encode(answers.images[300], device="cpu", batch_size=batch_size).values, expected)
