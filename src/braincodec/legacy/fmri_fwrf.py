"""NED's fwRF models of the Natural Scenes Dataset, one for each subject and region."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import DamagedFileError
from braincodec.legacy.families import (
    METADATA,
    STATED_KEY,
    WEIGHTS,
    Family,
    Files,
    as_shares,
    content_of,
    subject_names,
)
from braincodec.legacy.keys import VOLUME_SCORES, newer_names, stimulus_ids
from braincodec.legacy.tensors import tensor
from braincodec.models.base import Encoder
from braincodec.models.fwrf import FwRF
from braincodec.responses import build_units

if TYPE_CHECKING:
    import torch
    import xarray as xr

SPLITS = (1, 2)
SPLIT_KEYS = ("train_img_num", "val_img_num", "test_img_num")
FILE_NAME = re.compile(r"weights_sub(?:ject)?-(\d+)_roi-(.+?)(?:_split-([12]))?\.pt")


class NsdFwRF(Family):
    """``fmri-nsd-fwrf``: St-Yves' GNet, trained by Gifford for eight subjects and 23 regions."""

    model = "fmri-nsd-fwrf"
    modality, dataset, name = "fmri", "nsd", "fwrf"
    kind = "fwrf"
    response_units = "zscored_within_session"
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
        self.check(subject, roi)
        self.need_roi(roi)
        assert roi is not None, "need_roi has refused it"
        parts = [self._read_weights(name, subject, roi) for name in self._file_names(subject, roi)]
        tensors: dict[str, torch.Tensor] = {}
        for number, (trunk, readout) in enumerate(parts, start=1):
            for name, value in {**trunk, **readout}.items():
                tensors[f"part-{number}.{name}"] = value
            # the published code loads both parts into networks that share one mean image: the last part's counts
            tensors[f"part-{number}.mu"] = parts[-1][0]["mu"].clone()
        count = sum(len(readout["b"]) for _, readout in parts)
        units, training, metadata = self._units(subject, roi, count)
        with content_of(f"weights of {self._title(subject, roi)}"):
            about = self.description(subject, training, roi, metadata)
            return FwRF.from_parts({"parts": len(parts)}, tensors, units, about)

    def _metadata_names(self, subject: int, roi: str | None) -> list[str]:
        return subject_names("metadata", subject, f"_roi-{roi}.npy")

    def _file_names(self, subject: int, roi: str) -> list[str]:
        names = set(self.weight_names())
        stems = subject_names("weights", subject, f"_roi-{roi}")
        stem = next((one for one in stems if any(name.startswith((f"{one}.", f"{one}_")) for name in names)), stems[0])
        # a damaged download may lack one of two parts: asking for both names the missing one
        split = roi in ("lateral", "ventral") or any(f"{stem}_split-{part}.pt" in names for part in SPLITS)
        if split and f"{stem}.pt" not in names:
            return [f"{stem}_split-{part}.pt" for part in SPLITS]
        return [f"{stem}.pt"]

    def _read_weights(
        self, name: str, subject: int, roi: str
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        what = f"weights of {self._title(subject, roi)}"
        content = self.read(WEIGHTS, name, what)
        with content_of(f"{what} ({name})"):
            best = content["best_params"]
            readouts = best["fwrfs"]
            trunk = {key: tensor(value) for key, value in best["enc"].items() if "num_batches_tracked" not in key}
            readout = {key: tensor(value) for key, value in readouts[subject].items()}
            trunk["mu"], readout["b"]
        return trunk, readout

    def _units(self, subject: int, roi: str, count: int) -> tuple[xr.Dataset, dict[str, Any], dict[str, Any]]:
        names = self._metadata_names(subject, roi)
        if not any(self.folder.is_file(f"{self.place}/{METADATA}/{name}") for name in names):
            # weights without metadata still run; their voxels have no place
            return build_units(rois={roi: np.ones(count, bool)}, space="volume"), {}, {}
        metadata = self.metadata(subject, roi)
        if "roi_mask_volume" in metadata.get("fmri", {}) or not metadata.get(STATED_KEY):
            units = self.units_from(metadata, subject, roi)
        else:  # of a recording whose voxels have no place
            units = build_units(rois={roi: np.ones(count, bool)}, space="volume", scores=_scores(metadata)[0])
        if units.sizes["unit"] != count:
            found = units.sizes["unit"]
            raise DamagedFileError(
                f"metadata of {self._title(subject, roi)} mask {found} voxels, the weights predict {count}"
            )
        models = metadata.get("encoding_models", {})
        splits = models.get("train_val_test_nsd_image_splits", models)  # newer files: one level less
        training = {key: stimulus_ids(splits[key]) for key in SPLIT_KEYS if key in splits}
        return units, training, metadata

    def _units_from(self, metadata: dict[str, Any], subject: int, roi: str | None) -> xr.Dataset:
        """Voxels in C order of the region's mask, as ``volume[mask] = response``."""
        fmri = metadata["fmri"]
        mask = np.asarray(fmri["roi_mask_volume"], bool)
        scores, counted = _scores(metadata)
        return build_units(
            ijk=np.argwhere(mask),
            rois={str(roi): np.ones(int(mask.sum()), bool)},
            subject=subject,
            model_roi=str(roi),
            scores=scores,
            affine=np.asarray(fmri["fmri_affine"], float),
            volume_shape=mask.shape,
            published_scores=counted,
        )


def _scores(metadata: dict[str, Any]) -> tuple[dict[str, np.ndarray], str]:
    """Scores of each voxel as shares of variance, and how the file counts them."""
    fmri, models = metadata["fmri"], metadata.get("encoding_models", {})
    accuracy = newer_names(models.get("encoding_accuracy", models))
    scores, counted = as_shares({ours: accuracy[name] for name, ours in VOLUME_SCORES.items() if name in accuracy})
    if "ncsnr" in fmri:
        scores["ncsnr"] = np.asarray(fmri["ncsnr"], np.float32)
    return scores, counted
