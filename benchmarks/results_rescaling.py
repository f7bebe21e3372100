"""What rescaling of decoded embeddings does to scores, on a simulated subject whose truth is known.

python benchmarks/results_rescaling.py                     prints the section
python benchmarks/results_rescaling.py --workspace WORK    the subject is simulated once

About a minute on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import braincodec as bc
from braincodec import simulate
from braincodec.evaluation.decoding import correlation_matrix
from braincodec.evaluation.splits import image_features
from braincodec.models.lea.alignment import RESCALE_RULES, LatentMap, fit_alignment
from braincodec.models.lea.image_embedding import EmbeddingChoice
from results_page import interval, table

BACKBONE, IMAGE_SIZE = "efficientnet_lite:0", 112
SUBJECT = {"subject": 1, "seed": 0, "calibration": 64}
TRAINING, POOL, RENDERED = 400, 150, 4000
NOISES = {"low": 0.5, "as simulated": 1.0, "high": 3.0}  # factors of the subject's own noise
REPETITIONS = (1, 20)  # of each test image; training images are shown once
SET, PART = 50, 10
SEED = 0

SECTION = """\
## What rescaling does to scores

Regression predicts embeddings that vary less than true ones. Published decoders (LEA, Brain-Diffuser) give decoded
embeddings the spread of training embeddings by taking out the mean and standard deviation of *the test set's own*
predictions. That tells each stimulus what the others are like. `rescale="training"`, the default, takes out those of
out-of-fold predictions for training stimuli instead; `rescale="transductive"` is the published way.

Here the truth is known: `braincodec.simulate.subject` ({voxels} voxels, {training} training images shown once, noise
times {factors}), embeddings of `{backbone}` ({dimension} dimensions), ridge from voxels. Images are crops of
photographs and four kinds of procedural pictures; {pool} test images come from other photographs and other seeds. A
test set is {set} of them drawn at random; numbers are means over {draws} draws, with the 2.5 and 97.5 percentile of the
draws. Spread is the standard deviation of decoded over that of true embeddings, and error their squared distance as a
share of the variance of true ones, both over images and dimensions. Correlation is over dimensions, of deviations from
the training mean; its floor is that of shuffled pairs. Two-way identification (chance 0.5) is against all {others}
other test images of the pool, whichever are decoded together, and against the others of the set.
"""

COMPOSITION = """\
### The same images in other company

