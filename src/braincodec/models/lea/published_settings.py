"""LEA's published YAML files, translated into the words of this package.

The published code has a file for each network: ``MaskGIT_AE.yaml`` (the image tokenizer), ``MaskGIT_Transformer.yaml``
(the token generator), ``fMRI_TransAE_GOD.yaml`` and ``fMRI_TransAE_BOLD.yaml`` (the fMRI autoencoder). What our
settings have too is translated; what the network can be in one way only is checked; what leaves results as they are is
listed. Any other key is an error, because it might change results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from braincodec.config import Config
from braincodec.errors import InputTypeError, InputValueError, nearest_names
from braincodec.models.lea.fmri_autoencoder.network import FMRIAutoencoderConfig
from braincodec.models.lea.published_keys import KEYS, Key
from braincodec.models.lea.token_generator.network import TokenGeneratorConfig
from braincodec.models.lea.token_generator.sampling import SamplingConfig
from braincodec.models.lea.tokenizer.network import TokenizerConfig
from braincodec.settings_file import read_settings

Network = Literal["fmri_autoencoder", "token_generator", "tokenizer"]
# names that only one of the files has
SIGNATURES: dict[str, Network] = {
    "Data.roi_patch": "fmri_autoencoder",
    "Model.gamma_mode": "token_generator",
    "Model.min_mask_rate": "token_generator",
    "Model.ch_base": "tokenizer",
}
FILES = "MaskGIT_AE.yaml, MaskGIT_Transformer.yaml, fMRI_TransAE_GOD.yaml or fMRI_TransAE_BOLD.yaml"
CONFIGS: dict[str, type[Config]] = {
    "fmri_autoencoder": FMRIAutoencoderConfig,
    "token_generator": TokenGeneratorConfig,
    "tokenizer": TokenizerConfig,
}
# what the published folders of the data sets are called
DATASETS = {"kamitani": "god", "god": "god", "bold5000": "bold5000"}
SUBJECT_OF_GOD = "sbj_"
MOST_KEYS_SHOWN = 5

Values = dict[str, Any]


@dataclass(frozen=True)
class PublishedSettings:
    """What a published file says.

    Attributes
    ----------
    source : str
        The file's name.
    network : {"fmri_autoencoder", "token_generator", "tokenizer"}
        Which network it is about.
    sizes : dict
        As `FMRIAutoencoderConfig`, `TokenGeneratorConfig` or `TokenizerConfig` name them; voxels, codebook and
        embedding come from the data and the other networks.
    training : dict
        How the network was trained: ``learning_rate``, ``batch_size``, ``weight_decay``, ``gradient_limit``, ``warmup``
        (share of all steps) and ``seed`` as in `TrainingSettings`, ``steps``, and what the kind of network has besides.
    sampling : dict
        As `SamplingConfig` names it.
    data : dict
        As far as the file says them: ``dataset``, ``root``, ``subject``, ``voxels`` (of each region), ``voxel_count``.
    image_embedding : str
        As `braincodec.features` names the network; empty where the file has none.
    unit_length : bool or None
        Whether image embeddings are brought to unit length; None where the file does not decide it.
    checkpoints : dict of str to str
        Paths: ``tokenizer``; ``start`` and ``continued``, what the published training began from.
    listed : dict of str to str
        Keys that were left aside, and why.
    """

    source: str
    network: Network
    sizes: Values = field(default_factory=dict)
    training: Values = field(default_factory=dict)
    sampling: Values = field(default_factory=dict)
    data: Values = field(default_factory=dict)
    image_embedding: str = ""
    unit_length: bool | None = None
    checkpoints: dict[str, str] = field(default_factory=dict)
    listed: dict[str, str] = field(default_factory=dict)


def translate_published_settings(source: str | Path | Mapping[str, Any]) -> PublishedSettings:
    """Translate one of LEA's published files.

    Parameters
    ----------
    source : str, Path or mapping
        A YAML file, or what is in one.

    Returns
    -------
    PublishedSettings

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
        When there is no such file, or it is no plain YAML.
    InputTypeError, InputValueError
        When it is no file of LEA, has a key that is not known, a value that the network cannot have, or contradicts
        itself.

    Examples
    --------
    >>> translated = translate_published_settings({
    ...     "Data": {"path": "dataset/Kamitani/npz", "sub": ["sbj_2"], "roi_patch": [757, 727], "patch_size": 32},
    ...     "Model": {"encoder_depth": 24, "embed_dim": 1024}, "Train": {"grad_clip": 0.1, "log_interval": 100}})
    >>> translated.network, translated.sizes
    ('fmri_autoencoder', {'tokens_per_region': 32, 'depth': 24, 'width': 1024})
    >>> translated.data["dataset"], translated.data["subject"], list(translated.listed)
    ('god', '2', ['Train.log_interval'])
    """
    if isinstance(source, Mapping):
        name, content = "published settings", dict(source)
    elif isinstance(source, str | Path):
        name, content = str(source), read_settings(source)
    else:
        raise InputTypeError(f"published settings are a file or a mapping, not {type(source).__name__}")
    given = _flat(content)
    network = _network(given, name)
    _refuse_unknown(given, network, name)
    parts: dict[str, Values] = {}
    listed = {}
    for key, value in given.items():
        _take(parts, key, KEYS[network][key], value, name)
        if KEYS[network][key].remark:
            listed[key] = KEYS[network][key].remark
    return _put_together(name, network, parts, listed)


def _flat(content: Mapping[str, Any]) -> Values:
    """Keys of sections with the section's name before them."""
    flat: Values = {}
    for name, value in content.items():
        inside = {f"{name}.{key}": item for key, item in value.items()} if isinstance(value, Mapping) else {name: value}
        flat |= inside
    return flat


