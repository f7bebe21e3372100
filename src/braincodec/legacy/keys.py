"""NED's and BERG's metadata keys beside the names of our unit scores."""

from __future__ import annotations

from typing import Any

import numpy as np

HEMISPHERES = {"lh": "left", "rh": "right"}
VOLUME_SCORES = {
    "r2": "accuracy_r2",
    "noise_ceiling": "noise_ceiling",
    "noise_normalized_encoding": "accuracy_noise_normalised",
}
SURFACE_SCORES = {
    "correlation": "accuracy_correlation",
    "r2": "accuracy_r2",
    "noise_ceiling": "noise_ceiling",
    "explained_variance": "accuracy_noise_normalised",
}
SENSOR_SCORES = {
    "correlation_all_repetitions": "accuracy_correlation",
    "correlation_single_repetitions": "accuracy_correlation_single_repetition",
    "noise_ceiling_upper": "noise_ceiling_upper",
    "noise_ceiling_lower": "noise_ceiling_lower",
}
CORRELATIONS = ("accuracy_correlation", "accuracy_correlation_single_repetition")
# names in newer files, beside those above
NEWER_NAMES = {
    "explained_variance": "noise_normalized_encoding",
    "correlation_averaged_repetitions": "correlation_all_repetitions",
}
NEWER_SUFFIX = "_nsdcore"  # scores on the Natural Scenes Dataset itself, beside those on nsdsynthetic


def newer_names(scores: dict[str, Any]) -> dict[str, Any]:
    """The same scores, those with a newer name under the older one too.

    Examples
    --------
    >>> newer_names({"lh_r2_nsdcore": 0.1})
    {'lh_r2_nsdcore': 0.1, 'lh_r2': 0.1}
    """
    older = {NEWER_NAMES.get(name, name.removesuffix(NEWER_SUFFIX)): value for name, value in scores.items()}
    return {**scores, **{name: value for name, value in older.items() if name not in scores}}


def stimulus_ids(listed: Any) -> list[Any]:
    """Stimuli of one part of a split, as plain whole numbers or text.

    Examples
    --------
    >>> stimulus_ids(np.arange(3)), stimulus_ids(["a.jpg"])
    ([0, 1, 2], ['a.jpg'])
    """
    found = np.asarray(listed)
    return found.astype(int if found.dtype.kind in "iufb" else str).tolist()
