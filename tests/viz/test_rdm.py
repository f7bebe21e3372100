"""Dissimilarity matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.viz import plot_rdm, plot_rdms, text_alternative
from braincodec.viz.rdm import rank_correlation

from ..evaluation.example_scores import decoding_scores
from .drawn import panels, texts


def matrix_of(figure) -> np.ndarray:
    image = next(panel.images[0] for panel in panels(figure) if panel.images)
    return np.ma.filled(image.get_array().astype(float), np.nan)


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 12), st.integers(0, 2**31))
def test_a_triangle_and_its_matrix_give_the_same_figure(size, seed):
    pairs = np.random.default_rng(seed).uniform(0.1, 2, size * (size - 1) // 2)
    one, other = matrix_of(plot_rdm(pairs)), matrix_of(plot_rdm(squareform(pairs)))
    np.testing.assert_array_equal(one, other)
    expected = squareform(pairs)
    off = ~np.eye(size, dtype=bool)
    np.testing.assert_allclose(one[off], expected[off])
    assert np.isnan(np.diag(one)).all()


def test_colours_are_called_what_they_are():
    figure = plot_rdm([0.5, 0.75, 1.0], label="Decoding accuracy")
    assert "Decoding accuracy" in texts(figure)
    assert text_alternative(figure).startswith("Decoding accuracy matrix of 3 stimuli: median 0.75")


def test_scores_give_the_matrix_asked_for(fmri, axes):
    figure = plot_rdm(fmri, roi="V2", kind="predicted", subject="2", axes=axes)
    assert figure is axes.figure
    pairs = fmri.rdms.predicted.sel(subject="2", roi="V2").values
    drawn = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)
    np.testing.assert_allclose(drawn[np.triu_indices(40, 1)], pairs)
    assert f"(Predicted, V2) of 40 stimuli: median {np.median(pairs):.2f}" in text_alternative(figure)


def test_measured_and_predicted_are_ranks_with_their_correlation(fmri):
    figure = plot_rdms(fmri, rois=["V1", "FFA"], subject=1)
    pictures = [np.ma.filled(panel.images[0].get_array(), np.nan) for panel in panels(figure) if panel.images]
    pictures = [picture for picture in pictures if picture.shape == (40, 40)]
    assert len(pictures) == 4
    for picture in pictures:
        assert (np.nanmin(picture), np.nanmax(picture)) == (0, 100)
    for roi in ("V1", "FFA"):
        one = fmri.rdms.sel(subject="1", roi=roi)
        rho = spearmanr(one.measured, one.predicted).statistic
        assert f"{roi}: rank correlation {rho:.2f}" in text_alternative(figure)
        assert f"{rho:.2f}" in texts(figure)


def test_many_regions_wrap_and_too_many_are_refused(fmri):
    figure = plot_rdms(fmri)
    assert sum(bool(panel.images) for panel in panels(figure)) >= 10
    with pytest.raises(InputValueError, match="1 to 20 regions"):
        plot_rdms(fmri, rois=["V1"] * 21)


def test_rank_correlation_is_scipys_and_leaves_out_missing_pairs():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, 50).astype(float), rng.standard_normal(50)
    assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic)
    holed = one.copy()
    holed[3] = np.nan
    expected = spearmanr(np.delete(one, 3), np.delete(other, 3)).statistic
    assert rank_correlation(holed, other) == pytest.approx(expected)
    assert np.isnan(rank_correlation(np.ones(5), np.arange(5.0)))


def test_what_is_no_dissimilarity_matrix_is_refused(fmri, eeg):
    with pytest.raises(InputValueError, match="symmetric"):
        plot_rdm(np.arange(9.0).reshape(3, 3))
    with pytest.raises(InputValueError, match=r"not \(4,\)"):
        plot_rdm(np.arange(4.0))
    with pytest.raises(InputValueError, match="no known value"):
        plot_rdm(np.full(3, np.nan))
    with pytest.raises(InputTypeError, match="real numbers"):
        plot_rdm(["a", "b", "c"])
    with pytest.raises(UnknownNameError, match="roi 'V9'"):
        plot_rdm(fmri, roi="V9")
    with pytest.raises(UnknownNameError, match="kind of dissimilarity 'guessed'"):
        plot_rdm(fmri, kind="guessed")
    with pytest.raises(InputValueError, match="no dissimilarity matrices"):
        plot_rdm(eeg)
    with pytest.raises(InputTypeError, match="from Scores"):
        plot_rdms(np.zeros(3))


def test_scores_without_matrices_are_told_so():
    with pytest.raises(InputValueError, match="hold no dissimilarity matrices"):
        plot_rdms(decoding_scores())
