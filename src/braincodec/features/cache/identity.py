"""What decides the features in a cache, and the name that follows from it."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from braincodec.errors import UnknownNameError
from braincodec.features.extractor import FeatureExtractor
from braincodec.stimuli import StimulusSet

FORMAT = "braincodec features"
VERSION = 1
STORED = ("float16", "float32")
LONGEST_PREFIX = 40


def identity(extractor: FeatureExtractor, stimuli: StimulusSet, *, dtype: str, precision: str) -> dict[str, Any]:
    """Everything that decides the values: plain JSON.

    Parameters
    ----------
    extractor : FeatureExtractor
    stimuli : StimulusSet
    dtype : {"float16", "float32"}
        As the features are stored.
    precision : str
        The floating-point type that the network computes in.
    """
    if dtype not in STORED:
        raise UnknownNameError("dtype", dtype, STORED, where="of stored features")
    return {
        "format": FORMAT,
        "version": VERSION,
        "weights": extractor.backbone.fingerprint(),
        "features": extractor.config.model_dump(mode="json"),
        "stimuli": stimuli.fingerprint(),
        "dtype": dtype,
        "precision": precision,
    }


def cache_name(about: dict[str, Any]) -> str:
    """Folder name of the features with this identity: the network's name, for people, and a hash.

    Examples
    --------
    >>> cache_name({"features": {"backbone": "torchvision:vit_b_32@IMAGENET1K_V1"}})
    'torchvision-vit_b_32-60e27d2d4361cef044e8.zarr'
    """
    network = about["features"]["backbone"].partition("@")[0]
    prefix = re.sub(r"[^A-Za-z0-9_.]+", "-", network).strip("-.")[:LONGEST_PREFIX]
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return f"{prefix or 'features'}-{digest[:20]}.zarr"
