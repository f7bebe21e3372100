"""Small honest scores of simulated predictions, in plain numpy, for tests of what shows or stores scores."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import xarray as xr

from braincodec.evaluation.scores import Scores, make_table
from braincodec.evaluation.scores.scores import row_labels

DRAWS, SEED, LEVEL = 60, 0, 0.95
REPETITIONS = 4


def fmri_scores(name: str = "ridge", *, quality: float = 0.8, seed: int = 0, stimuli: int = 40) -> Scores:
    """Two subjects, 90 vertices each on fsaverage5; V1 and V2 are parts of "early visual", FFA is apart.

    `quality` is how much of the signal the predictions know; equal `seed` means equal measurements.
    """
    ids = [f"image-{number:03d}" for number in range(stimuli)]
    rows, replicates, units, patterns, rdms = [], [], [], [], []
    weights = bootstrap_rows(stimuli)
    for subject in ("1", "2"):
        rng = np.random.default_rng([seed, int(subject)])
        description = _vertices(subject, rng)
        signal = rng.standard_normal((stimuli, 8)) @ rng.standard_normal((8, 90)) / np.sqrt(8)
        ncsnr = rng.uniform(0.1, 1.5, 90)
        ncsnr[:2] = 0
        ceiling = ncsnr**2 / (ncsnr**2 + 1 / REPETITIONS)
        noise = rng.standard_normal((stimuli, 90)) / np.sqrt(REPETITIONS)
        measured = (signal * ncsnr + noise).astype(np.float32)
        predicted = quality * signal + np.sqrt(1 - quality**2) * rng.standard_normal((stimuli, 90))
        r = columns_correlation(predicted, measured)
        drawn = np.stack([columns_correlation(predicted[rows_], measured[rows_]) for rows_ in weights])
        shuffled = columns_correlation(predicted[rng.permutation(stimuli)], measured)
        description |= {"correlation": r, "r2_correlation": np.clip(r, 0, None) ** 2, "noise_ceiling": ceiling}
        description["noise_normalised_accuracy"] = np.where(ceiling > 0, r.clip(0) ** 2 / ceiling.clip(1e-9), np.nan)
        description |= {"p_value": np.clip(1 - np.abs(r) * 1.4, 1 / (1 + DRAWS), 1)}
        description["q_value"] = np.clip(description["p_value"] * 1.5, 0, 1)
        units.append(description)
        patterns.append(columns_correlation(predicted.T, measured.T))
        members = {"all": np.ones(90, bool)} | _regions()
        usable = np.where(ceiling > 0, ceiling, np.nan)
        of_metric = {
            # value of each unit, replicates, floor, ceiling
            "correlation": (r, drawn, shuffled, np.sqrt(usable)),
            "noise_normalised_accuracy": (
                *(np.clip(x, 0, None) ** 2 / usable for x in (r, drawn, shuffled)),
                usable**0,
            ),
        }
        for roi, member in members.items():
            for metric, (values, draws, trivial, best) in of_metric.items():
                of_draw = np.nanmedian(draws[:, member], 1)
                normalised = np.nanmedian((draws / best)[:, member], 1)
                rows.append(
                    {
                        "subject": subject, "roi": roi, "metric": metric, "summary": "median over units",
                        "value": np.nanmedian(values[member]),
                        "low": quantile(of_draw, 0), "high": quantile(of_draw, 1), "level": LEVEL, "n_stimuli": stimuli,
                        "n_units": np.isfinite(values[member]).sum(), "n_excluded": np.isnan(usable[member]).sum(),
                        "floor": np.nanmedian(trivial[member]),
                        "floor_of": "shuffled pairs", "ceiling": np.nanmedian(best[member]),
                        "normalised": np.nanmedian((values / best)[member]),
                        "normalised_low": quantile(normalised, 0), "normalised_high": quantile(normalised, 1),
                        "chance": 0.0 if metric == "correlation" else np.nan,
                        "p_value": 1 / (1 + DRAWS) if metric == "correlation" else np.nan,
                    }
                )  # fmt: skip
                replicates.append(of_draw)
            rdms.append((subject, roi, _distances(measured[:, member]), _distances(predicted[:, member])))
    table = make_table(rows)
    return Scores(
        table,
        units=_unit_dataset(units),
        stimuli=xr.Dataset(
            {"pattern_correlation": (("stimulus", "subject"), np.stack(patterns, 1))},
            {"stimulus": ids, "subject": ["1", "2"]},
        ),
        replicates=_replicates(table, replicates),
        rdms=_rdm_dataset(rdms, ids),
        about=_about(name, "encoding", "fmri", ids, ("1", "2")),
    )


def eeg_scores(name: str = "linear", *, quality: float = 0.7, stimuli: int = 30) -> Scores:
    """One subject, 12 channels and 31 times: correlation, bounds, pairwise decoding over time, time-time."""
    rng = np.random.default_rng(1)
    channels = ["Fz", "Cz", "Pz", "Oz", "O1", "O2", "PO7", "PO8", "P3", "P4", "T7", "T8"]
    times = np.round(np.linspace(-0.1, 0.5, 31), 3)
    envelope = np.where(times > 0.05, np.exp(-((times - 0.15) ** 2) / 0.01), 0.0)
    strength = np.linspace(0.3, 1.2, len(channels))[:, None] * envelope
    signal = rng.standard_normal((stimuli, 4)) @ rng.standard_normal((4, strength.size))
    signal = signal.reshape(stimuli, *strength.shape) / 2 * strength
    noise = rng.standard_normal((2, stimuli, *strength.shape)) / np.sqrt(REPETITIONS / 2)
    halves = signal + noise
    measured = halves.mean(0)
    predicted = quality * signal + np.sqrt(1 - quality**2) * rng.standard_normal(signal.shape) * 0.5
    r = columns_correlation(predicted, measured)
    lower, upper = columns_correlation(halves[0], halves[1]), columns_correlation(measured, halves[0])
    drawn = np.stack([columns_correlation(predicted[rows], measured[rows]) for rows in bootstrap_rows(stimuli)])
    of_draw = np.median(drawn.reshape(DRAWS, -1), 1)
    low, high = np.quantile(of_draw, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    shuffled = columns_correlation(predicted[rng.permutation(stimuli)], measured)
    table = make_table(
        [
            {
                "subject": "1", "roi": "all", "metric": "correlation", "summary": "median over units",
                "value": np.median(r), "low": low, "high": high, "level": LEVEL, "n_stimuli": stimuli,
                "n_units": r.size, "floor": np.median(shuffled), "floor_of": "shuffled pairs",
                "ceiling": np.median(lower), "chance": 0.0, "p_value": 0.02,
            }
        ]
    )  # fmt: skip
    dims = ("channel", "time")
    decoding = np.clip(0.5 + 0.45 * envelope + 0.02 * rng.standard_normal(31), 0, 1)
    across = 0.5 + 0.45 * np.minimum.outer(envelope, envelope)
    return Scores(
        table,
        units=xr.Dataset(
            {
                "correlation": (dims, r),
                "accuracy_half": (dims, columns_correlation(predicted, halves[0])),
                "noise_ceiling_lower": (dims, lower),
                "noise_ceiling_upper": (dims, upper),
                "p_value": (dims, np.clip(1 - np.abs(r), 0.01, 1)),
                "q_value": (dims, np.clip(1.2 - np.abs(r), 0.02, 1)),
            },
            {"channel": channels, "time": times},
            {"space": "sensor"},
        ),
        stimuli=xr.Dataset(coords={"stimulus": [f"image-{number:03d}" for number in range(stimuli)]}),
        replicates=_replicates(table, [of_draw]),
        curves=xr.Dataset(
            {
                "pairwise_decoding": ("time", decoding),
                "pairwise_decoding_predicted": ("time", np.clip(decoding + 0.03, 0, 1)),
                "time_generalisation": (("train_time", "test_time"), across),
            },
            {"time": times, "train_time": times, "test_time": times},
        ),
        about=_about(name, "encoding", "eeg", [f"image-{number:03d}" for number in range(stimuli)], ("1",)),
    )


def decoding_scores(name: str = "decoder", *, noise: float = 40.0, stimuli: int = 12) -> Scores:
    """Twelve small pictures and noisy copies of them: pixel correlation and two-way identification of pixels."""
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (stimuli, 4, 4, 3))
    truth = np.kron(coarse, np.ones((1, 8, 8, 1))).astype(np.uint8)
    prediction = np.clip(truth + noise * rng.standard_normal(truth.shape), 0, 255).astype(np.uint8)
    flat, guess = truth.reshape(stimuli, -1).astype(float), prediction.reshape(stimuli, -1).astype(float)
    similarity = np.corrcoef(guess, flat)[:stimuli, stimuli:]
    two_way = (similarity < np.diag(similarity)[:, None]).sum(1) / (stimuli - 1)
    values = {"pixel_correlation": np.diag(similarity), "two_way_pixels": two_way}
    floors = {"pixel_correlation": 0.21, "two_way_pixels": 0.5}
    rows, replicates = [], []
    for metric, per_image in values.items():
        of_draw = np.stack([per_image[chosen].mean() for chosen in bootstrap_rows(stimuli)])
        low, high = np.quantile(of_draw, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        rows.append(
            {
                "subject": "1", "roi": "all", "metric": metric, "summary": "mean over stimuli",
                "value": per_image.mean(), "low": low, "high": high, "level": LEVEL, "n_stimuli": stimuli,
                "floor": floors[metric], "floor_of": "mean training image",
                "chance": 0.5 if metric == "two_way_pixels" else np.nan,
                "p_value": 1 / (1 + DRAWS) if metric == "two_way_pixels" else np.nan,
            }
        )  # fmt: skip
        replicates.append(of_draw)
    table = make_table(rows)
    ids = [f"image-{number:03d}" for number in range(stimuli)]
    about = _about(name, "decoding", "fmri", ids, ("1",))
    about["skipped"] = {"two_way_clip": "its weights are not on this machine"}
    about["weights"] = {"two_way_efficientnet_lite": "efficientnet_lite:0 (ImageNet, shipped with the package)"}
    about["noise_ceiling"] = {"method": "none", "words": "images have no noise ceiling"}
    return Scores(
        table,
        stimuli=xr.Dataset({metric: ("stimulus", value) for metric, value in values.items()}, {"stimulus": ids}),
        replicates=_replicates(table, replicates),
        images={"ids": np.asarray(ids), "truth": truth, "prediction": prediction},
        about=about,
    )


def both_scores(name: str = "lea") -> Scores:
    """One model judged in both directions: the fMRI scores of two subjects, and decoded images of the first."""
    encoding, decoding = fmri_scores(name), decoding_scores(name)
    table = pd.concat([encoding.table, decoding.table], ignore_index=True)
    kept = {"direction": "both", "skipped": decoding.about["skipped"], "weights": decoding.about["weights"]}
    stimuli = decoding.stimuli.expand_dims(subject=["1"], axis=1)
    return Scores(
        table,
        units=encoding.units,
        stimuli=encoding.stimuli.merge(stimuli, join="outer"),
        replicates=_replicates(table, [*encoding.replicates.values, *decoding.replicates.values]),
        rdms=encoding.rdms,
        images=decoding.images,
        about=encoding.about | kept,
    )


def bootstrap_rows(stimuli: int) -> np.ndarray:
    """Rows of each bootstrap sample: (draws, stimuli)."""
    return np.random.default_rng(SEED).integers(0, stimuli, (DRAWS, stimuli))


def quantile(replicates: np.ndarray, end: int) -> float:
    """Lower (0) or upper (1) end of the interval."""
    return float(np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2][end]))


def columns_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation over the first axis."""
    a, b = (x - x.mean(0) for x in (a, b))
    return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))