Correlation of the same {part} images, decoded among {set} of all kinds or alone. `Any {part}` are drawn from the
{set}; `one kind` is {part} photographs, or {part} pictures of one procedure, put among {rest} others. Under `none` and
`training` every image is decoded the same in any company (largest difference in this run: {largest:g}); under
`transductive` the score depends on the others.
"""

MEANING = """\
What images of one kind have in common is in the mean of their predictions, and the transductive rule takes it out:
with the noise as simulated, {part} images of one kind decoded alone score {alone}, among others {among}, and
{training} by the default. Beside no rescaling, either rule makes embeddings about as varied as those that image
generators were trained on, at the price of a larger error; in correlation the default costs little. Where test images
are averaged over more presentations than training images were, their predictions vary less than those out of fold,
and the default leaves them less spread.
"""


@dataclass(frozen=True)
class World:
    """What the simulated subject was shown, and its responses without noise.

    Attributes
    ----------
    signal, embeddings : array, shape (images, voxels) and (images, dimension)
        First the training images, then the pool of test images.
    noise : array, shape (voxels,)
        Standard deviation of one presentation.
    kinds : array of str, shape (images,)
    """

    signal: np.ndarray
    embeddings: np.ndarray
    noise: np.ndarray
    kinds: np.ndarray


def simulated_world(workspace: Path | None = None) -> World:
    """Simulate the subject, or read what an earlier call kept in `workspace`."""
    stored = None if workspace is None else workspace / "rescaling-world.npz"
    if stored is not None and stored.is_file():
        with np.load(stored) as arrays:
            return World(*(arrays[name] for name in ("signal", "embeddings", "noise", "kinds")))
    subject = simulate.subject(**SUBJECT)
    images = simulate.stimuli(RENDERED, seed=SUBJECT["seed"])
    parts = simulate.split(RENDERED, SUBJECT["seed"])
    chosen = images[[*parts.train[:TRAINING], *parts.test[:POOL]]]
    features = EmbeddingChoice(backbone=BACKBONE, image_size=IMAGE_SIZE).for_backbone(bc.get_backbone(BACKBONE))
    ncsnr = subject.units["ncsnr"].values
    world = World(
        subject.encoder().encode(chosen, progress=False).values,
        image_features(chosen, features, progress=False),
        1 / np.sqrt(1 + ncsnr**2),  # signal and noise of one presentation together have variance one
        np.array([str(identity).split("-")[2] for identity in chosen.ids]),
    )
    if stored is not None:
        np.savez(stored, **vars(world))
    return world


@dataclass(frozen=True)
class Decoded:
    """A decoder of one noise level, and its predictions for the pool.

    Attributes
    ----------
    alignment : LatentMap
    predicted : dict of int to array, shape (pool, dimension)
        For each number of repetitions, not rescaled.
    """

    alignment: LatentMap
    predicted: dict[int, np.ndarray]


def measure_and_decode(world: World, factor: float) -> Decoded:
    """Noise is added, ridge fitted to the training images, and the pool decoded."""
    random = np.random.default_rng(SEED)
    deviation = factor * world.noise
    train = world.signal[:TRAINING] + deviation * random.standard_normal((TRAINING, len(deviation)))
    mean, std = train.mean(0), train.std(0)
    alignment = fit_alignment((train - mean) / std, world.embeddings[:TRAINING])
    predicted = {}
    for repetitions in REPETITIONS:
        noise = deviation / np.sqrt(repetitions) * random.standard_normal((POOL, len(deviation)))
        predicted[repetitions] = alignment.predict((world.signal[TRAINING:] + noise - mean) / std)
    return Decoded(alignment, predicted)


def correlations(decoded: np.ndarray, truth: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Of each decoded embedding with every true one, without the training mean."""
    return correlation_matrix(decoded - mean, truth - mean)


def scores_of_set(decoded: np.ndarray, rows: np.ndarray, truth: np.ndarray, mean: np.ndarray) -> dict[str, float]:
    """Scores of one test set: `rows` of the pool, whose true embeddings are `truth`."""
    similarity = correlations(decoded, truth, mean)  # (set, pool)
    own = similarity[np.arange(len(rows)), rows]
    variance = ((truth[rows] - truth[rows].mean(0)) ** 2).mean()
    return {
        "spread": float(np.sqrt(((decoded - decoded.mean(0)) ** 2).mean() / variance)),
        "error": float(((decoded - truth[rows]) ** 2).mean() / variance),
        "correlation": float(own.mean()),
        "floor": float((similarity[:, rows].sum() - own.sum()) / (len(rows) * (len(rows) - 1))),
        "two-way, in the pool": float(((similarity < own[:, None]).sum(1) / (len(truth) - 1)).mean()),
        "two-way, in the set": float(((similarity[:, rows] < own[:, None]).sum(1) / (len(rows) - 1)).mean()),
    }


