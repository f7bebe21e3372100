"""Spread of predicted latents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import StandardScaler

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.models.lea.alignment import (
    RESCALE_RULES,
    LatentScaling,
    LatentStatistics,
    fit_alignment,
)

from .linear_worlds import subject

LATENTS = arrays(
    np.float32,
    st.tuples(st.integers(2, 12), st.just(3)),
    elements=st.floats(-100, 100, width=32).map(lambda value: np.float32(round(value, 2))),
)


@given(predicted=LATENTS, target=LATENTS, new=LATENTS)
@settings(max_examples=60, deadline=None)
def test_scaling_is_two_standard_scalers_where_predictions_vary(predicted, target, new):
    scaling = LatentScaling(LatentStatistics.of(predicted), LatentStatistics.of(target))
    out, back = (StandardScaler().fit(part.astype(float)) for part in (predicted, target))
    expected = out.transform(new.astype(float)) * target.astype(float).std(0) + back.mean_
    varies = predicted.max(0) > predicted.min(0)
    found = scaling.apply(new)
    np.testing.assert_allclose(
        found[:, varies], expected[:, varies], rtol=1e-4, atol=1e-3 * (1 + np.abs(expected).max())
    )
    np.testing.assert_allclose(found[:, ~varies], np.tile(back.mean_, (len(new), 1))[:, ~varies], rtol=1e-5, atol=1e-5)


@given(predicted=LATENTS, target=LATENTS)
@settings(max_examples=60, deadline=None)
def test_what_scaling_was_made_of_gets_mean_and_spread_of_the_target(predicted, target):
    scaling = LatentScaling(LatentStatistics.of(predicted), LatentStatistics.of(target))
    for rule in ("training", "transductive"):
        found = scaling.apply(predicted, rule)
        varies = predicted.max(0) > predicted.min(0)
        np.testing.assert_allclose(found.mean(0), target.mean(0), atol=0.02)
        np.testing.assert_allclose(found.std(0)[varies], target.std(0)[varies], atol=0.02)
        assert (found.std(0)[~varies] == 0).all()


@given(latents=LATENTS)
@settings(max_examples=30, deadline=None)
def test_statistics_are_numpys_and_come_back_from_tensors(latents):
    found = LatentStatistics.of(latents)
    np.testing.assert_allclose(found.mean, latents.astype(float).mean(0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.std, latents.astype(float).std(0), rtol=1e-5, atol=1e-5)
    again = LatentStatistics.from_tensors(found.tensors())
    np.testing.assert_array_equal(again.mean, found.mean)
    np.testing.assert_array_equal(again.std, found.std)


def test_no_rule_leaves_latents_alone():
    fmri, embeddings = subject()
    scaling = fit_alignment(fmri, embeddings).scaling
    np.testing.assert_array_equal(scaling.apply(embeddings, "none"), embeddings)


def test_only_the_transductive_rule_tells_a_stimulus_what_the_others_are():
    fmri, embeddings = subject()
    found = fit_alignment(fmri[:200], embeddings[:200])
    test = found.predict(fmri[200:])
    others = test.copy()
    others[1:] += np.random.default_rng(0).normal(2.0, 1.0, others[1:].shape).astype(np.float32)
    for rule in ("training", "none"):
        np.testing.assert_array_equal(found.scaling.apply(test, rule)[0], found.scaling.apply(others, rule)[0])
        np.testing.assert_array_equal(found.scaling.apply(test, rule)[:1], found.scaling.apply(test[:1], rule))
    moved = found.scaling.apply(test, "transductive")[0] - found.scaling.apply(others, "transductive")[0]
    assert np.abs(moved).max() > 0.5


def test_predictions_for_new_stimuli_spread_as_those_out_of_fold_and_not_as_those_that_were_fitted():
    fmri, embeddings = subject(stimuli=3000, voxels=600, noise=4.0)
    found = fit_alignment(fmri[:150], embeddings[:150], alphas=100.0, folds=10)
    spread = found.predict(fmri[150:]).std(0)
    assert abs((spread / found.out_of_fold.std).mean() - 1) < 0.1
    assert (spread / found.predict(fmri[:150]).std(0)).mean() < 0.75


def test_impossible_requests_are_refused():
    fmri, embeddings = subject(stimuli=60)
    scaling = fit_alignment(fmri, embeddings).scaling
    with pytest.raises(InputValueError, match="at least 2 stimuli; got 1"):
        scaling.apply(embeddings[:1], "transductive")
    with pytest.raises(UnknownNameError, match="unknown rescale rule 'test'; available: training, none, transductive"):
        scaling.apply(embeddings, "test")
    for rule in RESCALE_RULES:
        with pytest.raises(InputValueError, match="latents have 11 dimensions; scaling is of 12"):
            scaling.apply(embeddings[:, 1:], rule)
    with pytest.raises(InputValueError, match="NaN"):
        scaling.apply(np.full((2, 12), np.nan))
    with pytest.raises(InputValueError, match="predictions have 12 dimensions and their targets 11"):
        LatentScaling(scaling.predicted, LatentStatistics.of(embeddings[:, 1:]))