def _network(given: Values, name: str) -> Network:
    found = {network for key, network in SIGNATURES.items() if key in given}
    if len(found) != 1:
        what = "mixes the files of several networks" if found else "is no published file of LEA"
        shown = ", ".join(list(given)[:MOST_KEYS_SHOWN]) or "nothing"
        raise InputValueError(
            f"{name} {what}: it has {shown}, ...; expected {FILES}, each of which has one of {', '.join(SIGNATURES)}"
        )
    return found.pop()


def _refuse_unknown(given: Values, network: Network, name: str) -> None:
    problems = []
    for key in given:
        if key not in KEYS[network]:
            near = nearest_names(key, KEYS[network], limit=1)
            problems.append(repr(key) + (f" (did you mean {near[0]!r}?)" if near else ""))
    if problems:
        raise InputValueError(
            f"{name}: {_title(network)} has no setting {', '.join(problems[:MOST_KEYS_SHOWN])}; it might change "
            "results, so nothing was read. Remove it, or correct its name"
        )


def _take(parts: dict[str, Values], key: str, known: Key, value: Any, name: str) -> None:
    """Put a value in its place, or check that it is what the network has."""
    if known.only and value not in known.only:
        choices = " or ".join(repr(one) for one in known.only)
        raise InputValueError(f"{name}: {key} is {value!r}; the published network has {choices} alone")
    if not known.to:
        return
    part, _, to = known.to.partition(".")
    place = parts.setdefault(part, {})
    if to in place and place[to] != value:
        raise InputValueError(f"{name} contradicts itself: {key} is {value!r}, but {to} was {place[to]!r} before")
    place[to] = value


def _put_together(name: str, network: Network, parts: dict[str, Values], listed: dict[str, str]) -> PublishedSettings:
    embedding = parts.get("embedding", {})
    if network == "tokenizer" and "image_size" in parts.get("sizes", {}):
        parts.setdefault("training", {})["image_size"] = parts["sizes"]["image_size"]
    try:
        return PublishedSettings(
            source=name,
            network=network,
            sizes=_sizes(network, parts.get("sizes", {})),
            training=_training(parts.get("training", {})),
            sampling=_given(SamplingConfig, parts.get("sampling", {})),
            data=_data(parts.get("data", {})),
            image_embedding=_embedding(embedding),
            unit_length=embedding.get("unit_length"),
            checkpoints={key: str(path) for key, path in parts.get("checkpoints", {}).items() if path},
            listed=listed,
        )
    except (InputValueError, TypeError, ZeroDivisionError) as error:
        raise InputValueError(f"{name}: {error}") from None


def _sizes(network: Network, sizes: Values) -> Values:
    """Sizes by our names, with pictures and patches turned into the number of tokens."""
    own = dict(sizes)
    image, patch = own.pop("image_size", None), own.pop("patch", None)
    if None not in (image, patch) and image % patch:
        raise InputValueError(f"pictures of {image} pixels are not made of patches of {patch}")
    if network == "token_generator" and None not in (image, patch):
        own["tokens"] = (image // patch) ** 2
    if network == "tokenizer" and patch is not None:
        halvings = round(math.log2(patch))
        if "multipliers" in own and len(own["multipliers"]) != halvings + 1:
            raise InputValueError(
                f"a patch of {patch} pixels needs {halvings + 1} levels, ch_mult has {len(own['multipliers'])}"
            )
    return (
        _given(CONFIGS[network], own, voxels=(1,)) if network == "fmri_autoencoder" else _given(CONFIGS[network], own)
    )


def _given(config: type[Config], values: Values, **needed: Any) -> Values:
    """The values, checked by the class whose they are."""
    checked = config.parse({**needed, **values}).model_dump(mode="json")
    return {name: checked[name] for name in values}


def _training(training: Values) -> Values:
    own = dict(training)
    warmup, steps = own.pop("warmup_steps", None), own.get("steps")
    if None not in (warmup, steps):
        own["warmup"] = warmup / steps
    if own.get("gradient_limit") == 0:  # as the published code says it of none
        own["gradient_limit"] = None
    return own


def _data(data: Values) -> Values:
    own = dict(data)
    folders = [part.casefold() for part in Path(str(own.get("root") or "")).parts]
    names = [DATASETS[part] for part in folders if part in DATASETS]
    if names:
        own["dataset"] = names[-1]
    subjects = own.pop("subject", None)
    subjects = [subjects] if isinstance(subjects, str) else subjects
    if subjects is not None and len(subjects) == 1:  # of several each has networks of its own
        own["subject"] = str(subjects[0]).removeprefix(SUBJECT_OF_GOD)
    return own


def _embedding(embedding: Values) -> str:
    network, weights = embedding.get("network"), embedding.get("weights")
    return f"open_clip:{network}/{weights}" if network and weights else ""


def _title(network: str) -> str:
    return CONFIGS[network].shown_as
