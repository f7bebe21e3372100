"""The simulated subjects as artefacts on disk."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec import simulate
from braincodec.errors import InputValueError, OutputError, UnknownNameError
from braincodec.models import Encoder

pytest.importorskip("nilearn")
pytest.importorskip("mne")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return folder, simulate.write_demo_store(folder, backbone="gabor:bank", calibration=16)


def test_artefacts_lie_where_a_store_looks_for_them(store):
    folder, paths = store
    assert [path.relative_to(folder).as_posix() for path in paths] == [
        "fmri-simulated-gaussian_fwrf/subject-01",
        "eeg-simulated-linear/subject-01",
    ]


def test_artefacts_predict_what_the_subjects_do(store):
    images = np.random.default_rng(0).integers(0, 256, (3, 80, 80, 3), dtype=np.uint8)
    for path, make in zip(store[1], (simulate.subject, simulate.eeg_subject), strict=True):
        expected = make(backbone="gabor:bank", calibration=16).encoder().encode(images)
        np.testing.assert_array_equal(Encoder.load(path).encode(images).values, expected.values)


def test_cards_say_simulated(store):
    for path in store[1]:
        card = (path / "README.md").read_text(encoding="utf-8")
        assert "**Simulated**" in card
        assert "simulated" in card.split("---")[1]


def test_an_existing_store_is_not_overwritten_unasked(store):
    folder, _ = store
    with pytest.raises(OutputError, match="overwrite"):
        simulate.write_demo_store(folder, backbone="gabor:bank", calibration=16)


def test_one_modality_of_several_subjects_can_be_asked_for(tmp_path):
    paths = simulate.write_demo_store(tmp_path, modalities="fmri", subjects=2, backbone="gabor:bank", calibration=8)
    assert [path.name for path in paths] == ["subject-01", "subject-02"]
    assert [path.name for path in tmp_path.iterdir()] == ["fmri-simulated-gaussian_fwrf"]
    first, second = (Encoder.load(path).units["receptive_field_x"].values for path in paths)
    assert not np.array_equal(first, second)


def test_unknown_modalities_and_no_subjects_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match=r"meg.*fmri, eeg"):
        simulate.write_demo_store(tmp_path, modalities="meg")
    with pytest.raises(InputValueError, match="at least one"):
        simulate.write_demo_store(tmp_path, subjects=0)
    assert not list(tmp_path.iterdir())
