"""Reports of the example scores, each built once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from braincodec.report import build_report

from ..evaluation.example_scores import both_scores, decoding_scores, eeg_scores, fmri_scores


def scores_under_splits():
    """Decoding scores with a table of splits as `compare_splits` writes it."""
    scores = decoding_scores()
    rows = [("random", 0.412, np.nan), ("distance", 0.288, -0.124), ("cluster", 0.301, -0.111), ("ood", 0.25, -0.162)]
    scores.generalisation = pd.DataFrame(
        [
            {
                "scheme": scheme, "splits": 5, "n_train": 8000, "n_test": 2000, "metric": "correlation",
                "summary": "median over units", "score": score, "low": score - 0.031, "high": score + 0.029,
                "level": 0.95, "lowest": score - 0.05, "highest": score + 0.05, "gap": gap,
                "gap_low": gap - 0.012, "gap_high": gap + 0.013,
            }
            for scheme, score, gap in rows
        ]
    )  # fmt: skip
    return scores


SCORES = {
    "fmri": fmri_scores,
    "eeg": eeg_scores,
    "decoding": decoding_scores,
    "both": both_scores,
    "splits": scores_under_splits,
    "two": lambda: [fmri_scores("ridge"), fmri_scores("guess", quality=0.2)],
}


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory):
    """Path of the report of one of `SCORES`, built when first asked for."""
    pytest.importorskip("nilearn")
    pytest.importorskip("mne")
    pytest.importorskip("matplotlib").use("Agg")
    folder, built = tmp_path_factory.mktemp("reports"), {}

    def report(name: str) -> Path:
        if name not in built:
            built[name] = build_report(SCORES[name](), folder / f"{name}.html")
        return built[name]

    return report