def over_draws(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the range of 95 % of the draws."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(np.mean(values)), float(low), float(high)


def rule_rows(world: World, levels: dict[str, Decoded], draws: int) -> list[dict[str, object]]:
    """Scores under each rule, at each noise and number of repetitions."""
    truth = world.embeddings[TRAINING:]
    rows = []
    for level, decoded in levels.items():
        mean = decoded.alignment.target.mean
        for repetitions, predicted in decoded.predicted.items():
            for rule in RESCALE_RULES:
                random = np.random.default_rng(SEED)
                found = []
                for _ in range(draws):
                    chosen = random.choice(POOL, SET, replace=False)
                    rescaled = decoded.alignment.scaling.apply(predicted[chosen], rule)
                    found.append(scores_of_set(rescaled, chosen, truth, mean))
                columns = {name: over_draws([one[name] for one in found]) for name in found[0]}
                columns["floor"] = columns["floor"][0]
                rows.append({"noise": level, "test repetitions": str(repetitions), "rescale": rule, **columns})
    return rows


def draw_companies(world: World, random: np.random.Generator) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each composition: the images that are scored, and all that they are decoded with, as rows of the pool."""
    kinds = world.kinds[TRAINING:]
    everything = random.choice(POOL, SET, replace=False)
    counts = {kind: (kinds == kind).sum() for kind in np.unique(kinds)}
    kind = random.choice([name for name, count in counts.items() if count >= PART])
    same = random.choice(np.flatnonzero(kinds == kind), PART, replace=False)
    others = random.choice(np.flatnonzero(kinds != kind), SET - PART, replace=False)
    return {f"any {PART}": (everything[:PART], everything), "one kind": (same, np.concatenate([same, others]))}


def composition_rows(world: World, levels: dict[str, Decoded], draws: int) -> tuple[list[dict[str, object]], float]:
    """Correlation of the same images in other company, and how far the other rules move any embedding at all."""
    truth = world.embeddings[TRAINING:]
    rows, largest = [], 0.0
    for level, decoded in levels.items():
        scaling, mean = decoded.alignment.scaling, decoded.alignment.target.mean
        predicted = decoded.predicted[REPETITIONS[-1]]
        random = np.random.default_rng(SEED)
        found: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(draws):
            for name, (part, company) in draw_companies(world, random).items():
                for rule in RESCALE_RULES[:2]:
                    change = scaling.apply(predicted[part], rule) - scaling.apply(predicted[company], rule)[:PART]
                    largest = max(largest, float(np.abs(change).max()))
                ways = (
                    scaling.apply(predicted[part]),
                    scaling.apply(predicted[company], "transductive")[:PART],
                    scaling.apply(predicted[part], "transductive"),
                )
                scores = [float(np.diagonal(correlations(one, truth[part], mean)).mean()) for one in ways]
                found.setdefault(name, []).append((scores[0], scores[1], scores[2]))
        for name, scores_of in found.items():
            training, among, alone = np.array(scores_of).T
            rows.append(
                {
                    "noise": level,
                    "images": name,
                    "training, in any company": over_draws(training),
                    f"transductive, among {SET}": over_draws(among),
                    f"transductive, {PART} alone": over_draws(alone),
                    "alone - among": over_draws(alone - among),
                }
            )
    return rows, largest


def rescaling_section(*, workspace: Path | None = None, draws: int = 200) -> str:
    """The section's text.

    Parameters
    ----------
    workspace : Path, optional
        Keeps the simulated subject.
    draws : int
        Of test sets.
    """
    world = simulated_world(workspace)
    levels = {name: measure_and_decode(world, factor) for name, factor in NOISES.items()}
    compared, largest = composition_rows(world, levels, draws)
    typical = next(row for row in compared if (row["noise"], row["images"]) == ("as simulated", "one kind"))
    lines = [
        SECTION.format(
            voxels=world.signal.shape[1],
            training=TRAINING,
            factors=", ".join(f"{factor:g} ({name})" for name, factor in NOISES.items()),
            backbone=BACKBONE,
            dimension=world.embeddings.shape[1],
            pool=POOL,
            set=SET,
            draws=draws,
            others=POOL - 1,
        ),
        *table(rule_rows(world, levels, draws)),
        "",
        COMPOSITION.format(part=PART, set=SET, rest=SET - PART, largest=largest),
        *table(compared),
        "",
        MEANING.format(
            part=PART,
            training=interval(typical["training, in any company"]),
            among=interval(typical[f"transductive, among {SET}"]),
            alone=interval(typical[f"transductive, {PART} alone"]),
        ),
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workspace", type=Path, help="keep the simulated subject here")
    options = parser.parse_args()
    if options.workspace is not None:
        options.workspace.mkdir(parents=True, exist_ok=True)
    print(rescaling_section(workspace=options.workspace))


if __name__ == "__main__":
    main()
