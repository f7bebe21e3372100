"""Encoders of V4 compared on whole sessions: layers, sizes of images, readouts, receptive fields, sharing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import braincodec as bc
from braincodec.atomic import atomic_path
from braincodec.evaluation.encoding.weighted import weighted_correlation
from braincodec.evaluation.statistics import bootstrap_weights, percentile_interval
from braincodec.readouts import banded_ridge_cv, best_space_cv, field_ridge_cv, ridge_cv
from results_finetuning import TUNED, fine_tune
from results_maps import BACKBONE, BLOCKS, LARGE, NATIVE, Session, block, foreign_images, pooled, prepare

SESSIONS = ("210224", "210621")
SINGLE = tuple(block(number) for number in (2, 4, 6, 8, 10, 12, 14))
LARGE_BLOCKS = tuple(block(number, LARGE) for number in BLOCKS[LARGE])
ELEVEN = tuple(block(number) for number in range(4, 15))
SMALL_BLOCKS = (2, 4, 6, 8, 10)
LOW = tuple(block(number) for number in SMALL_BLOCKS)
RECOMMENDED = (*LOW, *LARGE_BLOCKS)
SHARED = tuple(block(number, NATIVE, TUNED) for number in (6, 8, 10))
BANDS = {"gabor": ("gabor",), "2, 4": LOW[:2], "6, 8": LOW[2:4], "10, 12, 14": SINGLE[4:]}
GRID = 4  # ridges see maps averaged to 4 x 4 positions
ALPHAS = np.logspace(-1, 3, 9)  # for layers of total variance 1
FIELD_ALPHAS = np.logspace(-1, 1.5, 6)  # for kernels of mean diagonal 1
DRAWS, SEED = 20, 0
BEST = "best single block, by cross-validation"
FIELDS = "receptive fields on ten layers (recommended)"
Predict = Callable[[Session, np.ndarray, np.ndarray], np.ndarray]


def recommended() -> bc.LinearEncoder:
    """The encoder of the row `FIELDS`, to be fitted to a recording."""
    choices = [
        {"backbone": BACKBONE, "layers": [f"_blocks.{number}" for number in blocks], "image_size": size}
        for size, blocks in ((NATIVE, SMALL_BLOCKS), (LARGE, BLOCKS[LARGE]))
    ]
    return bc.LinearEncoder(features=choices, readout="fields", alphas=FIELD_ALPHAS.tolist())


def features(session: Session, names: Sequence[str], train: np.ndarray, side: int = GRID) -> np.ndarray:
    """Features (image, feature) of some maps, each averaged to a grid and of total variance 1 over training images."""
    parts = []
    for name in names:
        maps = pooled(session.maps(name), side).reshape(len(session.responses), -1).astype(np.float32)
        centred = maps - maps[train].mean(0)
        parts.append(centred / np.sqrt((centred[train] ** 2).sum(1).mean()))
    return np.concatenate(parts, 1)


def settings(session: Session, train: np.ndarray) -> dict:
    """Inner folds, near copies on one side."""
    return {"groups": session.groups[train], "seed": SEED, "progress": False}


def ridge_on(*names: str, side: int = GRID) -> Predict:
    """Ridge on features of several layers, of equal variance: the sum of their kernels."""

    def predict(session: Session, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        values = features(session, names, train, side)
        fit = ridge_cv(values[train], session.responses[train], ALPHAS, **settings(session, train))
        return fit.predict(values[test])

    return predict


def best_of_blocks(session: Session, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Ridge on one block, the same for all neurons: the one that explains most in inner cross-validation."""
    found = []
    for name in SINGLE:
        values = features(session, [name], train)
        fit = ridge_cv(values[train], session.responses[train], ALPHAS, **settings(session, train))
        found.append((fit.r2.mean(), fit.predict(values[test])))
    return max(found, key=lambda one: one[0])[1]


