"""Current source density of EEG as one matrix over channels, with the electrodes where the recording puts them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import DamagedFileError, MissingFileError
from braincodec.extras import import_optional

REGULARISATION, STIFFNESS = 1e-5, 4  # of MNE, which NED states too
PLACES = ("", "source_data", "Source_data", "source")


def source_header(root: Path, subject: str, session: int, hint: str) -> Path:
    """Header of the original recording, which says where the electrodes were."""
    place = f"sub-{int(subject):02d}/ses-{session:02d}/eeg"
    name = f"sub-{int(subject):02d}_ses-{session:02d}_task-test_eeg.vhdr"
    known = [root / top / place / name for top in PLACES]
    found = next((path for path in known if path.is_file()), None)
    if found is None:
        raise MissingFileError(known[1], "source data, which current source density needs the electrodes from", hint)
    return found


def electrode_positions(header: Path) -> dict[str, NDArray[np.float64]]:
    """Where each electrode was, metres.

    Raises
    ------
    DamagedFileError
        When the files of the recording cannot be read, or state no positions.
    """
    mne = import_optional("mne", "reading the positions of electrodes")
    try:
        montage = mne.io.read_raw_brainvision(header, preload=False, verbose="error").get_montage()
    except (OSError, ValueError, RuntimeError, KeyError, IndexError) as error:
        raise DamagedFileError(f"{header} cannot be read as a recording of BrainVision: {error}") from None
    if montage is None:
        raise DamagedFileError(f"{header} states no positions of electrodes")
    positions: dict[str, NDArray[np.float64]] = montage.get_positions()["ch_pos"]
    return positions


def current_source_matrix(
    channels: list[str], positions: dict[str, NDArray[np.float64]], where: str
) -> NDArray[np.float64]:
    """What turns the potentials of channels into their current source density.

    Parameters
    ----------
    channels : list of str
    positions : mapping of str to array, shape (3,)
        Metres.
    where : str
        Where the positions are from, for errors.

    Returns
    -------
    array, shape (channels, channels)

    Notes
    -----
    MNE's `compute_current_source_density` is linear, so its answers to unit potentials are the matrix.
    """
    missing = [name for name in channels if name not in positions or not np.isfinite(positions[name]).all()]
    if missing:
        raise DamagedFileError(f"{where} does not say where {', '.join(missing)} were")
    mne = import_optional("mne", "current source density")
    info = mne.create_info(channels, 1000.0, "eeg")
    units = mne.EvokedArray(np.eye(len(channels)), info, verbose="error")
    montage = mne.channels.make_dig_montage({name: positions[name] for name in channels})
    units.set_montage(montage, verbose="error")
    try:
        density = mne.preprocessing.compute_current_source_density(
            units, lambda2=REGULARISATION, stiffness=STIFFNESS, verbose="error"
        )
    except (ValueError, RuntimeError) as error:
        raise DamagedFileError(f"{where}: no current source density with these positions: {error}") from None
    return np.asarray(density.data, np.float64)
