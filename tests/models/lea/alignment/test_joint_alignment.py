"""Both directions learnt together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.models.lea.alignment import JointAlignment, fit_alignment, fit_joint_alignment
from braincodec.models.lea.alignment.changed_map import Space, ridge_inside
from braincodec.models.lea.alignment.contrastive import TEMPERATURES, cosines, info_nce, least_info_nce
from braincodec.models.lea.alignment.ridge import ridge_weights

from .linear_worlds import subject, world

SHORT = {"epochs": 8, "weight_decays": (0.0,)}


def correlated_noise(stimuli=200, seed=0):
    """A subject in whom a few common fluctuations are stronger than what is seen."""
    fmri, embeddings = subject(stimuli, 10, 30, noise=0.7, seed=seed)
    random = np.random.default_rng([7, 30])
    directions = random.normal(size=(3, 30))
    return (fmri + np.random.default_rng(seed + 1).normal(size=(stimuli, 3)) @ directions * 2).astype("f4"), embeddings


def test_what_is_kept_is_never_worse_than_ridge_in_validation_and_says_by_how_much():
    fmri, embeddings = correlated_noise()
    found = fit_joint_alignment(fmri, embeddings, settings=SHORT, progress=False)
    report = found.report
    assert report["best"] < report["start"]
    assert report["best"] == min(epoch["validation"] for epoch in report["curve"])
    assert report["curve"][report["best_epoch"] - 1]["validation"] == report["best"]
    assert f"epoch {report['best_epoch']} of joint training" in found.summary()
    assert {"validation_contrastive", "validation_regression", "validation_cycle"} <= set(report["curve"][0])


def test_where_no_epoch_is_better_the_maps_are_those_of_ridge_and_it_says_so():
    source, target = world(60, 20, 4, noise=4.0)
    found = fit_joint_alignment(source, target, settings=SHORT | {"learning_rate": 30.0}, progress=False)
    assert found.report["best_epoch"] == 0
    assert found.report["best"] == found.report["start"]
    assert "no epoch of joint training was better" in repr(found)
    np.testing.assert_array_equal(found.forward.predict(source), fit_alignment(source, target).predict(source))
    np.testing.assert_array_equal(found.backward.predict(target), fit_alignment(target, source).predict(target))


def test_a_linear_world_is_recovered_in_both_directions():
    random = np.random.default_rng(0)
    source = random.normal(size=(300, 6)).astype("f4")
    target = (source @ np.linalg.qr(random.normal(size=(6, 6)))[0] * 3 + 5).astype("f4")
    found = fit_joint_alignment(source[:200], target[:200], settings=SHORT, progress=False)
    assert np.abs(found.forward.predict(source[200:]) - target[200:]).max() < 0.1
    assert np.abs(found.backward.predict(target[200:]) - source[200:]).max() < 0.05
    assert found.forward.r2.min() > 0.99


def test_the_cycle_closes_better_when_it_is_asked_for():
    fmri, embeddings = correlated_noise()
    errors = []
    for cycle in (0.0, 3.0):
        found = fit_joint_alignment(fmri, embeddings, settings=SHORT | {"cycle": cycle}, progress=False)
        again = found.forward.predict(found.backward.predict(embeddings))
        errors.append(((again - embeddings) ** 2).mean() / embeddings.var(0).mean())
    assert errors[1] < 0.8 * errors[0]


def test_equal_seeds_give_equal_maps_and_others_do_not():
    fmri, embeddings = correlated_noise(stimuli=100)
    options = SHORT | {"batch_size": 32}
    one, same = (fit_joint_alignment(fmri, embeddings, settings=options, progress=False) for _ in range(2))
    other = fit_joint_alignment(
        fmri, embeddings, folds=np.arange(100) % 5, settings=options | {"seed": 1}, progress=False
    )
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, same.tensors()[name])
    assert one.report == same.report
    assert not np.array_equal(one.forward.weights, other.forward.weights)


def test_out_of_fold_statistics_are_of_networks_that_did_not_see_the_fold():
    fmri, embeddings = correlated_noise()
    found = fit_joint_alignment(fmri[:150], embeddings[:150], settings=SHORT, progress=False)
    assert found.report["best_epoch"] > 0
    new = found.forward.predict(fmri[150:])
    true = embeddings[150:]
    r2 = 1 - ((new - true) ** 2).sum(0) / ((true - true.mean(0)) ** 2).sum(0)
    assert abs(np.median(found.forward.r2) - np.median(r2)) < 0.12
    assert np.median(new.std(0) / found.forward.out_of_fold.std) == pytest.approx(1, abs=0.15)


def test_tensors_make_the_same_maps_again():
    fmri, embeddings = correlated_noise(stimuli=80)
    found = fit_joint_alignment(fmri, embeddings, settings=SHORT | {"epochs": 2}, progress=False)
    again = JointAlignment.from_tensors(found.tensors(), found.report)
    np.testing.assert_array_equal(again.forward.predict(fmri), found.forward.predict(fmri))
    np.testing.assert_array_equal(again.backward.predict(embeddings), found.backward.predict(embeddings))
    assert again.summary() == found.summary()
    with pytest.raises(InputValueError, match="lack"):
        JointAlignment.from_tensors(found.forward.tensors())


def test_impossible_input_is_refused():
    fmri, embeddings = subject(stimuli=40)
    with pytest.raises(InputValueError, match="same for all 40 stimuli"):
        fit_joint_alignment(fmri, np.ones_like(embeddings))
    with pytest.raises(InputValueError, match=r"unknown key 'cylce'.*did you mean 'cycle'"):
        fit_joint_alignment(fmri, embeddings, settings={"cylce": 1.0})
    with pytest.raises(InputValueError, match="source has 39 rows and target 40"):
        fit_joint_alignment(fmri[1:], embeddings)


def test_training_starts_from_ridge_in_the_latents_own_units():
    source, target = world(50, 7, 3)
    here, there = Space.of(source), Space.of(target)
    rows = slice(0, 30)
    weights, offset = ridge_inside(source[rows], target[rows], here, there, np.full(3, 2.0))
    inside = torch.from_numpy(here.inside(source)) @ weights + offset
    matrix, mean, intercept = ridge_weights(source[rows], target[rows], 2.0)
    np.testing.assert_allclose(
        inside.numpy() * there.scale + there.mean, (source - mean) @ matrix + intercept, atol=1e-4
    )


@given(count=st.integers(2, 20), dimension=st.integers(1, 9), temperature=st.floats(0.02, 2), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_contrastive_loss_is_the_mean_log_probability_of_the_right_pair(count, dimension, temperature, seed):
    first, second = torch.randn(2, count, dimension, generator=torch.Generator().manual_seed(seed)).double()
    similarity = F.cosine_similarity(first[:, None], second[None], dim=2)
    torch.testing.assert_close(cosines(first, second), similarity)
    rows, columns = ((similarity / temperature).log_softmax(dim).diagonal() for dim in (0, 1))
    expected = -(rows.mean() + columns.mean()) / 2
    torch.testing.assert_close(info_nce(similarity, temperature), expected)
    assert least_info_nce(similarity) <= min(info_nce(similarity, one) for one in TEMPERATURES) + 1e-12
