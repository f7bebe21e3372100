"""NSD as it was prepared for training published models, from the small files that `write_nsd` makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.nsd.published import BETAS_PER_UNIT, Published
from braincodec.extras import import_optional
from braincodec.simulate.layouts.nsd import BETAS, REPETITIONS, SIDES, TABLES

Floats = NDArray[np.float64]


def write_nsd_prepared(
    folder: str | Path, nsd: str | Path, published: Published, *, regions: tuple[str, ...] = ("V1", "early")
) -> Path:
    """Write prepared responses of every subject, everything in memory at once as the published scripts do.

    Parameters
    ----------
    folder : path
        Gets ``nsd_betas_sub-01_roi-V1.npy`` (volume), ``?h_betas_subject-1.h5`` and ``metadata_subject-1.npy``
        (fsaverage).
    nsd : path
        Where `write_nsd` wrote, with HDF5 volumes of ``func1pt8mm``.
    published : Published
    regions : tuple of str

    Returns
    -------
    Path
        `folder`.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.simulate.layouts.nsd import Sizes, write_nsd
    >>> nsd, folder = tempfile.mkdtemp(), tempfile.mkdtemp()
    >>> published = write_nsd(nsd, Sizes(sessions={"1": 3}))
    >>> sorted(path.name for path in write_nsd_prepared(folder, nsd, published, regions=("V1",)).iterdir())
    ['lh_betas_subject-1.h5', 'metadata_subject-1.npy', 'nsd_betas_sub-01_roi-V1.npy', 'rh_betas_subject-1.h5']
    """
    import scipy.io

    root, target = Path(nsd), Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    design = scipy.io.loadmat(root / "nsddata" / "experiments" / "nsd" / "nsd_expdesign.mat")
    order, seen_by = design["masterordering"].astype(int) - 1, design["subjectim"].astype(int) - 1
    shared = design["sharedix"].size
    for subject, sessions in published.sessions.items():
        own = seen_by[int(subject) - 1]
        presented = own[order[0]][: sessions * published.trials]
        first = presented[: published.first_sessions * published.trials]
        complete = np.array([(first == number).sum() == REPETITIONS for number in own[:shared]])
        split = {
            "img_presentation_order": presented,
            "train_img_num": own[shared:],
            "val_img_num": own[:shared][~complete],
            "test_img_num": own[:shared][complete],
        }
        for region in regions:
            content = _volume(root, f"subj{int(subject):02d}", region, sessions)
            content |= {"masterordering": order, "subjectim": seen_by, **split}
            _save(target / f"nsd_betas_sub-{int(subject):02d}_roi-{region}.npy", content)
        _write_surface(target, root, subject, sessions, split)
    return target


def _volume(root: Path, person: str, region: str, sessions: int) -> dict[str, Any]:
    import h5py

    nibabel = import_optional("nibabel", "simulating NSD")
    atlas = next(name for name, names in TABLES.items() if any(item.startswith(region) for item in names))
    values = [
        place for place, name in enumerate(TABLES[atlas], start=1) if name in (region, f"{region}v", f"{region}d")
    ]
    image = nibabel.load(root / "nsddata" / "ppdata" / person / "func1pt8mm" / "roi" / f"{atlas}.nii.gz")
    mask = np.isin(image.get_fdata(), values)
    folder = root / "nsddata_betas" / "ppdata" / person / "func1pt8mm" / BETAS
    betas = []
    for number in range(1, sessions + 1):
        with h5py.File(folder / f"betas_session{number:02d}.hdf5", "r") as file:
            volumes = file["betas"][:].transpose(0, 3, 2, 1)  # (trial, i, j, k)
        betas.append(np.nan_to_num(_standardised(volumes[:, mask] / BETAS_PER_UNIT)))
    return {
        "volume_shape": mask.shape,
        "roi_mask_volume": mask,
        "fmri_affine": image.affine,
        "betas": np.concatenate(betas).astype(np.float32),
        "ncsnr": nibabel.load(folder / "ncsnr.nii.gz").get_fdata()[mask],
    }


def _write_surface(target: Path, root: Path, subject: str, sessions: int, split: dict[str, NDArray[np.int64]]) -> None:
    import h5py

    nibabel = import_optional("nibabel", "simulating NSD")
    person = f"subj{int(subject):02d}"
    folder = root / "nsddata_betas" / "ppdata" / person / "fsaverage" / BETAS
    labels = root / "nsddata" / "freesurfer" / person / "label"
    transforms = root / "nsddata" / "ppdata" / person / "transforms"
    metadata: dict[str, Any] = dict(split)
    for side in SIDES:
        files = [folder / f"{side}.betas_session{number:02d}.mgh" for number in range(1, sessions + 1)]
        betas = [_standardised(nibabel.load(path).get_fdata()[:, 0, 0].T) for path in files]
        with h5py.File(target / f"{side}_betas_subject-{subject}.h5", "w") as file:
            file.create_dataset("betas", data=np.concatenate(betas), dtype=np.float32)
        mapping = nibabel.load(transforms / f"{side}.white-to-fsaverage.mgz").get_fdata().ravel().astype(int) - 1
        metadata[f"{side}_ncsnr"] = nibabel.load(folder / f"{side}.ncsnr.mgh").get_fdata().ravel().astype(np.float32)
        rois: dict[str, NDArray[np.int64]] = {}
        for atlas, names in TABLES.items():
            native = nibabel.load(labels / f"{side}.{atlas}.mgz").get_fdata().ravel()
            rois |= {name: np.flatnonzero(native[mapping] == place) for place, name in enumerate(names, start=1)}
        metadata[f"{side}_fsaverage_rois"] = rois
    _save(target / f"metadata_subject-{subject}.npy", metadata)


def _standardised(values: Floats) -> Floats:
    deviation = values.std(axis=0)
    result: Floats = (values - values.mean(axis=0)) / np.where(deviation == 0, 1, deviation)
    return result


def _save(path: Path, content: dict[str, Any]) -> None:
    np.save(path, np.array(content, object), allow_pickle=True)
