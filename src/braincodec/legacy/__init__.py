"""Files of published encoding and decoding models, read safely."""

from braincodec.legacy.inert import PickledRecord
from braincodec.legacy.read import read_legacy

__all__ = ["PickledRecord", "read_legacy"]
