"""Arrays in the .npz files of Generic Object Decoding."""

from __future__ import annotations

import numpy as np


def rewrite(path, **changes):
    """Change arrays of an .npz file; None drops one."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def arrays_of(folder):
    with np.load(folder / "sbj_1.npz") as file:
        return {name: file[name] for name in file.files}
