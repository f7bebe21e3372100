"""Small folders in the true layout of NED, NEST and BERG, filled with random numbers and written as their code does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from ..small_models import AFFINE, VOLUME_SHAPE, fwrf_weights

FWRF = "encoding_models/modality-fmri/train_dataset-nsd/model-fwrf"
EEG = "encoding_models/modality-eeg/train_dataset-things_eeg_2/model-vit_b_32"
FSAVERAGE = "encoding_models/modality-fmri/train_dataset-nsd_fsaverage/model-vit_b_32"
WEIGHTS, METADATA = "encoding_models_weights", "metadata"
READOUT = ("rf0", "rf1", "rf2", "w", "b")
FEATURES = 12 * 50 * 768
CHANNELS = ["Pz", "Oz", "O1"]
TIMES = np.linspace(-0.1, 0.3, 5)
VERTICES = 40  # of each hemisphere
NONE = np.array([], int)
REGIONS = {
    "lh": {"V1v": np.array([3, 4, 9]), "hV4": np.array([9, 20]), "OWFA": NONE, "mTL-bodies": NONE},
    "rh": {"V1v": np.array([0, 1]), "hV4": NONE, "OWFA": np.array([5]), "mTL-bodies": NONE},
}
THINGS = [f"images/c{number // 3:03d}/im_{number:03d}.jpg" for number in range(7)]


def save_object(path: Path, value: Any) -> Path:
    """A pickled object in a .npy file, as `numpy.save` writes a dict."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, value, allow_pickle=True)
    return path


def edit(path: Path, change: Any) -> None:
    """Read an object from a .npy file, change it, write it back."""
    value = np.load(path, allow_pickle=True).item()
    change(value)
    save_object(path, value)


# --- fMRI, one network for each region -------------------------------------------------------------------------------
def fwrf_checkpoint(units: int, subject: int = 1, mean: str = "colour", seed: int = 0) -> dict[str, Any]:
    """What the published training saves; `mean` is one colour (1, 3, 1, 1) or an image (1, 3, 227, 227)."""
    weights = fwrf_weights(units, mean, seed)
    trunk = {name: tensor for name, tensor in weights.items() if name not in READOUT}
    trunk |= {f"enc.{block}bn1.num_batches_tracked": torch.tensor(3) for block in ("", "conv4a.")}
    readout = {name: weights[name] for name in READOUT}
    return {"stim_mean": weights["mu"], "best_params": {"enc": trunk, "fwrfs": {subject: readout}}, "best_epoch": 7}


def fwrf_metadata(units: int, seed: int = 0, newer: bool = False) -> dict[str, Any]:
    """Metadata of one region; `newer` files have one level less and other names."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(VOLUME_SHAPE, bool)
    mask.flat[rng.choice(mask.size, units, replace=False)] = True
    splits = {"train_img_num": np.arange(9), "val_img_num": np.arange(4), "test_img_num": np.arange(5)}
    names = ("r2", "noise_ceiling", "explained_variance" if newer else "noise_normalized_encoding")
    scores = {name: rng.uniform(5, 90, units) for name in names}
    old = {"encoding_accuracy": scores, "train_val_test_nsd_image_splits": splits}
    fmri = {"ncsnr": rng.random(units), "roi_mask_volume": mask, "fmri_affine": AFFINE}
    return {"fmri": fmri, "encoding_models": scores | splits if newer else old}


def write_fwrf(
    root: Path,
    subject: int = 1,
    roi: str = "V1",
    units: tuple[int, ...] = (4,),
    *,
    mean: str = "colour",
    metadata: bool = True,
    newer: bool = False,
    label: str = "sub",
) -> Path:
    """One region; two numbers of units write two files."""
    for number, count in enumerate(units, start=1):
        part = f"_split-{number}" if len(units) > 1 else ""
        path = root / FWRF / WEIGHTS / f"weights_{label}-{subject:02d}_roi-{roi}{part}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(fwrf_checkpoint(count, subject, mean, seed=10 * subject + number), path)
    if metadata:
        path = root / FWRF / METADATA / f"metadata_{label}-{subject:02d}_roi-{roi}.npy"
        save_object(path, fwrf_metadata(sum(units), subject, newer))
    return root


# --- vit_b_32 features -----------------------------------------------------------------------------------------------
def scaler_and_pca(components: int = 2, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Standardisation and PCA of the 460,800 features."""
    rng = np.random.default_rng(seed)
    scaler = {
        "scale_": rng.uniform(0.5, 2, FEATURES).astype(np.float32),
        "mean_": rng.normal(size=FEATURES).astype(np.float32),
        "var_": np.ones(1, np.float32),
        "n_features_in_": FEATURES,
        "n_samples_seen_": 16540,
    }
    pca = {
        "components_": rng.normal(size=(components, FEATURES)).astype(np.float32) / np.float32(FEATURES**0.5),
        "mean_": rng.normal(scale=0.1, size=FEATURES).astype(np.float32),
        "explained_variance_": np.ones(components),
        "n_components_": components,
        "n_features_in_": FEATURES,
    }
    return scaler, pca


