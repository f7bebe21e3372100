"""The store of the demo: simulated fMRI and EEG subjects as artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from braincodec.atomic import refuse_existing
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.simulate.eeg import MODEL as EEG_MODEL
from braincodec.simulate.eeg import eeg_subject
from braincodec.simulate.fmri import MODEL as FMRI_MODEL
from braincodec.simulate.fmri import subject

MAKERS = {"fmri": (FMRI_MODEL, subject), "eeg": (EEG_MODEL, eeg_subject)}


def write_demo_store(
    folder: str | Path,
    *,
    modalities: str | Sequence[str] = ("fmri", "eeg"),
    subjects: int = 1,
    seed: int = 0,
    backbone: str | None = None,
    calibration: int = 256,
    overwrite: bool = False,
) -> list[Path]:
    """Write the simulated subjects' ground truth as a store.

    Parameters
    ----------
    folder : str or Path
        Gets ``fmri-simulated-gaussian_fwrf/subject-01`` and ``eeg-simulated-linear/subject-01``, and so on.
    modalities : str or sequence of str
        ``"fmri"``, ``"eeg"`` or both; each takes its own time to make.
    subjects : int
        How many of each modality.
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
        The artefact folders, subject by subject: fMRI, EEG.

    Raises
    ------
    UnknownNameError
        For another modality.
    InputValueError
        When no modality or no subject is asked for.
    OutputError
        When an artefact exists and must not be replaced.
    """
    asked = [modalities] if isinstance(modalities, str) else list(modalities)
    for modality in asked:
        if modality not in MAKERS:
            raise UnknownNameError("modality", modality, MAKERS, where="of simulated subjects")
    if not asked or subjects < 1:
        raise InputValueError(f"a store needs at least one modality and one subject, not {asked} and {subjects}")
    wanted = [
        (make, number, Path(folder) / model / f"subject-{number:02d}")
        for number in range(1, subjects + 1)
        for model, make in (MAKERS[modality] for modality in dict.fromkeys(asked))
    ]
    for _, _, path in wanted:
        refuse_existing(path, overwrite=overwrite)
    return [
        make(number, seed, backbone, calibration).encoder().save(path, overwrite=overwrite)
        for make, number, path in wanted
    ]
