"""What is published of the Natural Scenes Dataset: how much there is, in which shapes, and how to get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LICENCE = "NSD terms and conditions (an agreement, not an open licence)"
CITATION = (
    "Allen, St-Yves, Wu, Breedlove, Prince, Dowdle, ..., Kay 2022, A massive 7T fMRI dataset to bridge cognitive "
    "neuroscience and artificial intelligence"
)
HOW_TO_GET = (
    "agree to the terms at https://naturalscenesdataset.org, then copy from the bucket s3://natural-scenes-dataset, "
    "with the folders as they are there:\n"
    "nsddata/experiments/nsd/nsd_expdesign.mat\n"
    "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5\n"
    "volume: nsddata/ppdata/subjNN/<resolution>/roi/*.nii.gz, nsddata/freesurfer/subjNN/label/*.ctab, "
    "nsddata_betas/ppdata/subjNN/<resolution>/<betas>/{betas_session*, ncsnr.nii.gz}\n"
    "fsaverage: nsddata/freesurfer/{subjNN,fsaverage}/label/, "
    "nsddata/ppdata/subjNN/transforms/?h.white-to-fsaverage.mgz, "
    "nsddata_betas/ppdata/subjNN/fsaverage/<betas>/{?h.betas_session*.mgh, ?h.ncsnr.mgh}"
)
SPLIT_ORIGIN = (
    "published with the Neural Encoding Dataset: images that one subject alone saw train; of the shared images, those "
    "seen three times by everybody test, the others validate"
)
BETAS_PER_UNIT = 300
"""Integers in a file for one percent of signal change (NSD data manual, "File format issues for betas")."""


@dataclass(frozen=True)
class Published:
    """Counts and shapes, from the NSD data manual ("Technical notes").

    Attributes
    ----------
    sessions : mapping of subject to int
    trials : int
        Of a session.
    repetitions : int
        Of each image, as planned.
    images, image_shape
        Of the whole experiment.
    seen : mapping of subject to int
        Images shown at least once.
    vertices : int
        Of a hemisphere of fsaverage.
    volumes : mapping of resolution to mapping of subject to shape
    """

    sessions: Mapping[str, int] = field(
        default_factory=lambda: dict(zip("12345678", (40, 40, 32, 30, 40, 32, 40, 30), strict=True))
    )
    trials: int = 750
    repetitions: int = 3
    images: int = 73_000
    image_shape: tuple[int, int, int] = (425, 425, 3)
    seen: Mapping[str, int] = field(
        default_factory=lambda: dict(
            zip("12345678", (10_000, 10_000, 9_411, 9_209, 10_000, 9_411, 10_000, 9_209), strict=True)
        )
    )
    vertices: int = 163_842
    volumes: Mapping[str, Mapping[str, tuple[int, int, int]]] = field(
        default_factory=lambda: {
            "func1pt8mm": {
                "1": (81, 104, 83), "2": (82, 106, 84), "3": (81, 106, 82), "4": (85, 99, 80),
                "5": (79, 97, 78), "6": (85, 113, 83), "7": (78, 95, 81), "8": (80, 103, 78),
            },
            "func1mm": {
                "1": (145, 186, 148), "2": (146, 190, 150), "3": (145, 190, 146), "4": (152, 177, 143),
                "5": (141, 173, 139), "6": (152, 202, 148), "7": (139, 170, 145), "8": (143, 184, 139),
            },
        }
    )  # fmt: skip

    @property
    def first_sessions(self) -> int:
        """Sessions that every subject completed."""
        return min(self.sessions.values())
