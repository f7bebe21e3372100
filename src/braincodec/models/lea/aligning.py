"""Maps between the fMRI latent and the image embedding, fitted to training trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from braincodec.models.lea.alignment import (
    LatentMap,
    RetrievalHead,
    fit_alignment,
    fit_field_alignment,
    fit_joint_alignment,
    fit_retrieval_head,
    out_of_fold_predictions,
)
from braincodec.models.lea.alignment.fields import Shapes
from braincodec.models.lea.alignment.ridge import whole_folds
from braincodec.models.lea.inversion import Inversion, fit_inversion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from braincodec.models.lea.recipe import LEARecipe

# of the r2 in `report`, where the latents are those of a network that was fitted to the same trials
SEEN_BY_AUTOENCODER = (
    "cross-validation is of the maps alone: the autoencoder knows the patterns of all folds, so r2 is too good; scores "
    "of stimuli that were held out are not"
)


class Aligned(NamedTuple):
    """What aligns the two.

    Parameters
    ----------
    decoding, encoding : LatentMap
        From fMRI latents to image embeddings, and the other way.
    head : RetrievalHead, optional
        A space learnt for retrieval, where it was asked for.
    inversion : Inversion or None
        Where the generator inverts the encoding direction.
    report : dict
        How it went, for the description of the model.
    """

    decoding: LatentMap
    encoding: LatentMap
    head: RetrievalHead | None
    inversion: Inversion | None
    report: dict[str, Any]


class Pairs(NamedTuple):
    """fMRI latents and the embeddings of what was seen.

    Parameters
    ----------
    latents : array of float32, shape (trials, latent)
    stimulus : array of int64, shape (trials,)
        Row of each trial's stimulus in `embeddings`.
    embeddings : array of float32, shape (stimuli, dimension)
    groups : array of int64, shape (stimuli,)
        Stimuli of one group stay in one fold.
    shapes : mapping of str to (int, int, int), optional
        Channels, height and width of the maps that make up an embedding, where they are read as such.
    """

    latents: NDArray[np.float32]
    stimulus: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    groups: NDArray[np.int64]
    shapes: Shapes | None = None

    def of_trials(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Latents, embeddings and groups, a row for each trial."""
        return self.latents, self.embeddings[self.stimulus], self.groups[self.stimulus]

    def of_stimuli(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Latents averaged over the trials of a stimulus, embeddings and groups, a row for each stimulus.

        Where stimuli are told apart, two trials of one must not count as different.

        Examples
        --------
        >>> row = np.arange(2)
        >>> Pairs(np.array([[1.0], [5.0], [3.0]], np.float32), np.array([0, 1, 0]), row, row).of_stimuli()[0].tolist()
        [[2.0], [5.0]]
        """
        sums = np.zeros((len(self.embeddings), self.latents.shape[1]))
        np.add.at(sums, self.stimulus, self.latents)
        times = np.bincount(self.stimulus, minlength=len(self.embeddings))
        return (sums / times[:, None]).astype(np.float32), self.embeddings, self.groups


def align(recipe: LEARecipe, pairs: Pairs, progress: bool | None) -> Aligned:
    """Fit both maps, and a retrieval head where the settings want one.

    Parameters
    ----------
    recipe : LEARecipe
    pairs : Pairs
    progress : bool, optional
    """
    report: dict[str, Any] = {}
    options: dict[str, Any] = {"alphas": recipe.alphas, "folds": recipe.folds}
    inversion = None
    if recipe.alignment == "joint":
        latents, embeddings, groups = pairs.of_stimuli()
        joint = fit_joint_alignment(
            latents, embeddings, groups=groups, settings=recipe.joint, progress=progress, **options
        )
        decoding, encoding = joint.forward, joint.backward
        report["joint"] = {"summary": joint.summary(), **joint.report}
    else:
        latents, embeddings, groups = pairs.of_trials()
        options |= {"groups": groups, "seed": recipe.seed}
        decoding = fit_alignment(latents, embeddings, intercept=recipe.decoding_intercept, **options)
        encoding, residuals = _encoding(recipe, pairs, options, progress)
        if recipe.inverts_encoding:
            inversion = fit_inversion(encoding, residuals, pairs.embeddings, recipe.inversion)
    report |= {"decoding": decoding.summary(), "encoding": encoding.summary()}
    if recipe.fmri_latent == "autoencoder":
        report["caution"] = SEEN_BY_AUTOENCODER
    head = None
    if recipe.retrieval == "head":
        latents, embeddings, groups = pairs.of_stimuli()
        head = fit_retrieval_head(
            latents,
            embeddings,
            alphas=recipe.alphas,
            folds=recipe.folds,
            groups=groups,
            settings=recipe.head,
            progress=progress,
        )
        report["head"] = {"summary": head.summary(), **head.report}
    return Aligned(decoding, encoding, head, inversion, report)


def _encoding(
    recipe: LEARecipe, pairs: Pairs, options: dict[str, Any], progress: bool | None
) -> tuple[LatentMap, NDArray[np.float32]]:
    """The map from embeddings to latents, and residuals of its out-of-fold predictions."""
    latents, embeddings, groups = pairs.of_trials()
    if recipe.encoding_readout == "fields":
        assert pairs.shapes is not None
        settings: dict[str, Any] = {"folds": recipe.folds, "groups": groups, "seed": recipe.seed}
        settings |= {"windows": recipe.fields.places, "smoothness": recipe.fields.smoothness}
        settings |= {"alphas": recipe.fields.alphas, "progress": progress}
        return fit_field_alignment(embeddings, latents, pairs.shapes, **settings)
    encoding = fit_alignment(embeddings, latents, **options)
    folds = whole_folds(len(latents), recipe.folds, groups=groups, seed=recipe.seed)
    predicted = out_of_fold_predictions(embeddings, latents, encoding.alpha, folds)
    return encoding, (latents - predicted).astype(np.float32)
