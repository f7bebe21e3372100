"""A decoder whose images say which response, sample and seed they were made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from braincodec.errors import InputValueError
from braincodec.responses import build_responses
from braincodec.stimuli import StimulusSet

UNITS = 4


class SmallDecoder:
    """Red is the first unit's response, green the sample's number, blue the seed plus the stimulus' number."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.calls: list[list[int]] = []
        self.fails_at = fails_at

    def identity(self) -> str:
        return "small decoder"

    @property
    def generator(self) -> SmallDecoder:
        return self

    def predict_embeddings(
        self, responses: Any, *, rescale: str | None = None, device: str = "auto", dtype: str = "float32",
        progress: bool | None = None,
    ) -> np.ndarray:  # fmt: skip
        values = np.asarray(responses)
        if values.shape[1] != UNITS:
            raise InputValueError(f"patterns have {values.shape[1]} voxels, the model takes {UNITS}")
        return values[:, :1] - (values.min() if rescale == "transductive" else 0)

    def generate(
        self, embeddings: np.ndarray, *, n_samples: int, seed: int, stimuli: list[int], **_: Any
    ) -> np.ndarray:
        if self.fails_at in stimuli:
            raise KeyboardInterrupt
        self.calls.append(list(stimuli))
        images = np.zeros((len(stimuli), n_samples, 8, 6, 3), np.uint8)
        images[..., 0] = np.rint(embeddings[:, 0])[:, None, None, None]
        images[..., 1] = np.arange(n_samples)[:, None, None]
        images[..., 2] = (seed + np.array(stimuli))[:, None, None, None]
        return images

    def decode(
        self, responses: Any, *, n_samples: int = 1, seed: int = 0, stimuli: list[int] | None = None, **options: Any
    ) -> StimulusSet:
        embeddings = self.predict_embeddings(responses, **options)
        rows = list(range(len(embeddings))) if stimuli is None else stimuli
        images = self.generate(embeddings, n_samples=n_samples, seed=seed, stimuli=rows)
        return StimulusSet.open(images.reshape(-1, *images.shape[2:]))

    def retrieve(self, responses: Any, gallery: StimulusSet, k: int = 5) -> xr.Dataset:
        ids = np.array([[str(item) for item in gallery.ids[:k]]] * len(responses))
        return xr.Dataset(
            {"id": (("stimulus", "rank"), ids), "similarity": (("stimulus", "rank"), np.ones(ids.shape) / 3)},
            {"stimulus": responses["stimulus"].values},
        )


def measured(count: int = 40, ids: list[str] | None = None) -> xr.DataArray:
    values = np.arange(count)[:, None] * np.ones((1, UNITS)) + 100
    return build_responses(values, ids or [f"n{row:02d}.JPEG" for row in range(count)])


class WholeDecoder:
    """Decodes all responses in one call."""

    def __init__(self) -> None:
        self.inside = SmallDecoder()

    def decode(self, responses: Any, **options: Any) -> StimulusSet:
        return self.inside.decode(responses, **options)
