"""NED's and BERG's EEG models: vit_b_32 features, one regression for each of four repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import DamagedFileError
from braincodec.features.preprocessing import TORCHVISION_IMAGENET
from braincodec.legacy.families import HOW_TO_GET, METADATA, WEIGHTS, Family, Files, subject_names, subjects_in
from braincodec.legacy.keys import SENSOR_SCORES
from braincodec.legacy.reduction import CARD_NOTE, VIT_B_32, VIT_LAYERS, fold
from braincodec.legacy.tensors import tensor
from braincodec.models.base import Encoder, ModelDescription
from braincodec.models.linear import SENSOR_DIMS, LinearEncoder
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
        try:
            weights = [regression[f"rep-{number}"] for number in range(1, len(regression) + 1)]
            coefficients = [np.asarray(weight["coef_"]) for weight in weights]
            components = coefficients[0].shape[1]
            each = [pca[f"rep-{number}"] for number in range(1, len(weights) + 1)] if "rep-1" in pca else [pca]
            tensors = fold(scaler, each, VIT_LAYERS, components)
            tensors["readout.weight"] = tensor(np.stack(coefficients))
            tensors["readout.bias"] = tensor(np.stack([weight["intercept_"] for weight in weights]))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise DamagedFileError(
                f"weights of {self.model} subject {subject} are incomplete: {error!r}; {HOW_TO_GET}"
            ) from error
        metadata = self.metadata(subject)
        splits = metadata.get("encoding_models", {}).get("train_test_things_image_splits", {})
        training = {key: [str(item) for item in value] for key, value in splits.items()}
        units = self.units_from(metadata, subject, None)
        features = {"backbone": VIT_B_32, "layers": VIT_LAYERS, "preprocessing": TORCHVISION_IMAGENET}
        description = ModelDescription(
            model=self.model,
            modality=self.modality,
            dataset=self.dataset,
            subject=subject,
            response_units="noise_normalised",
            licence=self.licence,
            citation=self.citation,
            notes=CARD_NOTE,
            training=training,
        )
        return LinearEncoder({"features": features, "reductions": len(each)}, tensors, units, description)

    def metadata(self, subject: int, roi: str | None = None) -> dict[str, Any]:
        """The published metadata of one subject."""
        self.check(subject, None)
        found = self.read_first(METADATA, subject_names("metadata", subject, ".npy"), f"metadata of subject {subject}")
        if not isinstance(found, dict):
            raise DamagedFileError(f"metadata of {self.model} subject {subject} holds no dictionary")
        return found

    def _read(self, subject: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        what = f"weights of {self.model} subject {subject}"
        names = self.weight_names()
        berg = [name for name in subject_names("weights", subject, ".npy") if name in names]
        if berg:
            content = self.read(WEIGHTS, berg[0], what)
            try:
                return content["scaler_param"], content["pca_param"], content["reg_param"]
            except (KeyError, TypeError) as error:
                raise DamagedFileError(f"{berg[0]} lacks {error}; {HOW_TO_GET}") from error
        regression = self.read_first(WEIGHTS, subject_names("LinearRegression_param", subject, ".npy"), what)
        return self.read(WEIGHTS, SCALER, what), self.read(WEIGHTS, PCA, what), regression

    def units_from(self, metadata: dict[str, Any], subject: int, roi: str | None) -> xr.Dataset:
        """Repetitions, channels and times, with the published accuracies."""
        eeg, models = metadata["eeg"], metadata.get("encoding_models", {})
        accuracy = models.get("encoding_accuracy", {})
        scores = {
            ours: (SENSOR_DIMS[-np.ndim(accuracy[theirs]) :], np.asarray(accuracy[theirs], np.float32))
            for theirs, ours in SENSOR_SCORES.items()
            if theirs in accuracy
        }
        channels = [str(name) for name in eeg["ch_names"]]
        return build_sensor_units(channels, np.asarray(eeg["times"], float), REPETITIONS, scores)
