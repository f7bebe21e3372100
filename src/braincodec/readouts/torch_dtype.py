"""The dtypes that readouts compute units in."""

from __future__ import annotations

import torch

from braincodec.errors import UnknownNameError

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def readout_dtype(name: str, device: torch.device) -> torch.dtype:
    """The torch dtype called `name`.

    Raises
    ------
    UnknownNameError
        When it is neither float32 nor float64, or the device has no float64.

    Examples
    --------
    >>> readout_dtype("float32", torch.device("cpu"))
    torch.float32
    """
    if name not in DTYPES:
        raise UnknownNameError("dtype", name, DTYPES, where="of a readout")
    if name == "float64" and device.type == "mps":
        raise UnknownNameError("dtype", name, ["float32"], where="on Apple's GPU")
    return DTYPES[name]
