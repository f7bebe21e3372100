"""Nothing of held-out stimuli enters a trained model: other images and responses there leave its weights alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import braincodec as bc
from braincodec.datasets import Recording, Split
from braincodec.responses import build_responses
from braincodec.stimuli import StimulusSet

from .fwrf.learnable import recording

LAYERS = ["scales.1", "scales.2"]
READOUTS = {
    "ridge": {},
    "ridge, scaled": {"standardise": True, "pooling": "spatial_mean"},
    "ridge on components": {"components": 6},
    "least squares": {"readout": "least_squares", "components": 6},
    "banded": {"readout": "banded", "draws": 5},
    "best layer": {"readout": "best_layer"},
    "kernel sum": {"readout": "kernel_sum"},
    "fields": {"readout": "fields"},
}
GAUSSIAN = {"visual_angle": 8.0, "sizes": 2, "most_centres": 3, "refinements": 1}


AUTOENCODER = {
    "width": 8, "depth": 1, "heads": 2, "latent": 6, "decoder_width": 8, "decoder_depth": 1, "tokens_per_region": 1,
    "epochs": 1,
}  # fmt: skip
LATENTS = {
    "autoencoder": {"autoencoder": AUTOENCODER},
    "joint alignment": {"fmri_latent": "components", "alignment": "joint", "joint": {"epochs": 1}},
    "retrieval head": {"fmri_latent": "voxels", "retrieval": "head", "head": {"epochs": 1}},
}


def pair(*, validation: int, absent: bool = True) -> list[Recording]:
    """A recording with repetitions, a unit without data and near copies; and one with other held-out stimuli."""
    whole = recording(train=20, validation=4, test=6, units=4, repetitions=2)
    ids = whole.stimuli.ids.tolist()
    changes = slice(24, None) if validation else slice(20, None)
    images, values = np.stack(list(whole.stimuli)), whole.responses.values.copy()
    values[:, :, 2] = np.nan if absent else values[:, :, 1]
    groups = ("stimulus", [f"g{number // 2}" for number in range(30)])
    split = Split(ids[:20], ids[20:24], ids[24:]) if validation else Split(ids[:20], (), ids[20:])
    found = []
    for wild in (False, True):
        if wild:
            rng = np.random.default_rng(5)
            images[changes] = rng.choice([0, 255], images[changes].shape)
            values[changes] = 1e6 * rng.standard_normal(values[changes].shape)
            values[changes.start, :, 0] = np.nan
        stimuli = StimulusSet.open(images.copy(), ids=ids)
        responses = build_responses(values.copy(), ids, whole.units).assign_coords(group=groups)
        found.append(dataclasses.replace(whole, stimuli=stimuli, responses=responses, split=split))
    return found


def assert_same(one: bc.Encoder, two: bc.Encoder) -> None:
    mine, theirs = one.tensors(), two.tensors()
    assert list(mine) == list(theirs)
    for name in mine:
        np.testing.assert_array_equal(mine[name].numpy(), theirs[name].numpy(), err_msg=name)
    assert one.units.identical(two.units)
    assert one.description == two.description
    assert any(torch.isfinite(tensor).any() for tensor in mine.values())


@pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")
@pytest.mark.parametrize("settings", READOUTS.values(), ids=READOUTS)
def test_linear_models_know_nothing_of_held_out_stimuli(settings):
    models = [
        bc.LinearEncoder("gabor:bank", LAYERS, image_size=64, **settings).fit(one, device="cpu", progress=False)
        for one in pair(validation=0)
    ]
    assert_same(*models)


@pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")
@pytest.mark.parametrize("choice", ["concatenate", "best"])
def test_gaussian_fields_know_nothing_of_held_out_stimuli(choice):
    models = [
        bc.GaussianFwRF("gabor:bank", LAYERS, layer_choice=choice, **GAUSSIAN).fit(one, device="cpu", progress=False)
        for one in pair(validation=0)
    ]
    assert_same(*models)


@pytest.mark.parametrize("validation", [0, 4])
@pytest.mark.parametrize("settings", LATENTS.values(), ids=LATENTS)
def test_lea_knows_nothing_of_test_stimuli(settings, validation):
    embedding = {"image_embedding": "gabor:bank", "embedding_layer": LAYERS, "embedding_pooling": "spatial_mean"}
    chosen = {"generator": {"kind": "pixel_components", "image_size": 8}, **embedding, **settings}
    models = [
        bc.LEA(**chosen).fit(one, device="cpu", progress=False) for one in pair(validation=validation, absent=False)
    ]
    assert_same(*models)


@pytest.mark.filterwarnings("ignore:.*units have no response")
@pytest.mark.parametrize("validation", [pytest.param(0, marks=pytest.mark.slow), 4])
def test_networks_know_nothing_of_test_stimuli(validation):
    settings = {"epochs": 1, "batch_size": 8, "prefilter": "random", "alternating": False}
    models = [bc.FwRF(**settings).fit(one, device="cpu", progress=False) for one in pair(validation=validation)]
    assert_same(*models)