def regression(outputs: int, components: int = 2, seed: int = 0) -> dict[str, Any]:
    """A fitted linear regression."""
    rng = np.random.default_rng(seed)
    return {
        "coef_": rng.normal(size=(outputs, components)).astype(np.float32),
        "intercept_": rng.normal(size=outputs).astype(np.float32),
        "n_features_in_": components,
    }


def eeg_metadata(seed: int = 0, newer: bool = False) -> dict[str, Any]:
    """Channels, times, scores, splits."""
    rng = np.random.default_rng(seed)
    shape = (len(CHANNELS), len(TIMES))
    scores = {
        "correlation_averaged_repetitions" if newer else "correlation_all_repetitions": rng.random(shape),
        "correlation_single_repetitions": rng.random((4, *shape)),
    }
    train, test = {"train_img_files": np.array(["a.jpg", "b.jpg"])}, {"test_img_files": ["c.jpg"]}
    old = {"encoding_accuracy": scores, "train_test_things_image_splits": train | test}
    models = scores | {"train_img_info": train, "test_img_info": test} if newer else old
    return {"eeg": {"ch_names": list(CHANNELS), "times": TIMES}, "encoding_models": models}


def eeg_regressions(subject: int = 1, components: int = 2) -> dict[str, Any]:
    """One regression for each of four repetitions."""
    outputs = len(CHANNELS) * len(TIMES)
    return {f"rep-{number}": regression(outputs, components, 10 * subject + number) for number in range(1, 5)}


def write_eeg(root: Path, subject: int = 1, *, components_in_pca: int = 3) -> Path:
    """NED's three files; the regression uses two components of the PCA."""
    scaler, pca = scaler_and_pca(components_in_pca)
    place = root / EEG / WEIGHTS
    save_object(place / "StandardScaler_param.npy", scaler)
    save_object(place / "pca_param.npy", pca)
    save_object(place / f"LinearRegression_param_sub-{subject:02d}.npy", eeg_regressions(subject))
    save_object(root / EEG / METADATA / f"metadata_sub-{subject:02d}.npy", eeg_metadata(subject))
    return root


def write_eeg_berg(root: Path, subject: int = 1, *, pca: Any = None, newer: bool = True) -> Path:
    """BERG's one file for each subject."""
    scaler, plain = scaler_and_pca(3)
    content = {
        "scaler_param": scaler,
        "pca_param": plain if pca is None else pca,
        "reg_param": eeg_regressions(subject),
    }
    save_object(root / EEG / WEIGHTS / f"weights_subject-{subject:02d}.npy", content)
    save_object(root / EEG / METADATA / f"metadata_subject-{subject:02d}.npy", eeg_metadata(subject, newer))
    return root


