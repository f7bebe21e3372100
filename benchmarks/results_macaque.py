"""V4 neurons from images: a ridge on features of an ImageNet network, chosen on training images alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from sklearn.preprocessing import StandardScaler

import braincodec as bc
from braincodec.datasets import Recording, Split
from braincodec.evaluation.encoding.weighted import weighted_correlation
from braincodec.evaluation.noise_ceiling import (
    mean_over_repetitions,
    noise_ceiling_split_half,
    noise_ceiling_variance_components,
)
from braincodec.evaluation.splits import (
    check_leakage,
    cluster_splits,
    compare_splits,
    distance_splits,
    image_features,
    random_splits,
)
from braincodec.evaluation.statistics import bootstrap_weights, percentile_interval
from braincodec.features import FeatureExtractor
from braincodec.readouts import RidgeFit, ridge_cv
from braincodec.responses import build_responses
from braincodec.stimuli import StimulusSet

BACKBONE = "efficientnet_lite:0"
LAYERS = tuple(f"_blocks.{block}" for block in (2, 4, 6, 8, 10, 12))
GRID = 4  # maps are averaged over a grid of 4 x 4 fields
ALPHAS = np.logspace(1, 7, 13)
HALVINGS = 50  # of the repetitions, for each bootstrap sample
Features = Mapping[str, xr.DataArray]


def layer_features(stimuli: StimulusSet, layers: Sequence[str] = LAYERS) -> dict[str, xr.DataArray]:
    """Features of each layer (stimulus, feature): its maps, averaged over a grid of fields."""
    extractor = FeatureExtractor({"backbone": BACKBONE, "layers": layers, "pooling": "none"}).prepare()
    blocks: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}

    def keep(layer: str, maps: torch.Tensor) -> None:
        fields = torch.nn.functional.adaptive_avg_pool2d(maps.float(), GRID)  # (batch, channel, 4, 4)
        blocks[layer].append(fields.flatten(1).numpy())

    for batch in stimuli.batches(32, transform=extractor.preprocessing):
        extractor.stream(batch.images, keep)
    return {
        layer: xr.DataArray(np.concatenate(parts), dims=("stimulus", "feature"), coords={"stimulus": stimuli.ids})
        for layer, parts in blocks.items()
    }


def mean_responses(responses: xr.DataArray) -> xr.DataArray:
    """Responses (stimulus, unit): the mean over the repetitions that each stimulus has."""
    return responses.mean("repetition", skipna=True) if "repetition" in responses.dims else responses


class LayerRidge:
    """Ridge from one layer: layer and penalties are those with the least error in cross-validation of training images.

    Each neuron has its own penalty; the layer is one for all neurons.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self.layer = ""
        self._scaler = StandardScaler()
        self._fit: RidgeFit | None = None

    def fit(self, recording: Recording) -> LayerRidge:
        """Fit on the training part, and on nothing else; near copies of an image are in one inner fold."""
        responses = recording.part("train")[1]
        groups = responses["group"].values if "group" in responses.coords else None
        ids, means = responses["stimulus"].values, mean_responses(responses).values
        fits = {}
        for layer, features in self.features.items():
            scaler = StandardScaler().fit(features.sel(stimulus=ids).values)
            values = scaler.transform(features.sel(stimulus=ids).values)
            fits[layer] = scaler, ridge_cv(values, means, ALPHAS, groups=groups, progress=False)
        self.layer = max(fits, key=lambda layer: float(fits[layer][1].r2.mean()))
        self._scaler, self._fit = fits[self.layer]
        return self

    def fitted(self, recording: Recording) -> LayerRidge:
        """Another one of the same features, fitted."""
        return LayerRidge(self.features).fit(recording)

    def encode(self, stimuli: StimulusSet | Iterable[str]) -> xr.DataArray:
        """Predicted responses (stimulus, unit)."""
        ids = stimuli.ids if isinstance(stimuli, StimulusSet) else np.asarray(list(stimuli))
        values = self._scaler.transform(self.features[self.layer].sel(stimulus=ids).values)
        return build_responses(self._fit.predict(values), ids)


def cross_validated(features: Features, recording: Recording, splits: Sequence[Split]) -> xr.DataArray:
    """Predicted responses to every image, each by a model that was fitted without it."""
    parts = []
    for split in splits:
        parts.append(LayerRidge(features).fit(recording.with_split(split)).encode(split.test))
    return xr.concat(parts, "stimulus").sel(stimulus=recording.responses["stimulus"].values)


