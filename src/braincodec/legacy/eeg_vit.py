"""NED's and BERG's EEG models: vit_b_32 features, one regression for each of four repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.legacy.families import WEIGHTS, Family, Files, content_of, subject_names, subjects_in
from braincodec.legacy.keys import SENSOR_SCORES, newer_names
from braincodec.legacy.reduction import CARD_NOTE, VIT_FEATURES, VIT_LAYERS, fold, parameters
from braincodec.legacy.tensors import tensor
from braincodec.models.base import Encoder
from braincodec.models.linear import LinearEncoder
from braincodec.models.linear.encoder import SENSOR_DIMS
from braincodec.responses import build_sensor_units

if TYPE_CHECKING:
    import xarray as xr

REPETITIONS = 4  # of each training image; every one has a regression of its own
SCALER, PCA = "StandardScaler_param.npy", "pca_param.npy"


class ThingsEegViT(Family):
    """``eeg-things_eeg_2-vit_b_32`` in both published forms: three files (NED), or one for each subject (BERG)."""

    model = "eeg-things_eeg_2-vit_b_32"
    modality, dataset, name = "eeg", "things_eeg_2", "vit_b_32"
    kind = "linear"
    response_units = "zscored_within_session"  # of current source density, as NED's script prepares it
    notes = CARD_NOTE
    licence = "CC-BY-4.0"
    citation = "Gifford et al. 2022 (THINGS-EEG2); Gifford 2024 (Neural Encoding Dataset)"
    published_subjects = tuple(range(1, 11))

    def _find(self) -> Files:
        names = self.weight_names()
        old = subjects_in(names, "LinearRegression_param", ".npy")
        return Files(dict.fromkeys(sorted({*old, *subjects_in(names, "weights", ".npy")}), ()))

    def load(self, subject: int, roi: str | None = None) -> Encoder:
        """The encoder of one subject; `roi` does not apply."""
        self.check(subject, None)
        scaler, pca, regression = self._read(subject)
        what = f"weights of {self._title(subject, None)}"
        with content_of(what):
            weights = [parameters(regression[f"rep-{number}"]) for number in range(1, len(regression) + 1)]
            coefficients = [np.asarray(weight["coef_"]) for weight in weights]
            components = coefficients[0].shape[1]
            each = [pca[f"rep-{number}"] for number in range(1, len(weights) + 1)] if "rep-1" in pca else [pca]
            tensors = fold(scaler, each, VIT_LAYERS, components)
            tensors["readout.weight"] = tensor(np.stack(coefficients))
            tensors["readout.bias"] = tensor(np.stack([weight["intercept_"] for weight in weights]))
        metadata = self.metadata(subject)
        units = self.units_from(metadata, subject, None)
        with content_of(f"metadata of {self._title(subject, None)}"):
            training = _splits(metadata.get("encoding_models", {}))
        with content_of(what):
            about = self.description(subject, training, metadata=metadata)
            config = {"features": VIT_FEATURES, "reductions": len(each)}
            return LinearEncoder.from_parts(config, tensors, units, about)

    def _metadata_names(self, subject: int, roi: str | None) -> list[str]:
        return subject_names("metadata", subject, ".npy")

    def _read(self, subject: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        what = f"weights of {self._title(subject, None)}"
        names = self.weight_names()
        berg = [name for name in subject_names("weights", subject, ".npy") if name in names]
        if berg:
            content = self.read(WEIGHTS, berg[0], what)
            with content_of(f"{what} ({berg[0]})"):
                return parameters(content["scaler_param"]), parameters(content["pca_param"]), content["reg_param"]
        old = subject_names("LinearRegression_param", subject, ".npy")
        regression = self.read_first(WEIGHTS, [old[0], subject_names("weights", subject, ".npy")[1], old[1]], what)
        return parameters(self.read(WEIGHTS, SCALER, what)), parameters(self.read(WEIGHTS, PCA, what)), regression

    def _units_from(self, metadata: dict[str, Any], subject: int, roi: str | None) -> xr.Dataset:
        """Repetitions, channels and times, with the published accuracies."""
        eeg, models = metadata["eeg"], metadata.get("encoding_models", {})
        accuracy = newer_names(models.get("encoding_accuracy", models))
        scores = {
            ours: (SENSOR_DIMS[-np.ndim(accuracy[theirs]) :], np.asarray(accuracy[theirs], np.float32))
            for theirs, ours in SENSOR_SCORES.items()
            if theirs in accuracy
        }
        channels = [str(name) for name in eeg["ch_names"]]
        return build_sensor_units(channels, np.asarray(eeg["times"], float), REPETITIONS, scores)


def _splits(models: dict[str, Any]) -> dict[str, list[str]]:
    """Names of training and test images, by what the file calls them."""
    if "train_test_things_image_splits" in models:
        found = models["train_test_things_image_splits"]
    else:  # newer files: one dict for each split
        found = {**models.get("train_img_info", {}), **models.get("test_img_info", {})}
    return {str(key): [str(item) for item in value] for key, value in found.items()}
