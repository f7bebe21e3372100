"""Which of a gallery a latent belongs to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from braincodec.errors import InputTypeError, InputValueError
from braincodec.models.lea.alignment import RetrievalHead, fit_alignment, fit_retrieval_head, retrieve

from .linear_worlds import subject

SHORT = {"epochs": 8, "weight_decays": (0.0,)}


@given(
    queries=st.integers(1, 70), members=st.integers(1, 40), dimension=st.integers(2, 9), data=st.data(),
    seed=st.integers(0, 9999),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_the_nearest_are_scikit_learns(queries, members, dimension, data, seed):
    k = data.draw(st.integers(1, members))
    random = np.random.default_rng(seed)
    rows, gallery = random.normal(size=(queries, dimension)), random.normal(size=(members, dimension))
    found = retrieve(rows, gallery, k)
    distances, indices = NearestNeighbors(n_neighbors=k, metric="cosine").fit(gallery).kneighbors(rows)
    np.testing.assert_array_equal(found.indices, indices)
    np.testing.assert_allclose(found.similarities, 1 - distances, atol=1e-6)
    assert found.indices.dtype == np.int64


def test_equally_near_ones_come_in_the_order_of_the_gallery_and_rows_without_length_are_far_from_all():
    found = retrieve([[0.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [2.0, 0.0], [0.0, 0.0], [1.0, 0.0]], 4)
    np.testing.assert_array_equal(found.indices, [[0, 1, 2, 3], [1, 3, 0, 2]])
    np.testing.assert_array_equal(found.similarities[0], 0)


def test_a_gallery_of_one_is_what_every_query_finds():
    found = retrieve(np.eye(3), [[1.0, 2.0, 0.0]])
    np.testing.assert_array_equal(found.indices, np.zeros((3, 1)))
    with pytest.raises(InputValueError, match="k must be from 1 to the size of the gallery, 1; got 2"):
        retrieve(np.eye(3), [[1.0, 2.0, 0.0]], k=2)


def test_what_is_found_does_not_depend_on_the_other_queries():
    random = np.random.default_rng(0)
    rows, gallery = random.normal(size=(50, 6)).astype("f4"), random.normal(size=(20, 6)).astype("f4")
    together = retrieve(rows, gallery, 20)
    alone = retrieve(rows[17:18], gallery, 20)
    np.testing.assert_array_equal(alone.similarities[0], together.similarities[17])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([[1.0, 2.0]], [[1.0]], 1), InputValueError, "queries have 2 dimensions and the gallery 1"),
        (([[1.0]], [[1.0]], 0), InputValueError, "k must be from 1"),
        (([[1.0]], [[1.0]], 1.5), InputTypeError, "whole number"),
        (([[1.0]], np.empty((0, 1)), 1), InputValueError, "gallery latents must have shape"),
        (([[np.nan]], [[1.0]], 1), InputValueError, "NaN"),
    ],
)
def test_impossible_requests_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        retrieve(*arguments)


def test_an_untrained_head_is_the_cosine_of_aligned_latents_without_their_training_mean():
    fmri, embeddings = subject(stimuli=120)
    alignment = fit_alignment(fmri[:80], embeddings[:80])
    head = RetrievalHead(alignment)
    mean = embeddings[:80].mean(0)
    similarity = 1 - cdist(alignment.predict(fmri[80:]) - mean, embeddings[80:] - mean, "cosine")
    found = head.retrieve(fmri[80:], embeddings[80:], k=3)
    np.testing.assert_array_equal(found.indices, (-similarity).argsort(1, kind="stable")[:, :3])
    assert not head.trained
    assert repr(head) == "<RetrievalHead: cosine of aligned latents>"


def confusing_subject(seed=0):
    """A subject whose gallery differs most in dimensions of which the brain tells nothing."""
    fmri, embeddings = subject(400, 8, 30, noise=1.5, seed=seed)
    unseen = 4 * np.random.default_rng(seed + 1).normal(size=(400, 6))
    return fmri, np.concatenate([embeddings, unseen], 1).astype("f4")


@pytest.mark.slow
def test_training_finds_a_space_in_which_more_of_the_right_ones_are_near():
    fmri, embeddings = confusing_subject()
    head = fit_retrieval_head(
        fmri[:300], embeddings[:300], settings={"batch_size": 64, "epochs": 20, "weight_decays": (0.0,)}, progress=False
    )
    plain = RetrievalHead(head.alignment)
    right = [
        (one.retrieve(fmri[300:], embeddings[300:], k=5).indices == np.arange(100)[:, None]).any(1).mean()
        for one in (plain, head)
    ]
    assert head.trained
    assert head.report["best"] < head.report["start"]
    assert right[1] > right[0] + 0.05
    assert "validation loss" in repr(head)


def test_where_no_epoch_is_better_the_head_stays_the_cosine_and_says_so():
    fmri, embeddings = subject(stimuli=60, noise=3.0)
    head = fit_retrieval_head(fmri, embeddings, settings=SHORT | {"learning_rate": 100.0}, progress=False)
    assert not head.trained
    assert "no epoch was better in validation" in head.summary()


def test_a_smaller_space_starts_as_principal_components_of_the_targets():
    fmri, embeddings = subject(stimuli=100)
    options = {"dimension": 4, "learning_rate": 100.0, "epochs": 1, "weight_decays": (0.0,)}
    head = fit_retrieval_head(fmri, embeddings, settings=options, progress=False)
    assert head.report["best_epoch"] == 0
    members = head.members(embeddings)
    centred = embeddings - embeddings.mean(0, dtype=float)
    values = np.linalg.svd(centred, compute_uv=False)[:4]
    lengths = np.linalg.norm(members, axis=0)
    np.testing.assert_allclose(lengths / lengths[0], values / values[0], rtol=1e-4)
    with pytest.raises(InputValueError, match="dimension must be at most that of the targets, 12; got 13"):
        fit_retrieval_head(fmri, embeddings, settings={"dimension": 13})


@pytest.mark.parametrize("trained", [False, True])
def test_tensors_make_the_same_head_again(trained):
    fmri, embeddings = confusing_subject()
    options = SHORT | {"epochs": 2}
    head = fit_retrieval_head(fmri, embeddings, settings=options, progress=False)
    head = head if trained else RetrievalHead(head.alignment)
    assert head.trained == trained
    again = RetrievalHead.from_tensors(head.tensors(), head.report)
    for one, other in zip(head.retrieve(fmri, embeddings, 3), again.retrieve(fmri, embeddings, 3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert again.temperature == pytest.approx(head.temperature)
    with pytest.raises(InputValueError, match="latents have 13 dimensions; the retrieval head takes 14"):
        again.members(embeddings[:, 1:])
    with pytest.raises(InputValueError, match="lack"):
        RetrievalHead.from_tensors({name: tensor for name, tensor in head.tensors().items() if name != "temperature"})


def test_equal_seeds_give_equal_heads():
    fmri, embeddings = confusing_subject()
    one, same = (fit_retrieval_head(fmri, embeddings, settings=SHORT, progress=False) for _ in range(2))
    np.testing.assert_array_equal(one.queries(fmri), same.queries(fmri))
