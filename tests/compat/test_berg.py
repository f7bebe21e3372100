"""BERG's interface: catalogue, selections, hemispheres."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec import open_store
from braincodec.compat import BERG
from braincodec.errors import BraincodecError, MissingFileError
from braincodec.legacy.convert import convert_folder

from ..legacy.layouts import CHANNELS, TIMES, write_eeg

FWRF, EEG, SURFACE = "fmri-nsd-fwrf", "eeg-things_eeg_2-vit_b_32", "fmri-nsd_fsaverage-vit_b_32"
MESH = 163_842
IMAGES = np.zeros((1, 3, 8, 8), np.uint8)


@pytest.fixture(scope="module")
def berg(vit, berg_root):
    return BERG(berg_dir=berg_root)


@pytest.fixture(scope="module")
def pair(pictures):
    return pictures[:2]


def vector(length, *ones):
    """0 and 1, as the published scripts select."""
    values = np.zeros(length, int)
    values[list(ones)] = 1
    return values


def test_models_that_can_be_run_are_listed_whatever_files_are_here(berg, ned_root, capsys):
    assert berg.list_models() == [EEG, FWRF, SURFACE]
    assert BERG(ned_root).list_models() == berg.list_models()
    assert berg.get_model_catalog() == {"eeg": ["things_eeg_2"], "fmri": ["nsd", "nsd_fsaverage"]}
    assert capsys.readouterr().out == ""
    berg.get_model_catalog(print_format=True)
    assert capsys.readouterr().out.splitlines() == ["eeg", "  things_eeg_2", "fmri", "  nsd", "  nsd_fsaverage"]


@pytest.mark.parametrize("model", [FWRF, EEG, SURFACE])
def test_description_is_printed_and_returned(berg, model, capsys):
    found = berg.describe(model)
    assert found["model_id"] == model
    assert found["parameters"]["subject"]["valid_values"][0] == 1
    printed = capsys.readouterr().out
    assert model in printed
    for key in found["parameters"]["selection"]["keys"]:
        assert key in printed
    assert f"berg.get_encoding_model('{model}', subject=1" in printed


def test_region_of_a_volume_model(berg, pair):
    model = berg.get_encoding_model(FWRF, subject=1, selection={"roi": "V1"}, device="cpu")
    responses, metadata = berg.encode(model, pair, return_metadata=True)
    expected = berg._models.store.encoder(FWRF, 1, "V1").encode(pair, device="cpu").values
    assert np.array_equal(responses, expected)
    assert type(responses) is np.ndarray
    assert metadata["fmri"]["roi_mask_volume"].sum() == 4
    assert np.array_equal(model.generate_response(pair, show_progress=False), expected)


def test_several_regions_of_a_volume_model_follow_one_another(berg, pair):
    both = berg.encode(berg.get_encoding_model(FWRF, subject=1, selection={"roi": ["V2", "V1"]}), pair)
    each = [berg.encode(berg.get_encoding_model(FWRF, subject=1, selection={"roi": roi}), pair) for roi in ("V2", "V1")]
    assert np.allclose(both, np.concatenate(each, 1), atol=1e-5)


@pytest.fixture(scope="module")
def eeg(berg, pair):
    return berg.encode(berg.get_encoding_model(EEG, subject=1), pair)


def test_whole_eeg(eeg):
    assert eeg.shape == (2, 4, len(CHANNELS), len(TIMES))
    assert eeg.dtype == np.float32


def test_channels_come_in_the_order_asked_for(berg, eeg, pair):
    selection = {"channels": ["O1", "Pz"]}
    found = berg.encode(berg.get_encoding_model(EEG, subject=1, selection=selection), pair)
    assert np.allclose(found, eeg[:, :, [2, 0]], atol=1e-5)


def test_time_points_are_a_vector_of_0_and_1(berg, eeg, pair):
    for chosen in (vector(len(TIMES), 1, 4), [0, 1, 0, 0, 1], vector(len(TIMES), 1, 4).astype(bool)):
        selection = {"timepoints": chosen, "channels": ["Oz"]}
        found = berg.encode(berg.get_encoding_model(EEG, "cpu", selection, subject=1), pair)
        assert np.allclose(found, eeg[:, :, [1]][..., [1, 4]], atol=1e-5)


@pytest.fixture(scope="module")
def cortex(berg, pair):
    return berg.encode(berg.get_encoding_model(SURFACE, subject=1), pair)


def test_whole_cortex_is_a_pair_of_hemispheres(cortex):
    assert isinstance(cortex, tuple)
    assert [half.shape for half in cortex] == [(2, 40), (2, 40)]
    assert all(half.dtype == np.float32 for half in cortex)


@pytest.mark.parametrize(
    ("selection", "left", "right"),
    [
        ({"roi": "V1v"}, [3, 4, 9], [0, 1]),
        ({"roi": "hV4"}, [9, 20], []),
        ({"roi": ["V1v", "hV4"]}, [3, 4, 9, 20], [0, 1]),
        ({"roi": "OWFA"}, [], [5]),
        ({"roi": "OVWFA"}, [], [5]),
        ({"roi": "mTL-bodies"}, [], []),
        ({"roi": "V1v", "lh_vertices": vector(MESH, 30)}, [3, 4, 9], [0, 1]),
        ({"roi": None, "lh_vertices": vector(MESH, 30)}, [30], range(40)),
        ({"lh_vertices": vector(MESH, 2, 30), "rh_vertices": vector(MESH, 7)}, [2, 30], [7]),
        ({"rh_vertices": vector(MESH, 0, 39)}, range(40), [0, 39]),
        ({}, range(40), range(40)),
    ],
)
def test_selection_of_vertices(berg, cortex, pair, selection, left, right):
    halves = berg.encode(berg.get_encoding_model(SURFACE, subject=1, selection=selection), pair)
    for half, whole, chosen in zip(halves, cortex, (left, right), strict=True):
        assert half.shape == (2, len(chosen))
        assert half.dtype == np.float32
        assert np.allclose(half, whole[:, list(chosen)], atol=1e-5)


def test_batch_of_one_keeps_its_axis(berg, pair):
    left, right = berg.encode(berg.get_encoding_model(SURFACE, subject=1, selection={"roi": "V1v"}), pair[:1])
    assert left.shape == (1, 3)
    assert right.shape == (1, 2)
    assert berg.encode(berg.get_encoding_model(EEG, subject=1), pair[:1].astype(np.int64)).shape[0] == 1


def test_metadata_keep_their_keys(berg):
    assert berg.get_model_metadata(FWRF, subject=1, roi="V1")["fmri"].keys() >= {"ncsnr", "roi_mask_volume"}
    eeg = berg.get_model_metadata(EEG, subject=1)
    assert eeg["eeg"]["ch_names"] == CHANNELS
    assert "correlation_averaged_repetitions" in eeg["encoding_models"]  # as newer files name it
    surface = berg.get_model_metadata(SURFACE, subject=1, roi="V1v")
    assert surface["encoding_models"].keys() >= {"lh_r2_nsdcore", "rh_correlation_nsdcore"}
    model = berg.get_encoding_model(SURFACE, subject=1, selection={"roi": "V1v"})
    assert len(model.get_metadata()["fmri"]["lh_ncsnr"]) == 40


def test_folder_in_neds_form_serves_too(vit, tmp_path, pair):
    berg = BERG(write_eeg(tmp_path))
    found, metadata = berg.encode(berg.get_encoding_model(EEG, subject=1), pair, return_metadata=True)
    assert found.shape == (2, 4, 3, 5)
    assert "correlation_all_repetitions" in metadata["encoding_models"]["encoding_accuracy"]


def test_converted_folder_gives_the_same(vit, berg_root, cortex, pair, tmp_path):
    convert_folder(berg_root, tmp_path, models=[FWRF, SURFACE])
    ours = BERG(open_store(tmp_path))
    assert ours.list_models() == [EEG, FWRF, SURFACE]
    model = ours.get_encoding_model(SURFACE, subject=1, selection={"roi": "V1v"})
    (left, right), metadata = ours.encode(model, pair, return_metadata=True)
    assert np.allclose(left, cortex[0][:, [3, 4, 9]], atol=1e-5)
    assert np.allclose(right, cortex[1][:, [0, 1]], atol=1e-5)
    assert metadata["fmri"]["lh_fsaverage_rois"]["V1v"].tolist() == [3, 4, 9]
    assert "unknown model" not in ours.describe(EEG)["description"]


@pytest.mark.parametrize(
    ("model", "arguments", "error", "says"),
    [
        ("fmri-nsd", {"subject": 1}, ValueError, "unknown model_id 'fmri-nsd'.*available: eeg-things_eeg_2-vit_b_32"),
        (7, {"subject": 1}, TypeError, "'model_id' must be of type str"),
        (EEG, {}, TypeError, "'subject' must be of type int, got None; available: 1, 2"),
        (EEG, {"subject": 11}, ValueError, "unknown subject 11"),
        (EEG, {"subject": "1"}, TypeError, "'subject' must be of type int"),
        (EEG, {"subject": 1, "device": "tpu"}, ValueError, "unknown device"),
        (EEG, {"subject": 1, "selection": ["Oz"]}, TypeError, "'selection' must be a dict"),
        (EEG, {"subject": 1, "selection": {"roi": "V1"}}, ValueError, "selection key 'roi'.*channels, timepoints"),
        (EEG, {"subject": 1, "selection": {"channels": "Oz"}}, TypeError, "'channels' must be a list"),
        (EEG, {"subject": 1, "selection": {"channels": []}}, TypeError, "an empty one"),
        (EEG, {"subject": 1, "selection": {"channels": ["O2"]}}, ValueError, "unknown channel 'O2'.*Pz, Oz, O1"),
        (EEG, {"subject": 1, "selection": {"timepoints": [1, 0]}}, ValueError, "each of 5, got shape"),
        (EEG, {"subject": 1, "selection": {"timepoints": [0, 1, 2, 3, 4]}}, ValueError, "only 0 and 1"),
        (EEG, {"subject": 1, "selection": {"timepoints": [0] * 5}}, ValueError, "at least one 1"),
        (EEG, {"subject": 1, "selection": {"timepoints": "all"}}, TypeError, "list or numpy array"),
        (FWRF, {"subject": 1}, TypeError, "needs selection=.*available: V1, V2"),
        (FWRF, {"subject": 1, "selection": {"roi": "V9"}}, ValueError, "unknown roi 'V9'"),
        (FWRF, {"subject": 1, "selection": {"roi": 1}}, TypeError, "'roi' must be a list"),
        (FWRF, {"subject": 1, "selection": {"lh_vertices": 1}}, ValueError, "selection key"),
        (SURFACE, {"subject": 1, "selection": {"roi": "V9"}}, ValueError, "unknown roi 'V9'"),
        (SURFACE, {"subject": 1, "selection": {"roi": "PPA"}}, ValueError, "for this subject.*available: V1v, hV4"),
        (SURFACE, {"subject": 1, "selection": {"lh_vertices": [1]}}, ValueError, "each of 163,842"),
        (SURFACE, {"subject": 1, "selection": {"rh_vertices": np.full(MESH, 0.5)}}, ValueError, "only 0 and 1"),
    ],
)
def test_wrong_arguments_name_the_choices(berg, model, arguments, error, says):
    with pytest.raises(error, match=says) as caught:
        berg.get_encoding_model(model, **arguments)
    assert isinstance(caught.value, BraincodecError)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda berg, _: berg.encode("model", IMAGES), TypeError, "what get_encoding_model returned"),
        (lambda berg, model: berg.encode(model, IMAGES[0]), ValueError, "'stimulus' must be .*add an axis"),
        (lambda berg, model: berg.encode(model, IMAGES / 255), TypeError, "got dtype float64"),
        (lambda berg, model: berg.encode(model, IMAGES, "yes"), TypeError, "'return_metadata' must be of type bool"),
        (lambda berg, model: berg.encode(model, IMAGES, show_progress=1), TypeError, "'show_progress'"),
        (lambda berg, _: berg.describe("x"), ValueError, "unknown model_id"),
        (lambda berg, _: berg.get_model_metadata(FWRF, subject=1), TypeError, "'roi' must be of type str, got None"),
        (lambda berg, _: berg.get_model_metadata(FWRF), TypeError, "'subject'"),
        (lambda berg, _: berg.get_model_catalog("yes"), TypeError, "'print_format'"),
    ],
)
def test_wrong_calls(berg, call, error, says):
    model = berg.get_encoding_model(FWRF, subject=1, selection={"roi": "V1"})
    with pytest.raises(error, match=says):
        call(berg, model)


def test_absent_files_are_named(berg):
    with pytest.raises(MissingFileError, match="weights_sub-01_roi-PPA"):
        berg.get_encoding_model(FWRF, subject=1, selection={"roi": ["V1", "PPA"]})
    with pytest.raises(MissingFileError, match=r"weights_subject-02\.npy"):
        berg.get_encoding_model(SURFACE, subject=2)
    with pytest.raises(MissingFileError, match=r"metadata_subject-05\.npy"):
        berg.get_model_metadata(EEG, subject=5)
    with pytest.raises(MissingFileError, match=r"weights_subject-06\.npy"):
        berg.get_encoding_model(EEG, subject=6)
