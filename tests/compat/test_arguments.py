"""Every wrong argument is refused with its name and the valid choices, before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.compat import NEST
from braincodec.errors import BraincodecError
from ned.ned import NED

RIGHT = {"modality": "fmri", "train_dataset": "nsd", "model": "fwrf", "subject": 1, "roi": "V1"}
IMAGES = np.zeros((1, 3, 8, 8), np.uint8)

WRONG_MODEL = [
    ({"modality": "meg"}, ValueError, "unknown modality 'meg'.*available: fmri, eeg"),
    ({"modality": "fMRI"}, ValueError, "did you mean 'fmri'"),
    ({"modality": 1}, TypeError, "'modality' must be of type str, got int; available: fmri, eeg"),
    ({"modality": None}, TypeError, "'modality' must be of type str, got None"),
    ({"train_dataset": "things_eeg_2"}, ValueError, "for modality 'fmri'; available: nsd"),
    ({"train_dataset": ["nsd"]}, TypeError, "'train_dataset' must be of type str, got list.*nsd"),
    ({"model": "vit_b_32"}, ValueError, "for fmri trained on nsd; available: fwrf"),
    ({"model": 3}, TypeError, "'model' must be of type str"),
    ({"subject": 9}, ValueError, "unknown subject 9 of fmri-nsd-fwrf; available: 1, 2, 3, 4, 5, 6, 7, 8"),
    ({"subject": 0}, ValueError, "unknown subject 0"),
    ({"subject": "1"}, TypeError, "'subject' must be of type int, got str; available: 1, 2"),
    ({"subject": 1.0}, TypeError, "'subject' must be of type int, got float"),
    ({"subject": True}, TypeError, "'subject' must be of type int, got bool"),
    ({"subject": None}, TypeError, "'subject' must be of type int, got None"),
    ({"roi": "FAA-1"}, ValueError, "unknown roi 'FAA-1' of fmri-nsd-fwrf; did you mean 'FFA-1'"),
    ({"roi": None}, TypeError, "'roi' must be of type str, got None; available of fmri-nsd-fwrf: V1, V2"),
    ({"roi": ["V1"]}, TypeError, "'roi' must be of type str, got list"),
]
WRONG_IMAGES = [
    ("images.npy", TypeError, "numpy integer array.*got str"),
    ([[1]], TypeError, "got list"),
    (None, TypeError, "got NoneType"),
    (IMAGES.astype(np.float32), TypeError, "got dtype float32; for floats in 0..1 give"),
    (np.full(IMAGES.shape, np.nan), TypeError, "got dtype float64"),
    (IMAGES.astype(bool), TypeError, "got dtype bool"),
    (IMAGES[0], ValueError, r"got shape \(3, 8, 8\); for one image add an axis"),
    (IMAGES[:, :1], ValueError, "got 1 channels"),
    (np.zeros((1, 4, 8, 8), int), ValueError, "got 4 channels"),
    (np.zeros((2, 8, 8, 3), int), ValueError, r"got 8 channels in shape \(2, 8, 8, 3\); channels come first"),
    (np.zeros((1, 3, 8, 9), int), ValueError, "got 8 x 9 pixels: crop the images to squares"),
    (np.zeros((0, 3, 8, 8), int), ValueError, "there is no image"),
    (np.full((1, 3, 8, 8), 256), ValueError, "got values from 256 to 256"),
    (np.full((1, 3, 8, 8), -1, np.int8), ValueError, "got values from -1 to -1"),
]
WRONG_OPTIONS = [
    ({"return_metadata": "yes"}, TypeError, "'return_metadata' must be of type bool, got str; give True or False"),
    ({"return_metadata": 1}, TypeError, "'return_metadata' must be of type bool, got int"),
    ({"device": "tpu"}, ValueError, "unknown device 'tpu'.*available: auto, cpu"),
    ({"device": 0}, TypeError, "'device' must be of type str, got int; give 'auto'"),
]


@pytest.fixture(scope="module", params=[NED, NEST])
def either(request, ned_root):
    return request.param(ned_root)


@pytest.fixture
def ned(ned_root):
    return NED(ned_root)


@pytest.fixture(autouse=True)
def nothing_is_computed(monkeypatch):
    monkeypatch.setattr("braincodec.models.run.encode", None)


@pytest.mark.parametrize(("change", "error", "says"), WRONG_MODEL)
def test_wrong_names_in_every_call(either, change, error, says):
    named = RIGHT | change
    calls = [either.get_encoding_model, either.get_metadata]
    if isinstance(either, NED):
        calls.append(lambda **names: either.encode(IMAGES, **names))
    for call in calls:
        with pytest.raises(error, match=says) as caught:
            call(**named)
        assert isinstance(caught.value, BraincodecError)
        with pytest.raises(error, match=says):
            either.load_insilico_neural_responses(imageset="things", **named)


@pytest.mark.parametrize(("value", "error", "says"), WRONG_IMAGES)
def test_wrong_images_in_both_forms(ned, value, error, says):
    with pytest.raises(error, match=says) as caught:
        ned.encode(value, **RIGHT)
    assert isinstance(caught.value, BraincodecError)
    with pytest.raises(error, match=says):
        ned.encode(ned.get_encoding_model(**RIGHT), value)


@pytest.mark.parametrize(("change", "error", "says"), WRONG_OPTIONS)
def test_wrong_options_in_both_forms(ned, change, error, says):
    with pytest.raises(error, match=says):
        ned.encode(IMAGES, **RIGHT, **change)
    with pytest.raises(error, match=says):
        ned.encode(ned.get_encoding_model(**RIGHT), IMAGES, **change)


def test_wrong_device_of_a_loaded_model(either):
    with pytest.raises(ValueError, match="unknown device 'tpu'"):
        either.get_encoding_model(**RIGHT, device="tpu")
    with pytest.raises(TypeError, match="'device' must be of type str"):
        either.get_encoding_model(**RIGHT, device=None)


def test_untrained_networks_were_never_published(either):
    for arguments in ({"trained": False}, {"device": False}):
        with pytest.raises(ValueError, match="use trained=True"):
            either.get_encoding_model(**RIGHT, **arguments)
    with pytest.raises(TypeError, match="'trained' must be of type bool"):
        either.get_encoding_model(**RIGHT, trained="no")


@pytest.mark.parametrize(
    ("imageset", "error", "says"),
    [
        ("coco", ValueError, "unknown imageset 'coco'.*available: nsd, things, imagenet_val"),
        (7, TypeError, "'imageset' must be of type str"),
    ],
)
def test_wrong_image_set(either, imageset, error, says):
    with pytest.raises(error, match=says):
        either.load_insilico_neural_responses(imageset=imageset, **RIGHT)
    with pytest.raises(TypeError, match="'return_metadata' must be of type bool"):
        either.load_insilico_neural_responses(imageset="things", **RIGHT, return_metadata=None)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda ned: ned.which_train_datasets("meg"), ValueError, "available: fmri, eeg"),
        (lambda ned: ned.which_train_datasets(None), TypeError, "'modality'"),
        (lambda ned: ned.which_models("fmri", "coco"), ValueError, "available: nsd"),
        (lambda ned: ned.which_subjects("eeg", "nsd"), ValueError, "available: things_eeg_2"),
        (lambda ned: ned.which_rois("things_eeg_2"), ValueError, "available: nsd"),
        (lambda ned: ned.which_rois(1), TypeError, "'train_dataset'"),
    ],
)
def test_wrong_questions(either, call, error, says):
    with pytest.raises(error, match=says):
        call(either)


@pytest.mark.parametrize(
    ("args", "names"),
    [
        ((), {}),
        ((IMAGES,), {}),
        ((IMAGES, "fmri"), {}),
        ((IMAGES,), {"subjects": 1}),
        ((IMAGES, *RIGHT.values(), 1, 2, 3), {}),
    ],
)
def test_wrong_number_or_names_of_arguments_show_both_forms(ned, args, names):
    with pytest.raises(TypeError, match=r"encode\(images, modality.*or encode\(encoding_model, images"):
        ned.encode(*args, **names)


@pytest.mark.parametrize("kind", [NED, NEST])
def test_folder_that_is_none_is_refused_at_once(kind, tmp_path):
    with pytest.raises(ValueError, match="store folder not found"):
        kind(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="there is nothing at this place"):
        kind(tmp_path)
    (tmp_path / "picture.png").touch()
    with pytest.raises(ValueError, match="is no store: expected encoding_models/"):
        kind(tmp_path)
    with pytest.raises(TypeError, match="path or address"):
        kind(7)
