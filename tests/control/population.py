"""Simulated populations whose answer is known, and stores that hold them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from braincodec.responses import build_responses, build_units, empty_responses
from braincodec.responses.formats import zarr_store

MODEL = "fmri-nsd-fwrf"
DRIVERS = np.arange(12)  # images that drive A and not B


def planted(subjects=(1, 2, 3), images=200, units=15, shared=1.5, seed=0):
    """Regions A and B; the first images drive A and suppress B in every subject, the rest is each subject's own."""
    rng = np.random.default_rng(seed)
    effect = np.zeros((2, images, 1))
    effect[0, DRIVERS], effect[1, DRIVERS] = shared, -shared
    return {
        subject: {
            roi: effect[place] + rng.normal(size=(images, 1)) * 0.5 + rng.normal(size=(images, units))
            for place, roi in enumerate("AB")
        }
        for subject in subjects
    }


def noise(subjects=(1, 2, 3), images=200, units=15, seed=0):
    """Regions that answer at random: each has responses of its own, subjects have nothing in common."""
    return planted(subjects, images, units, shared=0.0, seed=seed)


def labelled(regions, subject=1, ids=None, ceiling=None):
    """One subject's regions as one labelled array."""
    names, arrays = list(regions), list(regions.values())
    counts = [array.shape[1] for array in arrays]
    whose = np.repeat(np.arange(len(names)), counts)
    described = build_units(
        ijk=np.stack([np.arange(len(whose))] * 3, 1),
        rois={name: whose == place for place, name in enumerate(names)},
        subject=subject,
        scores={} if ceiling is None else {"noise_ceiling": ceiling},
    )
    values = np.concatenate(arrays, axis=1).astype(np.float32)
    return build_responses(values, ids or [f"image {number}" for number in range(len(values))], described)


def write_store(folder: Path, people) -> Path:
    """A braincodec store of generated responses, as a synthesis writes it."""
    for subject, regions in people.items():
        responses = labelled(regions, subject)
        template = empty_responses(responses.bc.units, "float32")
        group = folder / "generated_responses" / MODEL / "stimuli-pictures" / f"subject-{subject:02d}.zarr"
        zarr_store.create(group, template, block=64)
        array = zarr_store.open_array(group)
        for start in range(0, len(responses), 64):
            block = responses.values[start : start + 64]
            array[start : start + len(block)] = block
        zarr_store.finish(group, template, responses["stimulus"].values.tolist())
    return folder


def write_ned(folder: Path, people, rename) -> Path:
    """A NED folder of generated responses: an HDF5 file a region."""
    place = folder / "synthetic_neural_responses/modality-fmri/train_dataset-nsd/model-fwrf/imageset-nsd"
    place.mkdir(parents=True)
    for subject, regions in people.items():
        for roi, values in regions.items():
            with h5py.File(place / f"synthetic_neural_responses_sub-{subject:02d}_roi-{rename[roi]}.h5", "w") as file:
                file["synthetic_neural_responses"] = values.astype(np.float32)
    return folder
