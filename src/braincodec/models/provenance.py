"""Where a trained model comes from: data, split, settings and software, as its description states them."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from braincodec.datasets.facts import fact_of, is_simulated
from braincodec.models.description import ModelDescription
from braincodec.responses.checks import RESPONSE_UNITS
from braincodec.subjects import plain_subject

if TYPE_CHECKING:
    from braincodec.config import Config
    from braincodec.models.training_data import Examples

PACKAGES = ("braincodec", "numpy", "scipy", "torch", "torchvision", "timm", "open_clip_torch")


def describe_training(
    kind: str, recipe: Config, data: Sequence[Examples], *, seed: int | None, **more: Any
) -> ModelDescription:
    """Description of a model that was trained on `data`.

    Parameters
    ----------
    kind : str
        Kind of model.
    recipe : Config
        Its settings.
    data : sequence of Examples
    seed : int, optional
    **more
        Further entries of ``training`` that can be stored as JSON, such as ``curve=[{"epoch": 1, ...}]``.

    Returns
    -------
    ModelDescription
        ``training`` holds ``split`` (ids by part; by subject and part with several subjects), ``settings``,
        ``software`` and `more`.
    """
    first = data[0].recording
    modality = fact_of(first, "modality") or "unknown"
    response_units = first.units.attrs.get("response_units", "unknown")
    splits = {one.subject: one.recording.split.to_dict() for one in data}
    return ModelDescription(
        model=f"{modality}-{first.dataset}-{kind}",
        modality=modality,
        dataset=first.dataset,
        subject=plain_subject(first.subject) if len(data) == 1 else f"{len(data)} subjects",
        response_units=response_units if response_units in RESPONSE_UNITS else "unknown",
        simulated=any(is_simulated(one.recording) for one in data),
        licence=fact_of(first, "licence"),
        citation=fact_of(first, "citation"),
        seed=seed,
        training={
            "split": splits[first.subject] if len(data) == 1 else splits,
            "settings": recipe.model_dump(mode="json"),
            "software": software_versions(),
            **more,
        },
    )


def software_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a model's numbers, where they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
