"""Interfaces of published packages over our stores: scripts written for NED, NEST or BERG run as they are.

``from ned.ned import NED`` works word for word; NEST and BERG live here only, because their names are taken elsewhere.
"""

from braincodec.compat.berg import BERG, BergModel
from braincodec.compat.ned import NED, NEST, EncodingModel

__all__ = ["BERG", "NED", "NEST", "BergModel", "EncodingModel"]
