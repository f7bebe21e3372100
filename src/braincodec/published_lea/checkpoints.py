"""Checkpoints of a run, looked at before long work: the right networks, of the right sizes and the right subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braincodec.errors import InputValueError
from braincodec.models.lea.checkpoints import (
    load_fmri_autoencoder,
    load_token_generator,
    load_tokenizer,
    load_tokenizer_of,
)
from braincodec.models.lea.given_patterns import subjects_with

if TYPE_CHECKING:
    from braincodec.config import Config
    from braincodec.datasets import Recording
    from braincodec.models.lea.regions import Regions
    from braincodec.published_lea.recipe import MadeOf


def check_checkpoints(made: MadeOf, recording: Recording, regions: Regions) -> None:
    """Refuse files of other networks or other sizes than published files state, and an autoencoder of other voxels.

    Parameters
    ----------
    made : MadeOf
    recording : Recording
    regions : Regions

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
        When a file is absent, corrupt or asks for code to be run.
    InputValueError
        When it holds another network (the first names that differ are listed), or one of other sizes or voxels (with
        the subject that has as many, where one is known).
    """
    found: dict[str, Config] = {}
    checkpoints = made.checkpoints
    if "fmri_autoencoder" in checkpoints:
        autoencoder = load_fmri_autoencoder(checkpoints["fmri_autoencoder"]).config
        _check_voxels(checkpoints["fmri_autoencoder"], autoencoder.voxels, recording, regions)
        found["fmri_autoencoder"] = autoencoder
    if "token_generator" in checkpoints:
        path = checkpoints["token_generator"]
        generator = load_token_generator(path).config
        tokenizer = load_tokenizer_of(path, checkpoints.get("tokenizer")).config
        if tokenizer.codebook_size != generator.codebook_size:
            raise InputValueError(
                f"the tokenizer's codebook has {tokenizer.codebook_size} entries, the token generator of {path} draws "
                f"from {generator.codebook_size}; they were not trained together"
            )
        found |= {"token_generator": generator, "tokenizer": tokenizer}
    elif "tokenizer" in checkpoints:
        found["tokenizer"] = load_tokenizer(checkpoints["tokenizer"]).config
    for network, config in found.items():
        if network in made.stated:
            _check_sizes(
                checkpoints.get(network, checkpoints.get("token_generator", "")), config, *made.stated[network]
            )


def _check_voxels(path: str, theirs: tuple[int, ...], recording: Recording, regions: Regions) -> None:
    ours = regions.voxels
    if theirs == ours:
        return
    whose = f"{recording.dataset}, subject {recording.subject}"
    others = [name for name in subjects_with(sum(theirs)) if name != whose]
    hint = f". As many voxels has {' or '.join(others)}" if others else ""
    raise InputValueError(
        f"{path} takes {sum(theirs):,} voxels in {len(theirs)} regions {list(theirs)}; {whose}, has {sum(ours):,} in "
        f"{len(ours)} regions {list(ours)}{hint}"
    )


def _check_sizes(path: str, config: Config, source: str, stated: dict[str, Any]) -> None:
    """Refuse a checkpoint that is not the network that a published file describes; dropout is of training alone."""
    own = config.model_dump(mode="json")
    differing = [name for name, value in stated.items() if name != "dropout" and own[name] != value]
    if differing:
        words = ", ".join(f"{name} {own[name]} (the file says {stated[name]})" for name in differing)
        raise InputValueError(f"{path} is not the network that {source} describes: it has {words}")
