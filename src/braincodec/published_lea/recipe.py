"""Settings, published files and checkpoints together: how the LEA of a run is made, and what a reader should know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.errors import InputValueError
from braincodec.models.lea.fmri_autoencoder.settings import FMRIAutoencoderSettings
from braincodec.models.lea.image_embedding import PUBLISHED_EMBEDDING
from braincodec.models.lea.published_keys import TRAINED
from braincodec.models.lea.published_settings import PublishedSettings, translate_published_settings
from braincodec.models.lea.token_generator.settings import TokenGeneratorSettings
from braincodec.models.lea.tokenizer.settings import TokenizerSettings

if TYPE_CHECKING:
    from braincodec.config import Config
    from braincodec.published_lea.settings import InferenceSettings

TITLES = {"fmri_autoencoder": "fMRI autoencoder", "token_generator": "token generator", "tokenizer": "image tokenizer"}
SETTINGS: dict[str, type[Config]] = {
    "fmri_autoencoder": FMRIAutoencoderSettings,
    "token_generator": TokenGeneratorSettings,
    "tokenizer": TokenizerSettings,
}


@dataclass
class MadeOf:
    """How the model of a run is made.

    Attributes
    ----------
    recipe : dict
        Settings for `braincodec.LEA`.
    checkpoints : dict of str to str
        Published checkpoints by network; the other networks are trained.
    notes : list of str
        What was left aside or overridden.
    stated : dict of str to (str, dict)
        By network the published file about it, and the sizes that it states.
    """

    recipe: dict[str, Any]
    checkpoints: dict[str, str]
    notes: list[str] = field(default_factory=list)
    stated: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def trained(self) -> list[str]:
        """Networks that are trained, as far as LEA's own are used."""
        autoencoder = self.recipe.get("fmri_latent", "autoencoder") == "autoencoder"
        found = ["fmri_autoencoder"] if autoencoder and self.recipe.get("finetune", True) else []
        # a token generator's checkpoint comes with its tokenizer, inside or beside it
        if self.recipe["generator"]["kind"] == "maskgit" and "token_generator" not in self.checkpoints:
            found += [network for network in ("tokenizer", "token_generator") if network not in self.checkpoints]
        return found


def made_of(settings: InferenceSettings, images: int) -> MadeOf:
    """The recipe of a run that is given no trained model.

    Parameters
    ----------
    settings : InferenceSettings
    images : int
        Training images, to turn updates into epochs.

    Raises
    ------
    InputValueError
        When two files are about one network, or disagree.
    """
    files = _by_network([translate_published_settings(path) for path in settings.configs])
    checkpoints, notes = _checkpoints(settings, files)
    for network, published in files.items():
        notes += _remarks(published, settings, is_trained=network not in checkpoints)
    recipe: dict[str, Any] = {
        "image_embedding": settings.image_embedding or _embedding(files) or PUBLISHED_EMBEDDING,
        "alphas": settings.alpha,
        "decoding_intercept": settings.intercept,
        "preprocessing": settings.preprocessing,
        "rescale": "none" if settings.rescale == "none" else "training",
        "seed": settings.seed,
    }
    generator = files.get("token_generator")
    if generator is not None and generator.unit_length is not None and settings.image_embedding is None:
        recipe["unit_length"] = generator.unit_length
    recipe["generator"] = _generator(settings, files, checkpoints, images)
    if "fmri_autoencoder" in checkpoints:
        recipe |= {"pretrained": checkpoints["fmri_autoencoder"], "finetune": False}
        if settings.preprocessing == "training":  # published networks know patterns of one common scale
            recipe["preprocessing"] = "global"
    else:
        recipe["autoencoder"] = _training("fmri_autoencoder", settings, files, images)
    stated = {network: (one.source, one.sizes) for network, one in files.items()}
    return MadeOf(_with_asked(recipe, settings.settings), checkpoints, notes, stated)


