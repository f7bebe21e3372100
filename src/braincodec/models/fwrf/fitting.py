"""From recordings to a trained network: examples on disk, one training a region, and the parts of the model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from braincodec import device as devices
from braincodec.errors import InputValueError
from braincodec.models.fwrf.division import Region, divided_units, regions_of, with_validation
from braincodec.models.fwrf.initial import prefilter_weights, random_readout, random_trunk
from braincodec.models.fwrf.network import PER_UNIT
from braincodec.models.fwrf.rows import Rows, stored_rows
from braincodec.models.fwrf.start import Start
from braincodec.models.fwrf.steps import NetworkInTraining, Weights
from braincodec.models.fwrf.training import SubjectExamples, Training
from braincodec.models.gradient_training.checkpoints import Checkpoints
from braincodec.models.gradient_training.randomness import choose_precision, reproducible, seeded
from braincodec.models.provenance import describe_training
from braincodec.models.trainable import Parts
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    from braincodec.features.preprocessing import Preprocessing
    from braincodec.models.fwrf.encoder import FwRF
    from braincodec.models.fwrf.recipe import FwRFRecipe
    from braincodec.models.training_data import Examples

VALIDATION_IMAGES_A_PASS = 32
IMAGES_A_BLOCK = 256


@dataclass(frozen=True, eq=False)
class Job:
    """What all networks of one call have in common.

    Attributes
    ----------
    recipe : FwRFRecipe
    train, validation : list of Rows
        Of each subject.
    subjects : list of str
    mean : torch.Tensor, shape (1, 3, 1, 1)
        Mean colour of the training images.
    prefilter : dict of str to torch.Tensor
        Weights of the first convolutions, where they do not start at random.
    start : Start or None
    """

    recipe: FwRFRecipe
    train: list[Rows]
    validation: list[Rows]
    subjects: list[str]
    mean: torch.Tensor
    prefilter: Weights
    start: Start | None
    workspace: Path
    device: torch.device
    precision: torch.dtype
    images_a_pass: int
    progress: bool | None


def fit(
    data: Sequence[Examples],
    recipe: FwRFRecipe,
    preprocessing: Preprocessing,
    start: FwRF | None,
    *,
    workspace: Path,
    device: str,
    batch_size: int | str,
    progress: bool | None,
) -> Parts:
    """Train as the recipe says; see `braincodec.models.fwrf.FwRF`."""
    for one in data:
        if one.output_dims != ("unit",):
            raise InputValueError(
                f"FwRF predicts units; the responses of {one.recording.dataset}, subject {one.subject}, have "
                f"({', '.join(one.output_dims)})"
            )
    target = devices.resolve_device(device)
    precision = choose_precision(recipe.precision, target)
    regions = regions_of(data, recipe.rois)
    begun = None if start is None else Start(start, data, regions)
    prefilter, origin = ({}, "as the model that training starts from") if begun else prefilter_weights(recipe.prefilter)
    parts = [with_validation(one, recipe) for one in data]
    images_a_pass = devices.choose_batch_size(
        batch_size, bytes_per_image=16 * 2**20, device=target, preferred=VALIDATION_IMAGES_A_PASS
    )
    devices.keep_freed_memory()
    train = [stored_rows(one.train, recipe.repetitions, preprocessing, workspace, progress) for one in parts]
    validation = [stored_rows(one.validation, "average", preprocessing, workspace, progress) for one in parts]
    _warn_of_units(train)
    job = Job(
        recipe, train, validation, [one.subject for one in data], mean_colour(train), prefilter, begun,
        workspace, target, precision, images_a_pass, progress,
    )  # fmt: skip
    tensors: Weights = {}
    curve: list[dict[str, Any]] = []
    best: dict[str, int] = {}
    for number, region in enumerate(regions):
        trained, training = _fit_network(job, number, region)
        tensors |= {f"part-{number + 1}.{name}": tensor for name, tensor in trained.items()}
        label = {"roi": region.name} if recipe.rois else {}
        curve += [label | entry for entry in training.position.curve]
        best[region.name] = training.position.best_epoch
    description = describe_training(
        "fwrf",
        recipe,
        data,
        seed=recipe.seed,
        curve=curve,
        best_epoch=best if recipe.rois else next(iter(best.values())),
        prefilter=origin,
        **({"start": begun.about} if begun else {}),
        **_held_out(parts),
    )
    config = {"parts": len(regions), "preprocessing": preprocessing.model_dump()}
    return Parts(config, tensors, divided_units(data, regions, named=bool(recipe.rois)), description)


def mean_colour(train: Sequence[Rows]) -> torch.Tensor:
    """Mean colour of the training images, each subject counting alike: (1, 3, 1, 1) in 0..1."""
    means = []
    for rows in train:
        total = np.zeros(3)
        for begin in range(0, len(rows.images), IMAGES_A_BLOCK):
            total += rows.images[begin : begin + IMAGES_A_BLOCK].sum(axis=(0, 2, 3), dtype=np.float64)
        means.append(total / (len(rows.images) * rows.images.shape[2] * rows.images.shape[3] * 255))
    return torch.tensor(np.mean(means, axis=0), dtype=torch.float32).reshape(1, 3, 1, 1)


def _fit_network(job: Job, number: int, region: Region) -> tuple[Weights, Training]:
    """Train the network of one region: its weights, with NaN for units without responses."""
    known = [np.flatnonzero(rows.known[columns]) for rows, columns in zip(job.train, region.columns, strict=True)]
    if not any(len(places) for places in known):
        raise InputValueError(f"no unit of {region.name} has a response to a training stimulus")
    trunk, readouts = _initial(job, number, region, known)
    subjects = [
        SubjectExamples(name, train, validation, columns[places])
        for name, train, validation, columns, places in zip(
            job.subjects, job.train, job.validation, region.columns, known, strict=True
        )
    ]
    # a subject without units in the region has nothing to give to its network
    present = [place for place, one in enumerate(subjects) if len(one.columns)]
    chosen = [subjects[place] for place in present]
    network = NetworkInTraining(trunk, [readouts[place] for place in present], job.recipe, job.device, job.precision)
    training = Training(network, chosen, number, job.images_a_pass)
    what = f"train {region.name}" if job.recipe.rois else "train"
    with (
        Checkpoints(job.workspace, "fwrf", _identity(job, number, chosen)) as checkpoints,
        reproducible(job.device),
        devices.fast_matmul(job.device),
        progress_bar(what, job.recipe.epochs * training.examples, show=job.progress) as advance,
    ):
        training.run(checkpoints, advance)
    return _assembled(training.best, known, present, region), training


def _initial(job: Job, number: int, region: Region, known: Sequence[np.ndarray]) -> tuple[Weights, list[Weights]]:
    generator = seeded([job.recipe.seed, number])
    trunk = random_trunk(generator) | job.prefilter | {"mu": job.mean}
    readouts = [random_readout(len(columns), generator) for columns in region.columns]
    if job.start is not None:
        trunk = job.start.trunk(number)
        readouts = job.start.readouts(number) or readouts
    return trunk, [
        {name: tensor[torch.from_numpy(places)] for name, tensor in readout.items()}
        for readout, places in zip(readouts, known, strict=True)
    ]


def _assembled(best: Weights, known: Sequence[np.ndarray], present: Sequence[int], region: Region) -> Weights:
    """The trunk, and the readouts of all subjects one after another; NaN for units that were left out."""
    best = {name: tensor.cpu().contiguous() for name, tensor in best.items()}
    tensors = {name.removeprefix("trunk."): t for name, t in best.items() if name.startswith("trunk.")}
    for name in PER_UNIT:
        blocks = []
        for subject, (columns, places) in enumerate(zip(region.columns, known, strict=True)):
            shape = best[f"readout-0.{name}"].shape[1:]
            block = torch.full((len(columns), *shape), 0.0 if name.startswith("rf") else torch.nan)
            if subject in present:
                block[torch.from_numpy(places)] = best[f"readout-{present.index(subject)}.{name}"]
            blocks.append(block)
        tensors[name] = torch.cat(blocks)
    return tensors


def _identity(job: Job, number: int, subjects: Sequence[SubjectExamples]) -> dict[str, Any]:
    """Everything that decides the weights of one network."""
    return {
        "recipe": job.recipe.model_dump(mode="json"),
        "number": number,
        "device": job.device.type,
        "precision": str(job.precision),
        "torch": torch.__version__,
        "prefilter": {name: float(tensor.double().abs().sum()) for name, tensor in job.prefilter.items()},
        "start": job.start.identity if job.start else None,
        "subjects": [
            {
                "name": one.name,
                "train": one.train.digest,
                "validation": one.validation.digest,
                "columns": one.columns.tolist(),
            }
            for one in subjects
        ],
    }


def _warn_of_units(train: Sequence[Rows]) -> None:
    absent = sum(int((~rows.known).sum()) for rows in train)
    constant = sum(int((rows.known & ~rows.varying).sum()) for rows in train)
    if absent:
        warnings.warn(f"{absent:,} units have no response to any training stimulus; they stay NaN", stacklevel=4)
    if constant:
        warnings.warn(f"{constant:,} units respond alike to all training stimuli", stacklevel=4)


def _held_out(parts: Sequence[Any]) -> dict[str, Any]:
    """Training stimuli that only chose the epoch, for the description."""
    ids = list(dict.fromkeys(name for one in parts for name in one.held_out))
    return {"held_out": ids} if ids else {}
