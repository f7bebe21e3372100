"""What one metric takes over from another, and what it refuses to."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.decoding.pixels import MeanSquaredError, PeakSignalToNoise
from braincodec.evaluation.decoding.two_way_images import TwoWayMeanSquaredError, TwoWayStructuralSimilarity
from braincodec.evaluation.encoding.correlation import UnitCorrelation
from braincodec.evaluation.encoding.identification import PatternTopK
from braincodec.evaluation.encoding.rsa import Rsa
from braincodec.evaluation.metric import METRICS

ENCODING = ["correlation", "r2_determination", "pattern_correlation", "pattern_two_way", "pattern_top_k", "rsa"]
ENCODING += ["noise_normalised_accuracy", "variance_partition"]


@pytest.mark.parametrize("name", ENCODING)
def test_encoding_metrics_take_nothing_over_from_another_kind(name: str) -> None:
    metric = METRICS.get(name)()
    values = np.random.default_rng(0).standard_normal((5, 4))
    other = UnitCorrelation() if name != "correlation" else METRICS.get("r2_determination")()
    for stranger in (other.update(values, values), "a word"):
        with pytest.raises(InputTypeError, match=rf"{type(metric).__name__} cannot take over what a .* saw"):
            metric.merge(stranger)


def test_decoding_metrics_take_nothing_over_from_another_kind() -> None:
    with pytest.raises(InputTypeError, match="MeanSquaredError cannot take over what a PeakSignalToNoise saw"):
        MeanSquaredError().merge(PeakSignalToNoise())
    with pytest.raises(InputTypeError, match="TwoWayStructuralSimilarity cannot take over"):
        TwoWayStructuralSimilarity().merge(TwoWayMeanSquaredError())


@pytest.mark.parametrize(
    ("metric", "other", "message"),
    [
        (PatternTopK(1), PatternTopK(5), "pattern_top_k with k 1 and 5 do not mix"),
        (Rsa("euclidean"), Rsa("correlation"), "rsa with distance 'euclidean' and 'correlation' do not mix"),
        (TwoWayMeanSquaredError("truth"), TwoWayMeanSquaredError(), "anchor 'truth' and 'prediction' do not mix"),
    ],
    ids=["k", "distance", "anchor"],
)
def test_metrics_of_other_settings_do_not_mix(metric, other, message) -> None:
    with pytest.raises(InputValueError, match=message):
        metric.merge(other)
