"""Whether responses belong to their pictures: only then do the pictures' colours predict new responses."""

from __future__ import annotations

import numpy as np

from braincodec.simulate.layouts.known_signal import picture_features


def held_out_correlation(recording, ridge=0.1):
    """Median correlation over units on the test part, of a linear fit to the colours of the training pictures."""
    features, responses = {}, {}
    for part in ("train", "test"):
        stimuli, measured = recording.part(part)
        features[part] = picture_features(np.stack(list(stimuli)))
        values = measured.values
        mean = np.nanmean(values, axis=1) if "repetition" in measured.dims else values
        responses[part] = mean.reshape(len(mean), -1)
    design = features["train"] - features["train"].mean(0)
    target = responses["train"] - responses["train"].mean(0)
    weights = np.linalg.solve(design.T @ design + ridge * len(design) * np.eye(design.shape[1]), design.T @ target)
    predicted = (features["test"] - features["train"].mean(0)) @ weights
    correlations = [
        np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, responses["test"].T, strict=True) if b.std() > 0
    ]
    return float(np.median(correlations))
