"""What is done to raw EEG, each step against MNE, scikit-learn or its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mne")

from braincodec.datasets.things_eeg2 import Preparation
from braincodec.datasets.things_eeg2 import noise_normalisation as normalisation
from braincodec.datasets.things_eeg2.epochs import epoch_operator
from braincodec.datasets.things_eeg2.noise_normalisation import noise_covariance, standardise, whitening
from braincodec.datasets.things_eeg2.preparation import anterior_to_posterior
from braincodec.errors import DamagedFileError

from . import published_eeg as published


@pytest.mark.parametrize(("rate", "recorded"), [(100.0, 1000.0), (250.0, 1000.0), (90.0, 500.0), (200.0, 200.0)])
def test_one_matrix_does_what_mne_does_to_an_epoch(rate, recorded):
    import mne

    operator = epoch_operator(Preparation(sampling_rate=rate, start=-0.2, end=0.5), recorded)
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((3, 2, operator.matrix.shape[0])).cumsum(axis=-1)
    epochs = mne.EpochsArray(
        samples, mne.create_info(2, recorded, "eeg"), tmin=-0.2, baseline=(None, 0), verbose="error"
    )
    if rate < recorded:
        epochs.resample(rate, verbose="error")
    np.testing.assert_allclose(samples @ operator.matrix, epochs.get_data(copy=True), atol=1e-10)
    np.testing.assert_allclose(operator.times, epochs.times)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6), st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sampled_from(["time", "repetitions"])
)
def test_covariance_of_many_pictures_is_the_mean_of_scikit_learns(seed, repetitions, over):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((sum(repetitions), 4, 7)) * np.array([1, 5, 0.1, 2])[:, None]
    data[:, 1] += data[:, 0]
    picture = np.repeat(np.arange(len(repetitions)), repetitions)
    kept = [number for number, count in enumerate(repetitions) if over == "repetitions" or count > 1]
    if not kept:
        with pytest.raises(DamagedFileError, match="no picture was repeated"):
            noise_covariance(data, picture, over)
        return
    expected = np.mean([published.mean_covariance(data[picture == number][None], over) for number in kept], axis=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalisation, "BLOCK_BYTES", 2000)
        np.testing.assert_allclose(noise_covariance(data, picture, over), expected, rtol=1e-9, atol=1e-12)


def test_whitened_noise_has_the_identity_as_covariance():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((5, 5))
    covariance = mixing @ mixing.T
    matrix = whitening(covariance)
    np.testing.assert_allclose(matrix @ covariance @ matrix, np.eye(5), atol=1e-10)
    with pytest.raises(DamagedFileError, match="constant or sums of each other"):
        whitening(np.ones((2, 2)))


def test_standardisation_is_of_what_it_is_fitted_on():
    rng = np.random.default_rng(0)
    train, test = (rng.standard_normal((6, 2, 3)) * 4 + 7 for _ in range(2))
    expected = (test - train.mean(0)) / train.std(0)
    standardise([train, test], [train])
    np.testing.assert_allclose(test, expected)
    np.testing.assert_allclose(train.std(0), 1)
    constant = np.full((3, 1, 1), 5.0)
    standardise([constant], [constant])
    assert (constant == 0).all()


def test_channels_are_put_from_front_to_back_and_left_to_right():
    shuffled = list(np.random.default_rng(0).permutation(
        ["Fp1", "Fp2", "AF7", "AFz", "F5", "F2", "FT9", "FT7", "FCz", "FC2", "FT10", "T7", "Cz", "T8", "TP9", "CPz",
         "TP10", "P7", "Pz", "P8", "PO7", "POz", "O1", "Oz", "O2"]
    ))  # fmt: skip
    assert anterior_to_posterior(shuffled) == [
        "Fp1", "Fp2", "AF7", "AFz", "F5", "F2", "FT9", "FT7", "FCz", "FC2", "FT10", "T7", "Cz", "T8", "TP9", "CPz",
        "TP10", "P7", "Pz", "P8", "PO7", "POz", "O1", "Oz", "O2",
    ]  # fmt: skip
