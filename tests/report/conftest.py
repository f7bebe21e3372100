"""Reports of the example scores, each built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from braincodec.report import build_report

from ..evaluation.example_scores import decoding_scores, eeg_scores, fmri_scores

SCORES = {
    "fmri": fmri_scores,
    "eeg": eeg_scores,
    "decoding": decoding_scores,
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
