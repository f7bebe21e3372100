"""NED's fwRF models of the Natural Scenes Dataset, one for each subject and region."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import DamagedFileError
from braincodec.legacy.families import HOW_TO_GET, METADATA, WEIGHTS, Family, Files
from braincodec.legacy.keys import VOLUME_SCORES
from braincodec.legacy.tensors import tensor
from braincodec.models.base import Encoder, ModelDescription
from braincodec.models.fwrf import FwRF
from braincodec.responses import build_units

if TYPE_CHECKING:
    import torch
    import xarray as xr

SPLITS = (1, 2)
FILE_NAME = re.compile(r"weights_sub-(\d+)_roi-(.+?)(?:_split-([12]))?\.pt")


class NsdFwRF(Family):
    """``fmri-nsd-fwrf``: St-Yves' GNet, trained by Gifford for eight subjects and 23 regions."""

    model = "fmri-nsd-fwrf"
    modality, dataset, name = "fmri", "nsd", "fwrf"
    kind = "fwrf"
    licence = "NSD terms of use"
    citation = "Allen et al. 2022 (NSD); Gifford 2024 (Neural Encoding Dataset)"
    published_subjects = (1, 2, 3, 4, 5, 6, 7, 8)
    published_rois = (
        *("V1", "V2", "V3", "hV4", "EBA", "FBA-2", "OFA", "FFA-1", "FFA-2", "PPA", "RSC", "OPA", "OWFA", "VWFA-1"),
        *("VWFA-2", "mfs-words", "early", "midventral", "midlateral", "midparietal", "parietal", "lateral", "ventral"),
    )
    one_model_a_roi = True

    def _find(self) -> Files:
        found: dict[int, list[str]] = {}
        for name in self.weight_names():
            if match := FILE_NAME.fullmatch(name):
                found.setdefault(int(match[1]), []).append(match[2])
        order = {roi: place for place, roi in enumerate(self.published_rois)}
        return Files(
            {s: tuple(sorted(set(rois), key=lambda r: (order.get(r, 99), r))) for s, rois in sorted(found.items())}
        )

    def load(self, subject: int, roi: str | None = None) -> Encoder:
        """The encoder of one subject and region."""
        assert roi is not None, "callers choose a region"
        self.check(subject, roi)
        parts = [self._read_weights(name, subject, roi) for name in self._file_names(subject, roi)]
        tensors: dict[str, torch.Tensor] = {}
        for number, (trunk, readout) in enumerate(parts, start=1):
            for name, value in {**trunk, **readout}.items():
                tensors[f"part-{number}.{name}"] = value
            # the published code loads both parts into networks that share one mean image: the last part's counts
            tensors[f"part-{number}.mu"] = parts[-1][0]["mu"].clone()
        count = sum(len(readout["b"]) for _, readout in parts)
        units, training = self._units(subject, roi, count)
        description = ModelDescription(
            model=self.model,
            modality=self.modality,
            dataset=self.dataset,
            subject=subject,
            roi=roi,
            response_units="zscored_within_session",
            licence=self.licence,
            citation=self.citation,
            training=training,
        )
        return FwRF({"parts": len(parts)}, tensors, units, description)

    def metadata(self, subject: int, roi: str | None = None) -> dict[str, Any]:
        """The published metadata of one subject and region."""
        self.check(subject, roi)
        found = self.read(METADATA, self._metadata_name(subject, roi), f"metadata of subject {subject}, roi {roi}")
        if not isinstance(found, dict):
            raise DamagedFileError(f"metadata of subject {subject}, roi {roi} holds no dictionary")
        return found

    @staticmethod
    def _metadata_name(subject: int, roi: str | None) -> str:
        return f"metadata_sub-{subject:02d}_roi-{roi}.npy"

    def _file_names(self, subject: int, roi: str) -> list[str]:
        stem = f"weights_sub-{subject:02d}_roi-{roi}"
        names = set(self.weight_names())
        # a damaged download may lack one of two parts: asking for both names the missing one
        split = roi in ("lateral", "ventral") or any(f"{stem}_split-{part}.pt" in names for part in SPLITS)
        if split and f"{stem}.pt" not in names:
            return [f"{stem}_split-{part}.pt" for part in SPLITS]
        return [f"{stem}.pt"]

    def _read_weights(
        self, name: str, subject: int, roi: str
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        content = self.read(WEIGHTS, name, f"weights of {self.model} subject {subject}, roi {roi}")
        try:
            best = content["best_params"]
            readouts = best["fwrfs"]
            trunk = {key: tensor(value) for key, value in best["enc"].items() if "num_batches_tracked" not in key}
            readout = {key: tensor(value) for key, value in readouts[subject].items()}
            trunk["mu"], readout["b"]
        except (KeyError, TypeError, AttributeError) as error:
            raise DamagedFileError(
                f"{name} is no fwRF checkpoint: expected best_params with enc and fwrfs[{subject}], "
                f"{error!r} is missing; {HOW_TO_GET}"
            ) from error
        return trunk, readout

    def _units(self, subject: int, roi: str, count: int) -> tuple[xr.Dataset, dict[str, Any]]:
        name = self._metadata_name(subject, roi)
        if not self.folder.is_file(f"{self.place}/{METADATA}/{name}"):
            # weights without metadata still run; their voxels have no place
            return build_units(rois={roi: np.ones(count, bool)}, space="volume"), {}
        metadata = self.metadata(subject, roi)
        units = self.units_from(metadata, subject, roi)
        if units.sizes["unit"] != count:
            raise DamagedFileError(f"{name} masks {units.sizes['unit']} voxels, the weights predict {count}")
        splits = metadata.get("encoding_models", {}).get("train_val_test_nsd_image_splits", {})
        return units, {key: np.asarray(value).astype(int).tolist() for key, value in splits.items()}

    def units_from(self, metadata: dict[str, Any], subject: int, roi: str | None) -> xr.Dataset:
        """Voxels in C order of the region's mask, as ``volume[mask] = response``."""
        fmri, models = metadata["fmri"], metadata.get("encoding_models", {})
        mask = np.asarray(fmri["roi_mask_volume"], bool)
        accuracy = models.get("encoding_accuracy", {})
        found = {ours: np.asarray(accuracy[theirs]) for theirs, ours in VOLUME_SCORES.items() if theirs in accuracy}
        # shares of variance: a value above 1 means that the file counts in percent
        percent = any(np.nanmax(values, initial=0) > 1 for values in found.values())
        scores = {name: (values / (100 if percent else 1)).astype(np.float32) for name, values in found.items()}
        if "ncsnr" in fmri:
            scores["ncsnr"] = np.asarray(fmri["ncsnr"], np.float32)
        return build_units(
            ijk=np.argwhere(mask),
            rois={str(roi): np.ones(int(mask.sum()), bool)},
            subject=subject,
            model_roi=str(roi),
            scores=scores,
            affine=np.asarray(fmri["fmri_affine"], float),
            volume_shape=mask.shape,
            published_scores="percent" if percent else "fraction",
        )
