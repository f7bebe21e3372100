"""What an encoder knows of its units, in NED's published keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.legacy.keys import CORRELATIONS, HEMISPHERES, SENSOR_SCORES, SURFACE_SCORES, VOLUME_SCORES, stimulus_ids

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.models.base import Encoder

NSD_SPLIT = {"train": "train_img_num", "validation": "val_img_num", "test": "test_img_num"}
THINGS_SPLIT = {"train": "train_img_files", "validation": "val_img_files", "test": "test_img_files"}
NSD_IMAGE = re.compile(r"nsd-(\d{5})")


def published_metadata(encoder: Encoder) -> dict[str, Any]:
    """Metadata dictionary of one trained model with NED's (or BERG's) keys.

    Parameters
    ----------
    encoder : Encoder
        Of voxels, of vertices, or of channels and times.

    Returns
    -------
    dict
        ``fmri`` or ``eeg``, and ``encoding_models``; scores that the model lacks are left out.
    """
    return metadata_of(encoder.units, encoder.description.training)


def metadata_of(units: xr.Dataset, training: dict[str, Any]) -> dict[str, Any]:
    """The same of units alone, such as those of generated responses.

    Parameters
    ----------
    units : Dataset
    training : dict
        What `ModelDescription.training` says of the model that predicts them; the split is taken from it.

    Examples
    --------
    >>> from braincodec.responses import build_sensor_units
    >>> metadata_of(build_sensor_units(["Oz"], [0.0, 0.1]), {})["eeg"]
    {'ch_names': ['Oz'], 'times': array([0. , 0.1])}
    """
    if "channel" in units.sizes:
        return _sensors(units, training)
    return _surface(units, training) if "vertex" in units else _volume(units, training)


def training_of(metadata: dict[str, Any]) -> dict[str, list[Any]]:
    """Stimuli by part as published metadata name them: what `ModelDescription.training` keeps of a published model.

    Examples
    --------
    >>> training_of({"encoding_models": {"train_val_test_nsd_image_splits": {"val_img_num": np.array([3, 4])}}})
    {'val_img_num': [3, 4]}
    """
    models = metadata.get("encoding_models", {})
    # newer files have one level less, or one dictionary a part
    found = {**models, **models.get("train_img_info", {}), **models.get("test_img_info", {})}
    for key in ("train_val_test_nsd_image_splits", "train_test_things_image_splits"):
        found |= models.get(key, {})
    names = {*NSD_SPLIT.values(), *THINGS_SPLIT.values()}
    return {key: stimulus_ids(value) for key, value in found.items() if key in names}


def _scores(units: xr.Dataset, names: dict[str, str]) -> dict[str, np.ndarray]:
    return {theirs: units[ours].values for theirs, ours in names.items() if ours in units}


def _splits(training: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    """Stimuli by part under NED's keys: of models trained here from their split, of others as their file said."""
    found = training
    parts = found.get("split")
    if isinstance(parts, dict):
        found = {keys[part]: _image_numbers(ids) for part, ids in parts.items() if part in keys and len(ids)}
    return {key: np.asarray(value) if _is_numbers(value) else value for key, value in found.items()}


def _image_numbers(ids: Sequence[str]) -> list[Any]:
    """Numbers of images of the Natural Scenes Dataset, which NED splits by; other ids as they are.

    Examples
    --------
    >>> _image_numbers(["nsd-00013", "nsd-72999"]), _image_numbers(["bear_01.jpg"])
    ([13, 72999], ['bear_01.jpg'])
    """
    numbers = [NSD_IMAGE.fullmatch(str(one)) for one in ids]
    return [int(match[1]) for match in numbers if match] if all(numbers) else list(ids)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(item, int) for item in value)


def _as_counted(units: xr.Dataset, names: dict[str, str]) -> dict[str, np.ndarray]:
    """Scores; shares of variance in percent where the published file counts so: NED's do, BERG's do not."""
    scores = _scores(units, names)
    usual = "percent" if names is VOLUME_SCORES else "fraction"
    if units.attrs.get("published_scores", usual) != "percent":
        return scores
    shares = {key for key in scores if names[key] not in CORRELATIONS}
    return {key: values.astype(np.float64) * 100 if key in shares else values for key, values in scores.items()}


def _volume(units: xr.Dataset, training: dict[str, Any]) -> dict[str, Any]:
    fmri: dict[str, Any] = {"ncsnr": units["ncsnr"].values} if "ncsnr" in units else {}
    if "i" in units and {"volume_shape", "affine"} <= units.attrs.keys():
        mask = np.zeros(tuple(int(size) for size in units.attrs["volume_shape"]), bool)
        mask[units["i"].values, units["j"].values, units["k"].values] = True
        fmri["roi_mask_volume"] = mask
        fmri["fmri_affine"] = np.asarray(units.attrs["affine"], float).reshape(4, 4)
    return {
        "fmri": fmri,
        "encoding_models": {
            "encoding_accuracy": _as_counted(units, VOLUME_SCORES),
            "train_val_test_nsd_image_splits": _splits(training, NSD_SPLIT),
        },
    }


def _surface(units: xr.Dataset, training: dict[str, Any]) -> dict[str, Any]:
    fmri: dict[str, Any] = {}
    models: dict[str, Any] = dict(_splits(training, NSD_SPLIT))
    for side, hemisphere in HEMISPHERES.items():
        own = units["hemisphere"].values == hemisphere
        vertices = units["vertex"].values[own]
        if "ncsnr" in units:
            fmri[f"{side}_ncsnr"] = units["ncsnr"].values[own]
        if "roi_membership" in units:
            members = units["roi_membership"].values[own]
            names = units["roi"].values.astype(str)
            fmri[f"{side}_fsaverage_rois"] = {n: vertices[members[:, c]] for c, n in enumerate(names)}
        models |= {f"{side}_{key}": values[own] for key, values in _as_counted(units, SURFACE_SCORES).items()}
    return {"fmri": fmri, "encoding_models": models}


def _sensors(units: xr.Dataset, training: dict[str, Any]) -> dict[str, Any]:
    return {
        "eeg": {"ch_names": units["channel"].values.astype(str).tolist(), "times": units["time"].values},
        "encoding_models": {
            "encoding_accuracy": _scores(units, SENSOR_SCORES),
            "train_test_things_image_splits": _splits(training, THINGS_SPLIT),
        },
    }