def _regions() -> dict[str, np.ndarray]:
    place = np.arange(90)
    return {"V1": place < 30, "V2": (place >= 30) & (place < 60), "early visual": place < 60, "FFA": place >= 60}


def _vertices(subject: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "vertex": np.sort(rng.choice(10_242, 90, replace=False)).astype(np.int32),
        "hemisphere": np.where(np.arange(90) % 2 == 0, "left", "right"),
        "subject": np.full(90, subject),
    }


def _unit_dataset(units: list[dict[str, np.ndarray]]) -> xr.Dataset:
    data = {name: ("unit", np.concatenate([part[name] for part in units])) for name in units[0]}
    membership = np.tile(np.stack(list(_regions().values()), 1), (len(units), 1))
    return xr.Dataset(
        data | {"roi_membership": (("unit", "roi"), membership)}, {"roi": list(_regions())}, {"space": "fsaverage5"}
    )


def _distances(patterns: np.ndarray) -> np.ndarray:
    return 1 - np.corrcoef(patterns)[np.triu_indices(len(patterns), 1)]


def _rdm_dataset(rdms: list, ids: list[str]) -> xr.Dataset:
    subjects, rois = list(dict.fromkeys(item[0] for item in rdms)), list(dict.fromkeys(item[1] for item in rdms))
    found = {(subject, roi): pair for subject, roi, *pair in rdms}
    values = np.array([[found[subject, roi] for roi in rois] for subject in subjects])  # (subject, roi, kind, pair)
    dims = ("subject", "roi", "pair")
    return xr.Dataset(
        {"measured": (dims, values[:, :, 0]), "predicted": (dims, values[:, :, 1])},
        {"subject": subjects, "roi": rois, "stimulus": ids},
    )


