"""A store with small models of every kind, and plans over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import braincodec as bc
from braincodec.models.gaussian_fwrf import GaussianFwRF
from braincodec.models.linear import LinearEncoder
from braincodec.responses import build_sensor_units
from braincodec.store.base import Store
from braincodec.synthesis.plan import Output, Pass, Plan, Request

from ..models.lea.small_recording import GABOR, PIXELS, recording
from ..small_models import GABOR_CHANNELS, describe, fwrf, gabor_linear, linear_weights, voxel_units

LAYERS = {"scales.0": GABOR_CHANNELS, "scales.2": GABOR_CHANNELS}


def eeg(subject: int) -> LinearEncoder:
    """Two repetitions, three channels, five times; subjects have the reduction in common."""
    tensors = linear_weights(LAYERS, 2, 15)
    tensors["readout.weight"] = torch.randn(2, 15, 3, generator=torch.Generator().manual_seed(subject))
    units = build_sensor_units(["Oz", "O1", "Pz"], np.linspace(-0.1, 0.3, 5), repetitions=2)
    features = {"backbone": "gabor:bank", "layers": tuple(LAYERS), "pooling": "spatial_mean"}
    about = describe(model="eeg-small", modality="eeg", response_units="microvolt", subject=subject)
    return LinearEncoder.from_parts({"features": features}, tensors, units, about)


def gaussian(units: int = 6) -> GaussianFwRF:
    """Voxels with Gaussian fields over two layers, in two regions that overlap."""
    random = torch.Generator().manual_seed(0)
    half = torch.arange(units)[::2]
    tensors = {
        "receptive_field": torch.rand(units, 3, generator=random) + 0.5,
        "bias": torch.arange(units).float(),
        "scales.0.units": half,
        "scales.0.weight": torch.randn(len(half), GABOR_CHANNELS, generator=random),
        "scales.3.units": torch.arange(units),
        "scales.3.weight": torch.randn(units, GABOR_CHANNELS, generator=random),
    }
    features = {"backbone": "gabor:bank", "layers": ["scales.0", "scales.3"], "pooling": "none"}
    config = {"features": features, "nonlinearities": ["none", "absolute"], "visual_angle": 8.0}
    rois = {"V1": np.arange(units) < 4, "V2": np.arange(units) > 2}
    return GaussianFwRF.from_parts(config, tensors, voxel_units(units, rois), describe())


def save_every_kind(root: Path) -> Store:
    """A store of: an fwRF of two regions, EEG of two subjects, and of each other kind one whole model."""
    fwrf(5, seed=1, roi="V1").save(root / "fmri-fwrf" / "subject-01" / "roi-V1")
    fwrf(3, seed=2, roi="V2", first=40, parts=2).save(root / "fmri-fwrf" / "subject-01" / "roi-V2")
    gabor_linear(6).save(root / "fmri-linear" / "subject-01")
    gaussian().save(root / "fmri-gaussian" / "subject-01")
    for subject in (1, 2):
        eeg(subject).save(root / "eeg-small" / f"subject-{subject:02d}")
    lea = bc.LEA(generator=PIXELS, fmri_latent="components", **GABOR).fit(recording())
    lea.save(root / "fmri-lea" / "subject-01")
    return bc.open_store(root)


EVERYTHING = (
    ("fmri-fwrf", 1, "V1"),
    ("fmri-fwrf", 1, "V2"),
    ("fmri-linear", 1, "V1"),
    ("fmri-linear", 1, "FFA-1"),
    ("fmri-gaussian", 1, "V2"),
    ("fmri-gaussian", 1, "V1"),
    ("eeg-small", 1, None),
    ("eeg-small", 2, None),
    ("fmri-lea", 1, None),
)


def output(store: Store, model: str, subject: int, roi: str | None) -> Output:
    """One array of a plan."""
    whole = not store.entry(model).one_model_a_roi
    encoder = store.encoder(model, subject, roi)
    return Output(
        model=model,
        subject=subject,
        roi=roi,
        place=f"generated_responses/{model}/stimuli-test/subject-{subject:02d}_roi-{roi}.zarr",
        dims=encoder.response_dims,
        shape=encoder.response_shape,
        identity=(store.encoder(model, subject) if whole else encoder).identity(),
    )


def plan(*passes: tuple[Output, ...], count: int, tile: int = 4, block: int = 8, **settings) -> Plan:
    """A plan of passes over `count` stimuli."""
    models = tuple(sorted({one.model for outputs in passes for one in outputs}))
    made = tuple(
        Pass(
            name=f"{number:03d}-test",
            outputs=outputs,
            shared="images",
            tile=tile,
            block=block,
            weight_bytes=10**6,
            image_bytes=10**6,
        )
        for number, outputs in enumerate(passes)
    )
    request = Request(models=models, stimuli="test", count=count, fingerprint="", **settings)
    return Plan(request=request, passes=made, version="", models_address="")
