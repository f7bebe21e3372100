"""From a recording to the parts of a trained LEA."""

from __future__ import annotations

import copy
import warnings
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
from braincodec.models.description import ModelDescription
from braincodec.models.lea.aligning import Aligned, Pairs, align
from braincodec.models.lea.config import (
    DECODING,
    ENCODING,
    GENERATOR,
    HEAD,
    INVERSION,
    ORDER,
    LEAConfig,
    StoredGenerator,
)
from braincodec.models.lea.embedding_maps import map_shapes
from braincodec.models.lea.fmri_latent import encode_patterns, latent_tensors
from braincodec.models.lea.given_patterns import given_patterns
from braincodec.models.lea.image_embedding import scaled_to_unit_length
from braincodec.models.lea.latent_training import FittedLatent, LatentPatterns, fit_latent, starting_point
from braincodec.models.lea.recipe import LEARecipe
from braincodec.models.lea.regions import Regions, disjoint_regions
from braincodec.models.lea.standardisation import (
    PUBLISHED,
    PUBLISHED_WORDS,
    LeakWarning,
    Standardisation,
    common_standardisation,
    fit_standardisation,
    published_standardisation,
)
from braincodec.models.lea.trials import Trials, read_measured, read_trials
from braincodec.models.provenance import describe_training
from braincodec.models.trainable import Parts
from braincodec.models.training_data import examples_of
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    judged: Any = None,
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
    judged : array_like or DataArray, optional
        For published preprocessing that looks at them.
    """
    examples = _only_one(data)
    backbone = backbone or get_backbone(recipe.image_embedding)
    extractor = FeatureExtractor(recipe.embedding.for_backbone(backbone), backbone)
    ready = generator is not None and generator.trained
    generator = new_generator(recipe) if generator is None else copy.copy(generator)  # that of the caller stays
    _check_width(generator, extractor)
    shapes = map_shapes(extractor) if recipe.encoding_readout == "fields" else None
    wanted = disjoint_regions(examples.units, recipe.regions)
    regions, trials = read_measured(examples, wanted, recipe.repetitions)
    subject = f"{examples.recording.dataset}/{examples.subject}"
    start = starting_point(recipe, examples.recording, regions.voxels, subject)
    standardisation = _standardisation(recipe, trials, examples, regions, judged)
    patterns = standardisation.training(trials.patterns)
    groups = _groups(examples)
    validation = _validation_patterns(recipe, examples, regions, standardisation)

    unit_length = recipe.embedding.unit_length(recipe.unit_length)
    if not ready:
        generator.check_images(examples.stimuli)
    embeddings = embed_training_images(extractor, examples, unit_length, means)
    how: dict[str, Any] = {"workspace": means.workspace, "device": means.device, "progress": means.progress}
    given = LatentPatterns(patterns, validation, groups[trials.stimulus], regions.voxels)
    latent = fit_latent(recipe, given, start, subject=subject, **how)
    latents = encode_patterns(latent.network, patterns, resolve_device(means.device), progress=means.progress)
    aligned = align(recipe, Pairs(latents, trials.stimulus, embeddings, groups, shapes), means.progress)
    if not ready:
        generator.fit(examples.stimuli, embeddings, **how)

    config = LEAConfig(
        features=extractor.config,
        unit_length=unit_length,
        regions=regions.names,
        voxels=regions.voxels,
        unmeasured=len(wanted.columns) - len(regions.columns),
        fmri_latent=recipe.fmri_latent,
        autoencoder=latent.config,
        generator=StoredGenerator(kind=generator.kind, settings=generator.config.model_dump(mode="json")),
        rescale=recipe.rescale,
        encoding_rescale=recipe.encoding_rescale,
    )
    kept = np.sort(wanted.columns)
    order = torch.from_numpy(np.searchsorted(kept, regions.columns))
    tensors = {ORDER: order, **standardisation.tensors(), **all_tensors(latent, aligned, generator)}
    description = _describe(recipe, examples, latent, aligned, generator)
    return Parts(config, tensors, examples.units.isel(unit=kept), description, backbone)


def _describe(
    recipe: LEARecipe, examples: Examples, latent: FittedLatent, aligned: Aligned, generator: ImageGenerator
) -> ModelDescription:
    history = getattr(generator, "history", {})  # of networks that it has trained
    more = {**latent.report, "alignment": aligned.report, **history, **_published(recipe, examples)}
    return describe_training("lea", recipe, [examples], seed=recipe.seed, **more)


def all_tensors(latent: FittedLatent, aligned: Aligned, generator: ImageGenerator) -> dict[str, torch.Tensor]:
    """Tensors of everything that was fitted, by the names under which a model has them."""
    parts = {
        DECODING: aligned.decoding.tensors(),
        ENCODING: aligned.encoding.tensors(),
        HEAD: aligned.head.tensors() if aligned.head is not None else {},
        INVERSION: aligned.inversion.tensors() if aligned.inversion is not None else {},
        GENERATOR: generator.tensors(),
    }
    named = {f"{prefix}{name}": tensor for prefix, own in parts.items() for name, tensor in own.items()}
    # laid out as they are read back, so that a stored model computes the same bits
    return {name: tensor.contiguous() for name, tensor in (latent_tensors(latent.network) | named).items()}


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
        known = generator.embedding.name  # a checkpoint does not say it: then it is the one that was asked for
        raise InputValueError(
            f"the {generator.kind} generator reads embeddings of {generator.embedding.dimension} values, "
            f"{extractor.config.backbone} gives {found}: choose the image embedding that it was trained with"
            f"{f', {known}' if known and known != extractor.config.backbone else ''}"
        )


def _standardisation(
    recipe: LEARecipe, trials: Trials, examples: Examples, regions: Regions, judged: Any
) -> Standardisation:
    if recipe.preprocessing == "published":
        ordered = None if judged is None else _judged_patterns(judged, examples, regions)
        return published_standardisation(trials.patterns, examples.recording.dataset, ordered)
    if judged is not None:
        raise InputValueError("judged_patterns belong to preprocessing='published'; nothing else looks at them")
    rule = common_standardisation if recipe.preprocessing == "global" else fit_standardisation
    return rule(trials.patterns)


def _judged_patterns(judged: Any, examples: Examples, regions: Regions) -> NDArray[np.float32]:
    recording = examples.recording
    about = ModelDescription(model="", modality="", dataset=recording.dataset, subject=plain_subject(recording.subject))
    return given_patterns(judged, examples.units, about, used=regions.columns).values[:, regions.columns]


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


def _published(recipe: LEARecipe, examples: Examples) -> dict[str, str]:
    """Words on published preprocessing, for the description; nothing where it was not asked for."""
    if recipe.preprocessing != "published":
        return {}
    words = PUBLISHED_WORDS[examples.recording.dataset]
    if PUBLISHED[examples.recording.dataset]:
        warnings.warn(words, LeakWarning, stacklevel=2)
    return {"preprocessing": words}


def _validation_patterns(
    recipe: LEARecipe, examples: Examples, regions: Regions, standardisation: Standardisation
) -> NDArray[np.float32] | None:
    """Standardised trials of the recording's validation stimuli, where an autoencoder is trained and there are any."""
    recording = examples.recording
    if recipe.fmri_latent != "autoencoder" or not recording.split.validation:
        return None
    trials = read_trials(examples_of(recording, "validation"), regions.columns, recipe.repetitions)
    return standardisation.training(trials.patterns)