def best_for_each_neuron(session: Session, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Each neuron reads the block that predicts it best in inner cross-validation."""
    spaces = {name: features(session, [name], train) for name in SINGLE}
    given = {name: values[train] for name, values in spaces.items()}
    fit = best_space_cv(given, session.responses[train], ALPHAS, **settings(session, train))
    return fit.predict({name: values[test] for name, values in spaces.items()})


def banded(session: Session, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Banded ridge: each neuron weighs Gabor energies and three groups of blocks."""
    spaces = {band: features(session, names, train) for band, names in BANDS.items()}
    given = {band: values[train] for band, values in spaces.items()}
    options = settings(session, train) | {"draws": DRAWS}
    fit = banded_ridge_cv(given, session.responses[train], ALPHAS, **options)
    return fit.predict({band: values[test] for band, values in spaces.items()})


def fields_on(*names: str, smoothness: float = 0.15, shuffled: bool = False) -> Predict:
    """Smooth weights of maps within a window, each neuron its own."""

    def predict(session: Session, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        maps = {name: session.maps(name) for name in names}
        responses = session.responses[train]
        if shuffled:
            responses = responses[np.random.default_rng(SEED).permutation(len(train))]
        given = {name: values[train] for name, values in maps.items()}
        options = settings(session, train) | {"smoothness": smoothness}
        fit = field_ridge_cv(given, responses, FIELD_ALPHAS, **options)
        return fit.predict({name: values[test] for name, values in maps.items()})

    return predict


ENCODERS: dict[str, Predict] = {
    BEST: best_of_blocks,
    "pixels, 14 x 14": ridge_on("pixels", side=14),
    "Gabor bank, 7 x 7": ridge_on("gabor", side=7),
    **{f"{name}": ridge_on(name) for name in (*SINGLE, *LARGE_BLOCKS)},
    "best block of each neuron": best_for_each_neuron,
    "banded ridge: Gabor bank and three groups of blocks": banded,
    "kernel sum of eleven blocks, 4 to 14": ridge_on(*ELEVEN),
    "kernel sum of ten layers, as recommended": ridge_on(*RECOMMENDED),
    "Gaussian receptive fields on block 8": fields_on(block(8), smoothness=np.inf),
    "receptive fields on five blocks, 2 to 10": fields_on(*LOW),
    "the same, blocks 6, 8, 10 fine-tuned on the other sessions": fields_on(*LOW[:2], *SHARED),
    FIELDS: fields_on(*RECOMMENDED),
    "the same, training responses shuffled": fields_on(*RECOMMENDED, shuffled=True),
}
ONCE = ("the same, training responses shuffled",)  # only on the first session: takes as long as the fit itself


@dataclass(frozen=True)
class Compared:
    """Predictions of every encoder for every image of a session, each by a fit without it."""

    session: Session
    predictions: dict[str, np.ndarray]

    def replicates(self, name: str, draws: int) -> np.ndarray:
        """Mean correlation over neurons, first of all images, then of bootstrap samples of them."""
        count = len(self.session.responses)
        weights = np.concatenate([np.ones((1, count)), bootstrap_weights(count, draws, SEED)])
        return weighted_correlation(self.predictions[name], self.session.responses, weights).mean(1)


def predict_fold(session: Session, fold: int, names: Sequence[str]) -> None:
    """Predictions of encoders for one fold, in a process of its own; those that are there already stay."""
    torch.set_num_threads(1)
    train, test = session.folds[fold]
    for name in names:
        path = stored(session, fold, name)
        if not path.exists():
            found = ENCODERS[name](session, train, test)
            with atomic_path(path) as target, target.open("wb") as file:
                np.save(file, found)


def stored(session: Session, fold: int, name: str) -> Path:
    """Where predictions of one encoder for one fold are kept."""
    return session.folder / f"{session.name} fold {fold} {hashlib.sha256(name.encode()).hexdigest()[:16]}.npy"


def tune(data: bc.Dataset, target: str, sessions: dict[str, Session]) -> None:
    """Fine-tune for one session on all others, without near copies of its images."""
    torch.set_num_threads(1)
    if all((sessions[target].folder / f"{target} {name}.npy").exists() for name in SHARED):
        return
    others = [name for name in sessions if name != target]
    rows = foreign_images(data.subject(target), [data.subject(name) for name in others])
    fine_tune(sessions[target], [sessions[name] for name in others], rows, SEED)


def compare(data: bc.Dataset, folder: Path, workers: int = 2) -> dict[str, Compared]:
    """All encoders on all sessions; what `folder` holds already is not computed again."""
    sessions = {name: prepare(data, name, folder) for name in data.subjects()}
    wanted = {name: [one for one in ENCODERS if name == SESSIONS[0] or one not in ONCE] for name in SESSIONS}
    with ProcessPoolExecutor(workers) as pool:
        for job in [pool.submit(tune, data, name, sessions) for name in reversed(SESSIONS)]:
            job.result()
        jobs = [
            pool.submit(predict_fold, sessions[name], fold, names)
            for name, names in reversed(wanted.items())
            for fold in range(len(sessions[name].folds))
        ]
        for job in jobs:
            job.result()
    result = {}
    for name, names in wanted.items():
        session = sessions[name]
        predictions = {one: np.empty_like(session.responses) for one in names}
        for one, values in predictions.items():
            for fold, (_, test) in enumerate(session.folds):
                values[test] = np.load(stored(session, fold, one))
        result[name] = Compared(session, predictions)
    return result


def encoder_rows(compared: dict[str, Compared], draws: int) -> list[dict[str, object]]:
    """Mean correlation of each encoder in each session, and its paired difference from the best single block."""
    rows = []
    for name in ENCODERS:
        row: dict[str, object] = {"encoder": name}
        for session in SESSIONS:
            one = compared[session]
            if name not in one.predictions:
                row |= {f"{session}: mean r": None, f"{session}: difference": None}
                continue
            values, base = one.replicates(name, draws), one.replicates(BEST, draws)
            row[f"{session}: mean r"] = with_ends(values)
            row[f"{session}: difference"] = None if name == BEST else with_ends(values - base)
        rows.append(row)
    return rows


def with_ends(values: np.ndarray) -> tuple[float, float, float]:
    """Value and interval, from the value and its bootstrap replicates."""
    low, high = percentile_interval(values[1:])
    return float(values[0]), float(low), float(high)


def chance(compared: Compared, name: str, permutations: int) -> tuple[float, float]:
    """Mean and standard deviation of the mean correlation when images are re-paired at random."""
    rng = np.random.default_rng(SEED)
    one, weights = compared.session.responses, np.ones((1, len(compared.session.responses)))
    found = [
        weighted_correlation(compared.predictions[name][rng.permutation(len(one))], one, weights).mean()
        for _ in range(permutations)
    ]
    return float(np.mean(found)), float(np.std(found))
