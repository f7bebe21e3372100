"""The published place of the class: ``from ned.ned import NED``."""

from braincodec.compat.ned import NED

__all__ = ["NED"]
