"""A store to try the page with, for somebody who has none: simulated subjects, seen and decoded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from braincodec.atomic import atomic_path
from braincodec.demo_decoding import EMBEDDING, GENERATOR, PLACE, WITHOUT_WEIGHTS
from braincodec.demo_decoding import MODEL as DECODER
from braincodec.file_cache import cache_folder

STIMULI = 240  # that the simulated subject is shown; eight of ten train the decoder


def trial_store(
    say: Callable[[str], None] = lambda _: None,
    *,
    folder: str | Path | None = None,
    backbone: str | None = None,
    calibration: int = 256,
    stimuli: int = STIMULI,
) -> Path:
    """Where a store with a simulated fMRI subject, a simulated EEG subject and a decoder lies; made once.

    Parameters
    ----------
    say : callable
        Takes a line of text at a time while it is being made, which takes about a minute.
    folder : str or Path, optional
        Default: below the folder for fetched files.
    backbone, calibration : optional
        Of the simulated subjects; see `braincodec.simulate.write_demo_store`.
    stimuli : int
        How many the decoder is made from.

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    from braincodec.simulate import write_demo_store

    place = Path(folder) if folder is not None else cache_folder() / "explorer" / "trial-store"
    if place.is_dir():
        return place
    say("making two simulated subjects and a decoder to try the page with, once; this takes about a minute")
    with atomic_path(place) as temporary:
        write_demo_store(temporary, backbone=backbone, calibration=calibration)
        say(f"the decoder learns from a simulated subject's responses to {stimuli} images")
        _decoder(backbone, calibration, stimuli).save(temporary / DECODER / PLACE)
    say(f"simulated subjects and a decoder: {place}")
    return place


def _decoder(backbone: str | None, calibration: int, stimuli: int) -> Any:
    from braincodec.datasets import load_dataset
    from braincodec.models.lea.model import LEA
    from braincodec.simulate.tuning import choose_backbone

    name = choose_backbone(backbone)
    recording = load_dataset("simulated", n=stimuli, repetitions=3, backbone=name, calibration=calibration).subject("1")
    embedding = EMBEDDING if name == EMBEDDING["image_embedding"] else WITHOUT_WEIGHTS
    settings: dict[str, Any] = {**embedding, "fmri_latent": "components", "repetitions": "average"}
    return LEA(**settings, generator=GENERATOR).fit(recording, progress=False)
