"""From a recording to the parts of a trained LEA."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from braincodec.device import resolve_device
from braincodec.errors import InputTypeError, InputValueError
from braincodec.features import Backbone, FeatureExtractor, extract, get_backbone
from braincodec.image_generators.base import IMAGE_GENERATORS, ImageGenerator
from braincodec.models.lea.alignment import fit_alignment
from braincodec.models.lea.config import DECODING, ENCODING, GENERATOR, ORDER, LEAConfig, StoredGenerator
from braincodec.models.lea.fmri_latent import VoxelLatent, encode_patterns, fit_components, latent_tensors
from braincodec.models.lea.image_embedding import scaled_to_unit_length
from braincodec.models.lea.recipe import LEARecipe
from braincodec.models.lea.regions import Regions, disjoint_regions
from braincodec.models.lea.standardisation import (
    Standardisation,
    fit_standardisation,
    published_standardisation,
)
from braincodec.models.lea.trials import Trials, read_trials
from braincodec.models.provenance import describe_training
from braincodec.models.trainable import Parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from braincodec.models.training_data import Examples

FEATURES_FOLDER = "features"


@dataclass(frozen=True)
class Means:
    """What training is done with.

    Parameters
    ----------
    workspace : Path
    device : str
    batch_size : int or "auto"
        Images in one pass of the network that embeds them.
    progress : bool, optional
    """

    workspace: Path
    device: str
    batch_size: int | str
    progress: bool | None


def fit_lea(
    recipe: LEARecipe,
    data: Sequence[Examples],
    means: Means,
    *,
    backbone: Backbone | None = None,
    generator: ImageGenerator | None = None,
    judged: NDArray[np.float32] | None = None,
) -> Parts:
    """Train a `LEA`; see there.

    Parameters
    ----------
    recipe : LEARecipe
    data : sequence of Examples
        One recording's.
    means : Means
    backbone : Backbone, optional
        That embeds images, where it is at hand.
    generator : ImageGenerator, optional
        Where it is at hand; it is fitted if it is not trained.
    judged : array, shape (stimuli, units), optional
        For published preprocessing that looks at them.
    """
    examples = _only_one(data)
    backbone = backbone or get_backbone(recipe.image_embedding)
    extractor = FeatureExtractor(recipe.embedding.for_backbone(backbone), backbone)
    generator = generator or new_generator(recipe)
    _check_width(generator, extractor)
    regions = disjoint_regions(examples.units, recipe.regions)
    trials = read_trials(examples, regions.columns, recipe.repetitions)
    standardisation = _standardisation(recipe, trials, examples, regions, judged)
    patterns = standardisation.training(trials.patterns)

    unit_length = recipe.embedding.unit_length(recipe.unit_length)
    embeddings = embed_training_images(extractor, examples, unit_length, means)
    latent = _fit_latent(recipe, patterns)
    latents = encode_patterns(latent, patterns, resolve_device(means.device), progress=means.progress)
    of_trials = embeddings[trials.stimulus]
    options: dict[str, Any] = {"alphas": recipe.alphas, "folds": recipe.folds, "seed": recipe.seed}
    groups = _groups(examples)[trials.stimulus]
    decoding = fit_alignment(latents, of_trials, intercept=recipe.decoding_intercept, groups=groups, **options)
    encoding = fit_alignment(of_trials, latents, groups=groups, **options)
    if not generator.trained:
        generator.fit(examples.stimuli, embeddings, device=means.device, progress=means.progress)

    kept = np.sort(regions.columns)
    config = LEAConfig(
        features=extractor.config,
        unit_length=unit_length,
        regions=regions.names,
        voxels=regions.voxels,
        fmri_latent=recipe.fmri_latent,
        generator=StoredGenerator(kind=generator.kind, settings=generator.config.model_dump(mode="json")),
        rescale=recipe.rescale,
        encoding_rescale=recipe.encoding_rescale,
    )
    tensors: dict[str, torch.Tensor] = {
        ORDER: torch.from_numpy(np.searchsorted(kept, regions.columns)),
        **standardisation.tensors(),
        **latent_tensors(latent),
        **{f"{DECODING}{name}": tensor for name, tensor in decoding.tensors().items()},
        **{f"{ENCODING}{name}": tensor for name, tensor in encoding.tensors().items()},
        **{f"{GENERATOR}{name}": tensor for name, tensor in generator.tensors().items()},
    }
    description = describe_training("lea", recipe, data, seed=recipe.seed)
    return Parts(config, tensors, examples.units.isel(unit=kept), description, backbone)


def new_generator(recipe: LEARecipe) -> ImageGenerator:
    """The generator that the settings name, told what it is conditioned on."""
    kind: type[ImageGenerator] = IMAGE_GENERATORS.get(recipe.generator["kind"])
    settings = recipe.generator_settings
    return kind(**settings | {"embedding": settings.get("embedding") or recipe.image_embedding})


def _only_one(data: Sequence[Examples]) -> Examples:
    if len(data) > 1:
        names = ", ".join(one.subject for one in data)
        raise InputValueError(
            f"a LEA is of one subject; here are {len(data)} ({names}). Fit each by itself; what they share is "
            "pre-trained by pretrain_fmri_autoencoder, whose result each takes as pretrained="
        )
    if data[0].output_dims != ("unit",):
        dims = ", ".join(data[0].output_dims)
        raise InputTypeError(f"a LEA is fitted to responses of units, such as voxels; these have ({dims})")
    return data[0]


def _check_width(generator: ImageGenerator, extractor: FeatureExtractor) -> None:
    """Refuse a trained generator that reads other embeddings, before they are computed."""
    size = extractor.preprocessing.output_size
    if not generator.trained or size is None:
        return
    found = sum(int(np.prod(shape)) for shape in extractor.feature_shapes(size).values())
    if found != generator.embedding.dimension:
        raise InputValueError(
            f"the {generator.kind} generator reads embeddings of {generator.embedding.dimension} values, "
            f"{extractor.config.backbone} gives {found}: choose the image embedding that it was trained with"
            f"{f', {generator.embedding.name}' if generator.embedding.name else ''}"
        )


def _standardisation(
    recipe: LEARecipe, trials: Trials, examples: Examples, regions: Regions, judged: NDArray[np.float32] | None
) -> Standardisation:
    if recipe.preprocessing == "published":
        ordered = None if judged is None else judged[:, regions.columns]
        return published_standardisation(trials.patterns, examples.recording.dataset, ordered)
    if judged is not None:
        raise InputValueError("judged_patterns belong to preprocessing='published'; nothing else looks at them")
    return fit_standardisation(trials.patterns)


def _groups(examples: Examples) -> NDArray[np.int64]:
    """What cross-validation keeps together: near copies of a stimulus, and all trials of it."""
    known = examples.groups
    names = examples.stimuli.ids if known is None else known
    return np.unique(np.asarray(names).astype(str), return_inverse=True)[1].astype(np.int64)


def embed_training_images(
    extractor: FeatureExtractor, examples: Examples, unit_length: bool, means: Means
) -> NDArray[np.float32]:
    """Embeddings of the training stimuli, shape (stimuli, dimension), kept in the workspace."""
    cache = extract(
        examples.stimuli,
        extractor,
        means.workspace / FEATURES_FOLDER,
        dtype="float32",
        device=means.device,
        batch_size=means.batch_size,
        progress=means.progress,
    )
    rows = [np.asarray(cache.arrays[layer][:], np.float32).reshape(len(cache.ids), -1) for layer in extractor.layers]
    embeddings = np.concatenate(rows, 1)
    return scaled_to_unit_length(embeddings) if unit_length else embeddings


def _fit_latent(recipe: LEARecipe, patterns: NDArray[np.float32]) -> nn.Module:
    if recipe.fmri_latent == "components":
        return fit_components(patterns, recipe.components)
    return VoxelLatent()
