"""The Natural Scenes Dataset: as it is published, and as the Neural Encoding Dataset prepared it."""

from braincodec.datasets.nsd.dataset import NSD
from braincodec.datasets.nsd.prepared import NSDPrepared

__all__ = ["NSD", "NSDPrepared"]