def fsaverage_metadata(newer: bool = False) -> dict[str, Any]:
    """Regions by vertex, scores of every vertex."""
    rng = np.random.default_rng(5)
    fmri: dict[str, Any] = {f"{side}_fsaverage_rois": dict(regions) for side, regions in REGIONS.items()}
    fmri |= {f"{side}_ncsnr": rng.random(VERTICES, np.float32) for side in REGIONS}
    suffix = "_nsdcore" if newer else ""
    models: dict[str, Any] = {"train_img_num": np.arange(9), "test_img_num": np.arange(4)}
    for name in ("correlation", "r2", "noise_ceiling", "explained_variance"):
        models |= {f"{side}_{name}{suffix}": rng.random(VERTICES, np.float32) for side in REGIONS}
    return {"fmri": fmri, "encoding_models": models}


def write_fsaverage(root: Path, subject: int = 1, *, newer: bool = False) -> Path:
    """Both hemispheres, of few vertices."""
    scaler, pca = scaler_and_pca()
    content = {"scaler_param": scaler, "pca_param": pca}
    content |= {f"{side}_reg_param": regression(VERTICES, seed=number) for number, side in enumerate(REGIONS)}
    save_object(root / FSAVERAGE / WEIGHTS / f"weights_subject-{subject:02d}.npy", content)
    save_object(root / FSAVERAGE / METADATA / f"metadata_subject-{subject:02d}.npy", fsaverage_metadata(newer))
    return root


# --- generated responses ---------------------------------------------------------------------------------------------
def write_responses(
    root: Path,
    imageset: str = "things",
    *,
    subject: int = 1,
    roi: str | None = "V1",
    shape: tuple[int, ...] = (7, 4),
    place: str = "synthetic_neural_responses",
    oldest: bool = False,
    metadata: bool = True,
) -> np.ndarray:
    """Responses to one image set; `oldest` names the file as the first version did. Returns the values."""
    modality, dataset, model = ("fmri", "nsd", "fwrf") if roi else ("eeg", "things_eeg_2", "vit_b_32")
    folder = root / place / f"modality-{modality}/train_dataset-{dataset}/model-{model}/imageset-{imageset}"
    middle = f"training_dataset-{dataset}_model-{model}_imageset-{imageset}_" if oldest else ""
    end = f"{middle}sub-{subject:02d}" + (f"_roi-{roi}" if roi else "")
    values = np.random.default_rng(subject).normal(size=shape).astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / f"synthetic_neural_responses_{end}.h5", "w") as file:
        file["synthetic_neural_responses"] = values
    if metadata:
        labels = {
            "things": {"things_labels": {"image_paths": dict(enumerate(THINGS)), "unique_id": {0: "c000"}}},
            "nsd": {"nsd_labels": {"subjectim": np.zeros((8, 3), int), "masterordering": np.zeros((1, 9), int)}},
            "imagenet_val": {"imagenet_val_labels": {"label_number": np.zeros(shape[0], int)}},
        }[imageset]
        own = fwrf_metadata(shape[1], subject) if roi else eeg_metadata(subject)
        save_object(folder / f"synthetic_neural_responses_metadata_{end}.npy", own | labels)
    return values


def write_images(root: Path, imageset: str, count: int = 7, size: int = 12) -> np.ndarray:
    """The images of an image set, (count, size, size, 3); each has a colour of its own."""
    from PIL import Image

    place = root / f"synthetic_neural_responses/imagesets/imageset-{imageset}"
    place.mkdir(parents=True)
    colours = np.arange(count, dtype=np.uint8)[:, None] * 30 + np.array([0, 5, 10], np.uint8)
    images = np.broadcast_to(colours[:, None, None], (count, size, size, 3)).copy()
    if imageset == "nsd":
        with h5py.File(place / "nsd_stimuli.hdf5", "w") as file:
            file["imgBrick"] = images
        return images
    names = THINGS if imageset == "things" else [f"n{number // 2:08d}/val_{number:04d}.png" for number in range(count)]
    for name, image in zip(names, images, strict=True):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return images