def generalisation_rows(
    features: Features, recording: Recording, draws: int, seeds: Iterable[int]
) -> list[dict[str, object]]:
    """The same way of fitting under random, distance and cluster splits; copies across each split are counted."""
    embedding = image_features(recording.stimuli, progress=False)
    groups = dict(zip(recording.stimuli.ids.tolist(), recording.responses["group"].values.tolist(), strict=True))
    splits = {
        "random": random_splits(recording, seeds=seeds, groups=groups),
        "distance": distance_splits(recording, embedding, progress=False),
        "cluster": cluster_splits(recording, embedding),
    }
    found = compare_splits(LayerRidge(features).fitted, recording, splits, draws=draws, progress=False).table
    leaking = {
        scheme: sum(len(check_leakage(recording, split, progress=False).leaking) for split in members)
        for scheme, members in splits.items()
    }
    return [
        {
            "scheme": row.scheme,
            "splits": row.splits,
            "training / test images": f"{row.n_train} / {row.n_test}",
            "median r": (row.score, row.low, row.high),
            "single splits": f"{row.lowest:.3f} to {row.highest:.3f}" if row.splits > 1 else "-",
            "difference from random": (row.gap, row.gap_low, row.gap_high),
            "test images with a near copy in training": leaking[row.scheme],
        }
        for row in found.itertuples()
    ]


def session_row(features: Features, recording: Recording, splits: Sequence[Split], draws: int) -> dict[str, object]:
    """Cross-validated correlation of one session, with interval."""
    everything = recording.with_split(Split(test=tuple(recording.responses["stimulus"].values)))
    scores = bc.evaluate(
        cross_validated(features, recording, splits),
        everything,
        metrics=["correlation"],
        draws=draws,
        permutations=0,
        leakage="off",
        progress=False,
    )
    row = scores.table.query("roi == 'all'").iloc[0]
    return {
        "session": recording.subject,
        "neurons": row.n_units,
        "images": row.n_stimuli,
        "median r": (row.value, row.low, row.high),
        "floor": row.floor,
    }


@dataclass(frozen=True)
class Neurons:
    """Scores of each neuron: first over all test images, then in every bootstrap sample of them.

    Attributes
    ----------
    correlation, ceiling, split_half, normalised : array, shape (1 + draws, neurons)
        The ceiling is that of the variance, from variance components or from split halves, not clipped; normalised is
        r^2 / the first of them, NaN where that is not above 0.
    """

    correlation: np.ndarray
    ceiling: np.ndarray
    split_half: np.ndarray
    normalised: np.ndarray


def score_neurons(prediction: xr.DataArray, responses: xr.DataArray, draws: int, seed: int = 0) -> Neurons:
    """Draw test images anew with all their repetitions; correlation and ceiling are both computed again in every draw.

    Parameters
    ----------
    prediction : DataArray, (stimulus, unit)
    responses : DataArray, (stimulus, repetition, unit)
    """
    values = responses.values
    weights = np.concatenate([np.ones((1, len(values))), bootstrap_weights(len(values), draws, seed)])
    r = weighted_correlation(prediction.values, mean_over_repetitions(values), weights)
    samples = [values[np.repeat(np.arange(len(values)), counts.astype(int))] for counts in weights]
    ceiling = np.stack([noise_ceiling_variance_components(sample, clip=False) for sample in samples])
    split_half = np.stack([noise_ceiling_split_half(sample, HALVINGS, seed, clip=False) for sample in samples])
    with np.errstate(divide="ignore", invalid="ignore"):
        normalised = np.where(ceiling > 0, np.clip(r, 0, None) ** 2 / ceiling, np.nan)
    return Neurons(r, ceiling, split_half, normalised)


def with_interval(values: np.ndarray) -> list[tuple[float, float, float]]:
    """Value, low and high of each column: the first row is the value, the others are its bootstrap replicates."""
    low, high = percentile_interval(values[1:])
    return [tuple(map(float, row)) for row in zip(values[0], low, high, strict=True)]


def median_with_interval(values: np.ndarray) -> tuple[float, float, float]:
    """The same for the median over neurons."""
    return with_interval(np.nanmedian(values, axis=1, keepdims=True))[0]
