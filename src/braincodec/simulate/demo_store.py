"""The store of the demo: one simulated fMRI subject and one simulated EEG subject as artefacts."""

from __future__ import annotations

from pathlib import Path

from braincodec.atomic import refuse_existing
from braincodec.simulate.eeg import MODEL as EEG_MODEL
from braincodec.simulate.eeg import eeg_subject
from braincodec.simulate.fmri import MODEL as FMRI_MODEL
from braincodec.simulate.fmri import subject


def write_demo_store(
    folder: str | Path,
    *,
    seed: int = 0,
    backbone: str | None = None,
    calibration: int = 256,
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
    makers = {FMRI_MODEL: subject, EEG_MODEL: eeg_subject}
    paths = {model: Path(folder) / model / "subject-01" for model in makers}
    for path in paths.values():
        refuse_existing(path, overwrite=overwrite)
    return [
        make(1, seed, backbone, calibration).encoder().save(paths[model], overwrite=overwrite)
        for model, make in makers.items()
    ]
