"""The store of the demo: one simulated fMRI subject and one simulated EEG subject as artefacts."""

from __future__ import annotations

from pathlib import Path

from braincodec.simulate.eeg import eeg_subject
from braincodec.simulate.fmri import subject

# fewer than a subject's default: the demo has two minutes, and its scale need not be exact
CALIBRATION = 128


def write_demo_store(
    folder: str | Path,
    *,
    seed: int = 0,
    backbone: str | None = None,
    calibration: int = CALIBRATION,
    overwrite: bool = False,
) -> list[Path]:
    """Write the simulated subjects' ground truth as a store.

    Parameters
    ----------
    folder : str or Path
        Gets ``fmri-simulated-gaussian_fwrf/subject-01`` and ``eeg-simulated-linear/subject-01``.
    seed : int
    backbone : {"efficientnet_lite:0", "gabor:bank"}, optional
        Default: the EfficientNet where it is installed.
    calibration : int
        How many simulated training stimuli set the scale of the responses.
    overwrite : bool
        Replace artefacts that are there already.

    Returns
    -------
    list of Path
        The artefact folders: fMRI, EEG.

    Raises
    ------
    OutputError
        When an artefact exists and must not be replaced.
    """
    paths = []
    for make in (subject, eeg_subject):
        encoder = make(1, seed, backbone, calibration).encoder()
        path = Path(folder) / encoder.description.model / f"subject-{encoder.description.subject:02d}"
        paths.append(encoder.save(path, overwrite=overwrite))
    return paths
