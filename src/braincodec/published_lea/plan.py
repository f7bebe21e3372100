"""What a run of the published inference would do, said before it does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from braincodec.published_lea.recipe import TITLES, MadeOf

if TYPE_CHECKING:
    from braincodec.datasets import Recording
    from braincodec.models.lea.regions import Regions
    from braincodec.published_lea.settings import InferenceSettings

PREPROCESSING = {
    "training": "patterns scaled voxel by voxel with the training trials",
    "global": "all patterns scaled by one mean and deviation of the training trials",
    "published": "patterns scaled as in the public code, which test patterns have a part in",
}
RESCALE = {
    "training": "predicted embeddings brought to the training images' mean and deviation, by out-of-fold predictions",
    "none": "predicted embeddings and latents as they are",
    "transductive": "predicted latents rescaled by the test set's own mean and deviation: not comparable with others",
}


@dataclass(frozen=True)
class InferencePlan:
    """What would be done.

    Attributes
    ----------
    rows : list of (str, str)
        What, and how.
    notes : list of str
        What was left aside or overridden.
    """

    rows: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The plan as text, a line each.

        Examples
        --------
        >>> InferencePlan([("data", "god")], ["nothing"]).lines()
        ['data             god', 'note             nothing']
        """
        return [f"{name:<16} {words}" for name, words in (*self.rows, *(("note", note) for note in self.notes))]


def plan_of(
    settings: InferenceSettings, recording: Recording, regions: Regions, made: MadeOf | None, output: str
) -> InferencePlan:
    """The plan of a run.

    Parameters
    ----------
    settings : InferenceSettings
    recording : Recording
    regions : Regions
    made : MadeOf, optional
        None where a trained model was given.
    output : str
    """
    split = recording.split
    named = ", ".join(f"{name} {count:,}" for name, count in zip(regions.names, regions.voxels, strict=True))
    rows = [
        (
            "data",
            f"{recording.dataset}, subject {recording.subject}: {len(split.train):,} training and {len(split.test):,} "
            f"test stimuli, {sum(regions.voxels):,} voxels ({named})",
        )
    ]
    rows += [("model", settings.model or "")] if made is None else _networks(made)
    rows += [
        ("rescaling", RESCALE[settings.rescale]),
        ("decoding", f"{settings.samples} image(s) of each of {len(split.test):,} responses, seed {settings.seed}"),
        ("encoding", f"responses of {sum(regions.voxels):,} voxels to the same stimuli"),
        ("judged by", ", ".join(settings.metrics) if settings.metrics else "all metrics of both directions"),
        ("result", output),
    ]
    return InferencePlan(rows, [] if made is None else made.notes)


def _networks(made: MadeOf) -> list[tuple[str, str]]:
    recipe, trained = made.recipe, made.trained()
    rows = [("image embedding", str(recipe["image_embedding"]))]
    for network, title in TITLES.items():
        start = made.checkpoints.get(network)
        if network in trained:
            begun = f", from {start}" if start else ""
            rows.append((title, f"trained on this subject's training stimuli{begun}, {_size(made, network)}"))
        elif start is not None:
            rows.append((title, f"published checkpoint {start}"))
    if recipe["generator"]["kind"] != "maskgit":
        rows.append(("image generator", recipe["generator"]["kind"]))
    alpha = recipe["alphas"]
    alignment = "ridge, strength by cross-validation inside the training data" if alpha is None else f"ridge, {alpha:g}"
    return [
        *rows,
        ("alignment", alignment if recipe["decoding_intercept"] else f"{alignment}; no intercept from fMRI to images"),
        ("preprocessing", PREPROCESSING[recipe["preprocessing"]]),
    ]


def _size(made: MadeOf, network: str) -> str:
    place: dict[str, Any] = made.recipe["autoencoder"] if network == "fmri_autoencoder" else made.recipe["generator"]
    own = place if network == "fmri_autoencoder" else place.get(f"{network}_training", {})
    return f"{own.get('size') or 'small'} size" if set(own) <= {"size", "epochs"} else "sizes as the settings say"
