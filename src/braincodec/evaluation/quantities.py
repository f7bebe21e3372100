"""What a report says beside its metrics: ceilings, intervals, floors, chances, counts, each with its definition."""

from __future__ import annotations

import math

from braincodec.evaluation.definition import Definition

INFINITY = math.inf


def _quantity(
    name: str, title: str, of: str, text: str, bounds: tuple[float, float], source: str, **more: object
) -> Definition:
    options = {"direction": "both", "chance": None, "better": "neither"} | more
    return Definition(name=name, title=title, of=of, text=text, range=bounds, source=source, **options)  # type: ignore[arg-type]


QUANTITIES: dict[str, Definition] = {
    item.name: item
    for item in (
        _quantity(
            "n_stimuli",
            "Test stimuli",
            "set",
            "How many stimuli the score was computed over.",
            (0, INFINITY),
            "a count",
        ),
        _quantity(
            "n_units",
            "Units",
            "set",
            "How many voxels, vertices, neurons, or channels at one time have this score: those for which it is "
            "defined.",
            (0, INFINITY),
            "a count",
        ),
        _quantity(
            "n_excluded",
            "Units left out",
            "set",
            "How many units of the region are left out of the normalised score: their noise ceiling is not above 0 "
            "or not known, or their score is not defined.",
            (0, INFINITY),
            "a count",
        ),
        _quantity(
            "interval",
            "Confidence interval",
            "set",
            "Percentile interval from bootstrap samples of the stimuli; the summary over units is taken anew in "
            "every sample. Noise ceilings and predictions are held fixed, so it says how much the score depends on "
            "which stimuli were shown. A score that resampling biases, as squares near 0, may lie beside it.",
            (-INFINITY, INFINITY),
            "Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3",
        ),
        _quantity(
            "floor",
            "Floor",
            "set",
            "What a predictor that knows nothing of the stimuli reaches, the better of two: the predictions of other"
            " stimuli (shuffled pairs), and the mean training response or mean training image for every stimulus.",
            (-INFINITY, INFINITY),
            "Computed from the same data",
        ),
        _quantity(
            "chance",
            "Chance level",
            "set",
            "Expected of guesses, by the metric's definition.",
            (-INFINITY, INFINITY),
            "The metric's definition",
        ),
        _quantity(
            "noise_ceiling",
            "Noise ceiling",
            "unit",
            "The part of the variance of the target (the mean over repetitions) that any model could explain, "
            "because the rest differs between repetitions of the same stimulus. A correlation can reach its square "
            "root.",
            (0, 1),
            "Schoppe et al. 2016, Frontiers in Computational Neuroscience 10:10; Allen et al. 2022, Nature "
            "Neuroscience 25",
            direction="encoding",
        ),
        _quantity(
            "ceiling",
            "Ceiling",
            "set",
            "What any model could reach on the scale of the score. Of units the median over those that the score is "
            "of: the noise ceiling for explained variance, its square root for a correlation. Of patterns and "
            "dissimilarities: from the "
            "similarity of random halves of the repetitions, stepped up to all of them.",
            (0, 1),
            "From the noise ceiling; Spearman 1910 and Brown 1910 for halves",
            direction="encoding",
        ),
        _quantity(
            "normalised",
            "Part of the ceiling reached",
            "set",
            "Median over units of the score divided by its ceiling. Units whose noise ceiling is not above 0 are "
            "left out and counted. It can exceed 1 by estimation error and is not clipped.",
            (-INFINITY, INFINITY),
            "Gifford et al. 2023, The Algonauts Project 2023, for squared correlations",
            direction="encoding",
            better="higher",
        ),
        _quantity(
            "noise_ceiling_lower",
            "Lower noise ceiling",
            "unit",
            "Correlation over stimuli of the mean of one random half of the repetitions with the mean of the other, "
            "averaged over 100 divisions.",
            (-1, 1),
            "Gifford et al. 2022, NeuroImage 264:119754",
            direction="encoding",
        ),
        _quantity(
            "noise_ceiling_upper",
            "Upper noise ceiling",
            "unit",
            "Correlation over stimuli of the mean of all repetitions with the mean of a random half, averaged over "
            "100 divisions. Optimistic: the half is part of the whole.",
            (-1, 1),
            "Gifford et al. 2022, NeuroImage 264:119754",
            direction="encoding",
        ),
        _quantity(
            "accuracy_half",
            "Correlation with half of the repetitions",
            "unit",
            "Correlation over stimuli of the prediction with the mean of the same random half of the repetitions "
            "that the lower and upper noise ceilings use, averaged over the same divisions: the accuracy to show "
            "beside them.",
            (-1, 1),
            "Gifford et al. 2022, NeuroImage 264:119754",
            direction="encoding",
            chance=0.0,
            better="higher",
        ),
        _quantity(
            "p_value",
            "p",
            "set",
            "How often a score at least as good occurs when the pairing of predictions and stimuli is shuffled, the "
            "observed pairing counted in: a test against chance.",
            (0, 1),
            "Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9:39",
            better="lower",
        ),
        _quantity(
            "q_value",
            "q",
            "unit",
            "p with the false-discovery rate controlled over units: among units with q below .05, 5 % are expected "
            "to be above chance by accident.",
            (0, 1),
            "Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57",
            direction="encoding",
            better="lower",
        ),
        _quantity(
            "pairwise_decoding",
            "Pairwise decoding",
            "set",
            "How often a linear classifier tells two stimuli apart from the measured pattern over channels at one "
            "time, averaged over pairs of stimuli.",
            (0, 1),
            "Cichy et al. 2014, Nature Neuroscience 17",
            direction="encoding",
            chance=0.5,
            better="higher",
        ),
        _quantity(
            "pairwise_decoding_predicted",
            "Pairwise decoding of predictions",
            "set",
            "As pairwise decoding, with classifiers trained on measured patterns and tested on the predicted ones.",
            (0, 1),
            "Cichy et al. 2014; Gifford et al. 2022",
            direction="encoding",
            chance=0.5,
            better="higher",
        ),
        _quantity(
            "time_generalisation",
            "Time generalisation",
            "set",
            "Pairwise decoding with classifiers trained at one time and tested at another.",
            (0, 1),
            "King and Dehaene 2014, Trends in Cognitive Sciences 18",
            direction="encoding",
            chance=0.5,
            better="higher",
        ),
        _quantity(
            "leakage",
            "Leakage check",
            "set",
            "Whether identical or nearly identical images are on both sides of the split, which would make the score"
            " measure memory.",
            (0, INFINITY),
            "Shirakawa et al. 2024, Spurious reconstruction from brain activity",
            better="lower",
        ),
    )
}  # fmt: skip