def _replicates(table, replicates: list[np.ndarray]) -> xr.DataArray:
    return xr.DataArray(np.stack(replicates), dims=("row", "draw"), coords=row_labels(table))


def _about(name: str, direction: str, modality: str, ids: list[str], subjects: tuple[str, ...]) -> dict:
    sums = {subject: hashlib.sha256("\0".join(ids).encode()).hexdigest() for subject in subjects}
    check = {
        "passed": True,
        "summary": "None of the test images is among the training images or nearly the same as one of them.",
        "compared": "compared by ids, all pixels and perceptual hashes",
        "method": "hash", "features": None, "n_train": 160, "n_validation": 0, "n_test": len(ids),
        "counts": {}, "leaking": [], "thresholds": {"frequency_bits": 10.0}, "notes": [], "pairs": [],
    }  # fmt: skip
    counts = {"train": 160, "validation": 0, "test": len(ids)}
    return {
        "name": name,
        "direction": direction,
        "model": {
            "id": f"{modality}-simulated-{name}",
            "kind": "linear",
            "card": f"# {name}\n\n**Simulated**: this subject never existed.\n",
            "licence": "CC0-1.0",
            "citation": "nobody, never",
        },
        "dataset": {
            "name": "simulated",
            "subjects": list(subjects),
            "modality": modality,
            "species": "none",
            "licence": "CC0-1.0",
            "citation": "nobody, never",
        },
        "split": {"part": "test", **counts, "of_subjects": dict.fromkeys(subjects, counts), "ids_sha256": sums},
        "leakage": check,
        "settings": {
            "part": "test", "metrics": None, "draws": DRAWS, "permutations": DRAWS, "level": LEVEL, "seed": SEED,
            "noise_ceiling": "auto", "leakage": "hash", "rescale": None, "rois": None, "direction": "auto",
            "samples": 1,
        },
        "noise_ceiling": {
            "method": "variance_components",
            "words": f"from the variance between {REPETITIONS} repetitions of the test stimuli",
        },
        "skipped": {},
        "weights": {},
        "warnings": [],
        "rescale": None,
        "preprocessing": None,
        "samples": 1,
        "braincodec_version": "0.1.0",
        "simulated": True,
    }  # fmt: skip