def _with_asked(recipe: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe with settings of the caller's own; another generator or latent leaves those of networks behind."""
    own = dict(asked)
    if isinstance(own.get("generator"), str):
        own["generator"] = {"kind": own["generator"]}
    below = dict(recipe)
    if own.get("generator", {}).get("kind", "maskgit") != "maskgit":
        below["generator"] = {}
    if own.get("fmri_latent", "autoencoder") != "autoencoder":
        below = {name: value for name, value in below.items() if name not in ("autoencoder", "pretrained", "finetune")}
    return _merged(below, own)


def _by_network(files: Sequence[PublishedSettings]) -> dict[str, PublishedSettings]:
    found: dict[str, PublishedSettings] = {}
    for one in files:
        if one.network in found:
            raise InputValueError(
                f"{found[one.network].source} and {one.source} are both about the {TITLES[one.network]}; give one"
            )
        found[one.network] = one
    return found


def _embedding(files: Mapping[str, PublishedSettings]) -> str:
    named = {one.image_embedding: one.source for one in files.values() if one.image_embedding}
    if len(named) > 1:
        words = "; ".join(f"{source} has {name}" for name, source in named.items())
        raise InputValueError(f"the files name different image embeddings: {words}; choose with --image-embedding")
    return next(iter(named), "")


def _checkpoints(
    settings: InferenceSettings, files: Mapping[str, PublishedSettings]
) -> tuple[dict[str, str], list[str]]:
    """Checkpoints by network; the command line before the files, whose paths hold where they exist."""
    given = {
        "fmri_autoencoder": settings.autoencoder,
        "token_generator": settings.maskgit,
        "tokenizer": settings.tokenizer,
    }
    checkpoints = {network: path for network, path in given.items() if path is not None}
    notes = []
    for one in files.values():
        path = one.checkpoints.get("tokenizer")
        if path is None or "tokenizer" in checkpoints:
            continue
        found = _place_of(path, one.source)
        if found is not None:
            checkpoints["tokenizer"] = str(found)
            notes.append(f"the tokenizer comes from {found}, which {one.source} names")
        elif settings.maskgit is None:
            notes.append(f"{one.source} names the tokenizer {path}, which is not here: name it with --tokenizer")
    return checkpoints, list(dict.fromkeys(notes))


def _place_of(path: str, source: str) -> Path | None:
    """Where a path of a published file is: as it stands, or from the file's folder or the one above."""
    folder = Path(source).resolve().parent
    places = (Path(path), folder / path, folder.parent / path)
    return next((place for place in places if place.is_file()), None)


def _remarks(published: PublishedSettings, settings: InferenceSettings, *, is_trained: bool) -> list[str]:
    notes = []
    of = published.data.get("dataset"), published.data.get("subject")
    if published.network == "fmri_autoencoder" and of != (settings.dataset, str(settings.subject)):
        notes.append(
            f"{published.source} is of {of[0]} subject {of[1]}; here subject, voxels and paths come from "
            "the command and the data"
        )
    of_training = [key for key, why in published.listed.items() if TRAINED in why]
    if is_trained and of_training:
        notes.append(f"{published.source}: not taken over into the training: {', '.join(of_training)}")
    others = len(published.listed) - len(of_training)
    if others:
        notes.append(f"{published.source}: {others} keys that leave results as they are were left aside")
    return notes


def _generator(
    settings: InferenceSettings, files: Mapping[str, PublishedSettings], checkpoints: Mapping[str, str], images: int
) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": "maskgit"}
    if "token_generator" in files:
        found["sampling"] = files["token_generator"].sampling
    networks = ("tokenizer", "token_generator")
    absent = [network for network in networks if network not in checkpoints]
    if "token_generator" in checkpoints:  # which may hold the tokenizer
        absent = []
    trainings = {network: _training(network, settings, files, images) for network in absent}
    if len(absent) < len(networks) or settings.size != "small" or any(network in files for network in absent):
        found |= {f"{network}_training": own for network, own in trainings.items()}
    # else maskgit knows itself what a processor manages
    return found | {f"{network}_checkpoint": checkpoints[network] for network in networks if network in checkpoints}


def _training(
    network: str, settings: InferenceSettings, files: Mapping[str, PublishedSettings], images: int
) -> dict[str, Any]:
    """Settings of a network's training: what a file says of it, else by size."""
    published = files.get(network)
    if published is None:
        return {"size": settings.size}
    known = SETTINGS[network].model_fields
    own = {**published.sizes, **published.training, "size": "published"}
    if "steps" in own:
        own["epochs"] = max(1, math.ceil(own["steps"] * own.get("batch_size", 1) / max(images, 1)))
    return {name: value for name, value in own.items() if name in known}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of `above` in place of those of `below`, inside mappings too.

    Examples
    --------
    >>> _merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    merged = dict(below)
    for name, value in above.items():
        inside = merged.get(name)
        both = isinstance(value, Mapping) and isinstance(inside, Mapping)
        merged[name] = _merged(inside, value) if both and isinstance(inside, Mapping) else value
    return merged
