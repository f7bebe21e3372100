"""BERG's whole-cortex models of the Natural Scenes Dataset on fsaverage: vit_b_32 features, both hemispheres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import UnknownNameError
from braincodec.legacy.families import WEIGHTS, Family, Files, as_shares, content_of, subject_names, subjects_in
from braincodec.legacy.keys import HEMISPHERES, SURFACE_SCORES, newer_names, stimulus_ids
from braincodec.legacy.reduction import CARD_NOTE, VIT_FEATURES, VIT_LAYERS, fold, parameters
from braincodec.legacy.tensors import tensor
from braincodec.models.base import Encoder
from braincodec.models.linear import LinearEncoder
from braincodec.responses import build_units

if TYPE_CHECKING:
    import xarray as xr

SHARES = ("accuracy_r2", "noise_ceiling", "accuracy_noise_normalised")
SPLITS = ("train_img_num", "val_img_num", "test_img_num")


class NsdFsaverageViT(Family):
    """``fmri-nsd_fsaverage-vit_b_32``: 163,842 vertices a hemisphere; regions are sets of vertices."""

    model = "fmri-nsd_fsaverage-vit_b_32"
    modality, dataset, name = "fmri", "nsd_fsaverage", "vit_b_32"
    kind = "linear"
    response_units = "zscored_within_session"
    notes = CARD_NOTE
    licence = "NSD terms of use"
    citation = "Allen et al. 2022 (NSD); Gifford 2025 (Brain Encoding Response Generator)"
    published_subjects = (1, 2, 3, 4, 5, 6, 7, 8)
    published_rois = (
        *("V1d", "V1v", "V2d", "V2v", "V3d", "V3v", "hV4", "OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces", "OVWFA"),
        *("VWFA-1", "VWFA-2", "mfs-words", "mTL-words", "OPA", "PPA", "RSC", "EBA", "FBA-1", "FBA-2", "mTL-bodies"),
        *("early", "midventral", "midlateral", "midparietal", "parietal", "lateral", "ventral"),
    )

    def _find(self) -> Files:
        return Files(dict.fromkeys(subjects_in(self.weight_names(), "weights", ".npy"), self.published_rois))

    def load(self, subject: int, roi: str | None = None) -> Encoder:
        """The encoder of one subject: all vertices, or those of `roi`."""
        self.check(subject, roi)
        what = f"weights of {self._title(subject, None)}"
        content = self.read_first(WEIGHTS, subject_names("weights", subject, ".npy")[::-1], what)  # only BERG has it
        with content_of(what):
            hemispheres = [parameters(content[f"{side}_reg_param"]) for side in HEMISPHERES]
            components = hemispheres[0]["coef_"].shape[1]
            tensors = fold(parameters(content["scaler_param"]), [content["pca_param"]], VIT_LAYERS, components)
            tensors["readout.weight"] = tensor(np.concatenate([one["coef_"] for one in hemispheres])[None])
            tensors["readout.bias"] = tensor(np.concatenate([one["intercept_"] for one in hemispheres])[None])
        metadata = self.metadata(subject)
        units = self.units_from(metadata, subject, None)
        splits = metadata.get("encoding_models", {})
        with content_of(f"metadata of {self._title(subject, None)}"):
            training = {key: stimulus_ids(splits[key]) for key in SPLITS if key in splits}
        with content_of(what):
            about = self.description(subject, training, metadata=metadata)
            encoder = LinearEncoder.from_parts({"features": VIT_FEATURES}, tensors, units, about)
        if roi is None:
            return encoder
        names = units["roi"].values.astype(str).tolist() if "roi" in units else []
        if roi not in names:
            raise UnknownNameError("roi", roi, names, where=f"of {self.model} subject {subject}")
        return encoder.select(unit=units["roi_membership"].sel(roi=roi).values)

    def rois_of(self, subject: int) -> tuple[str, ...]:
        """Regions that the subject's metadata name: not every subject has all of them, and newer files have more."""
        metadata = self.metadata(subject)
        with content_of(f"metadata of {self._title(subject, None)}"):
            regions = [metadata["fmri"][f"{side}_fsaverage_rois"] for side in HEMISPHERES]
            return tuple(dict.fromkeys(str(roi) for region in regions for roi in region))

    def _metadata_names(self, subject: int, roi: str | None) -> list[str]:
        return subject_names("metadata", subject, ".npy")[::-1]

    def _units_from(self, metadata: dict[str, Any], subject: int, roi: str | None) -> xr.Dataset:
        """Vertices of the left and then the right hemisphere, with overlapping regions."""
        fmri, models = metadata["fmri"], newer_names(metadata.get("encoding_models", {}))
        counts = [len(fmri[f"{side}_ncsnr"]) for side in HEMISPHERES]
        vertices = np.concatenate([np.arange(count) for count in counts])
        hemisphere = np.repeat(list(HEMISPHERES.values()), counts)
        regions = [fmri[f"{side}_fsaverage_rois"] for side in HEMISPHERES]
        rois = {}
        for name in dict.fromkeys(str(roi) for region in regions for roi in region):
            member = [np.zeros(count, bool) for count in counts]
            for flags, region in zip(member, regions, strict=True):
                flags[np.asarray(region.get(name, []), int)] = True
            rois[name] = np.concatenate(member)
        scores = {}
        for source, names in ((fmri, {"ncsnr": "ncsnr"}), (models, SURFACE_SCORES)):
            for theirs, ours in names.items():
                if all(f"{side}_{theirs}" in source for side in HEMISPHERES):
                    scores[ours] = np.concatenate(
                        [np.asarray(source[f"{s}_{theirs}"], np.float32) for s in HEMISPHERES]
                    )
        shares, counted = as_shares({name: scores[name] for name in SHARES if name in scores})
        return build_units(
            vertex=vertices,
            hemisphere=hemisphere,
            subject=subject,
            rois=rois,
            scores=scores | shares,
            space="fsaverage",
            published_scores=counted,
        )
