"""A study of small models, and the responses of a run that nothing happened to."""

from __future__ import annotations

import pytest
from PIL import Image

from ...small_models import fwrf, images
from ..every_kind import eeg, gaussian
from .whole_run import Output, Study, started

COUNT = 80


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A region whose network takes a while, voxels, and two EEG subjects, in three passes; an image is damaged."""
    folder = tmp_path_factory.mktemp("study")
    fwrf(5, seed=1, roi="V1").save(folder / "models" / "fmri-fwrf" / "subject-01" / "roi-V1")
    gaussian().save(folder / "models" / "fmri-gaussian" / "subject-01")
    for subject in (1, 2):
        eeg(subject).save(folder / "models" / "eeg-small" / f"subject-{subject:02d}")
    (folder / "images").mkdir()
    for number, pixels in enumerate(images(COUNT, 48)):
        Image.fromarray(pixels).save(folder / "images" / f"{number:03d}.png")
    (folder / "images" / "055.png").write_bytes(b"damaged")
    return Study(folder, blocks=3 * COUNT // 4)


@pytest.fixture(scope="session")
def undisturbed(study):
    """What one worker wrote."""
    output = Output(str(study.folder / "undisturbed"))
    with started(output, *study.request(), "--workers", "1", log=study.folder / "log") as run:
        assert run.wait() == 0, run.said
    assert len(output.records()) == study.blocks
    return output
