"""Raw sessions of THINGS-EEG2 on disk: where they are, and how to change them."""

from __future__ import annotations

import numpy as np

from braincodec.legacy.read import read_legacy

TRAIN, TEST = 12, 3  # pictures
PARTS = {"train": "training", "test": "test"}


def session(folder, number=1):
    return folder / "raw_data" / "sub-01" / f"ses-{number:02d}"


def rewrite(path, **changes):
    """Change entries of a raw file; None drops one."""
    held = {
        key: np.array(value) if isinstance(value, np.ndarray) else value for key, value in read_legacy(path).items()
    }
    held |= changes
    kept = {key: value for key, value in held.items() if value is not None}
    np.save(path, np.array(kept, dtype=object), allow_pickle=True)
