"""Digits from fMRI, and fMRI from digits: LEA and its ablations beside simple decoders and published methods.

python benchmarks/results_decoding_digits.py --data FOLDER                    prints the section
python benchmarks/results_decoding_digits.py --data FOLDER --workspace WORK   when interrupted, goes on where it was
python benchmarks/results_decoding_digits.py --data FOLDER --sheet FILE.png   and draws digits seen beside those decoded

FOLDER is that of `digit69`. About half an hour on one core, half of it to choose settings.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

import results_digits as digits
import results_digits_lea as lea_settings
import results_page as words
from braincodec.atomic import atomic_path
from braincodec.datasets import Recording, Split
from braincodec.datasets.digit69 import Digit69
from braincodec.evaluation.decoding import two_way_identification
from braincodec.evaluation.encoding import pattern_correlation, weighted_correlation
from braincodec.evaluation.splits import check_leakage
from braincodec.evaluation.statistics import bootstrap_weights, percentile_interval

SHEET_DOTS = 100  # per inch
OURS = "LEA, encoding inverted"
COMPONENTS = "LEA, pixel components"
SMALL_AUTOENCODER = {"size": "small", "epochs": 60, "patience": 10}
PREDICTABLE = 0.15  # r2 of held-out training images from which on a voxel counts as predictable


@dataclass(frozen=True)
class Method:
    """A LEA: settings that differ from the chosen ones, and how it decodes."""

    changes: Mapping[str, Any]
    rescale: Literal["none", "transductive"] | None = None
    slow: bool = False


# plain alignment by ridge, and a generator that reads the decoded embedding
READ_OUT = {"generator": "pixel_components", "encoding_readout": "ridge"}
METHODS: dict[str, Method] = {
    OURS: Method({}),
    f"{OURS}: ridge in place of windows": Method({"encoding_readout": "ridge"}),
    f"{OURS}: components of patterns": Method({"encoding_readout": "ridge", "fmri_latent": "components"}),
    COMPONENTS: Method(READ_OUT),
    f"{COMPONENTS}: strength 500": Method(READ_OUT | {"alphas": 500.0}),
    f"{COMPONENTS}: not rescaled": Method(READ_OUT, rescale="none"),
    f"{COMPONENTS}: rescaled by the test set (transductive)": Method(READ_OUT, rescale="transductive"),
    f"{COMPONENTS}: joint alignment": Method(READ_OUT | {"alignment": "joint"}, slow=True),
    f"{COMPONENTS}: components of patterns": Method(READ_OUT | {"fmri_latent": "components"}),
    f"{COMPONENTS}: autoencoder": Method(
        READ_OUT | {"fmri_latent": "autoencoder", "autoencoder": SMALL_AUTOENCODER}, slow=True
    ),
    "LEA, nearest training image": Method(READ_OUT | {"generator": "retrieval"}),
}

# whose predictions of responses are scored, and what they are called
ENCODERS = {
    OURS: "windows (LEA with fields)",
    f"{OURS}: ridge in place of windows": "ridge, voxels",
    f"{OURS}: components of patterns": "ridge, components of patterns",
}
SHOWN = (OURS, COMPONENTS, "ridge to image components")


@dataclass(frozen=True)
class Encoded:
    """Predicted and measured responses of the test parts of a scheme.

    Parameters
    ----------
    predicted, measured : list of array, shape (images, voxels)
        Of each split; deviations from the training mean, in standard deviations of training responses.
    predictable : array of bool, shape (voxels,)
        In every split, by held-out training images.
    """

    predicted: list[np.ndarray]
    measured: list[np.ndarray]
    predictable: np.ndarray


class Runs:
    """Models of one scheme, each fitted once: images decoded and responses predicted.

    Parameters
    ----------
    recording : Recording
    splits : sequence of Split
    settings : Settings
        Those chosen.
    """

    def __init__(self, recording: Recording, splits: Sequence[Split], settings: lea_settings.Settings) -> None:
        self.recording, self.splits, self.settings = recording, splits, settings
        self.encoded: dict[str, Encoded] = {}

    def decode(self, name: str) -> digits.Decoded:
        """Fit a method to each training part, and decode the test part; `encoded` keeps the other direction."""
        method = METHODS[name]
        predicted, measured, predictable = [], [], []

        def images_of(part: Recording) -> np.ndarray:
            model = self.settings.model(**method.changes).fit(part, progress=False)
            seen, fmri = part.part("test")
            deviation = Deviation.of(part.part("train")[1])
            predicted.append(deviation(model.encode(seen, progress=False)))
            measured.append(deviation(fmri))
            if model.config.fmri_latent == "voxels":
                predictable.append(model.encoding_map.r2 >= PREDICTABLE)
            return np.stack(list(model.decode(fmri, rescale=method.rescale, progress=False)))

        decoded = digits.decode_splits(images_of, self.recording, self.splits)
        everywhere = np.all(predictable, axis=0) if predictable else np.ones(predicted[0].shape[1], bool)
        self.encoded[name] = Encoded(predicted, measured, everywhere)
        return decoded


@dataclass(frozen=True)
class Deviation:
    """From responses to deviations from the training mean, in training standard deviations."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, training: xr.DataArray) -> Deviation:
        """Those of training responses."""
        return cls(training.values.mean(0), training.values.std(0))

    def __call__(self, responses: xr.DataArray) -> np.ndarray:
        """Deviations (images, voxels)."""
        return (responses.values - self.mean) / self.std


def encoding_row(encoded: Encoded, predictable: np.ndarray, draws: int) -> dict[str, object]:
    """Profile and pattern correlation, and identification of images by their predicted patterns."""
    predicted, measured = np.concatenate(encoded.predicted), np.concatenate(encoded.measured)
    pairs = zip(encoded.predicted, encoded.measured, strict=True)
    two_way = np.concatenate([two_way_identification(*pair) for pair in pairs])
    weights = np.vstack([np.ones(len(predicted)), bootstrap_weights(len(predicted), draws, 0)])

    def profile(voxels: np.ndarray) -> words.Interval:
        found = weighted_correlation(predicted[:, voxels], measured[:, voxels], weights).mean(1)
        low, high = percentile_interval(found[1:])
        return float(found[0]), float(low), float(high)

    return {
        "images": len(predicted),
        "profile r, all voxels": profile(np.ones(predicted.shape[1], bool)),
        "profile r, predictable voxels": profile(predictable),
        "pattern r": digits.interval(pattern_correlation(predicted, measured), draws),
        "two-way": digits.interval(two_way, draws),
        "ten-way": digits.interval((two_way == 1).astype(float), draws),
    }


def schemes_of(data: Digit69, recording: Recording, folds: int) -> dict[str, list[Split]]:
    """The published split, and cross-validation over all images."""
    return {"published": [recording.split], f"{folds}-fold": data.cross_validation(folds)}


def digits_section(
    folder: Path,
    workspace: Path,
    *,
    draws: int = 1000,
    permutations: int = 1000,
    folds: int = 10,
    quick: bool = False,
    sheet: Path | None = None,
) -> list[str]:
    """The section of the page of results, both directions.

    Parameters
    ----------
    folder : Path
        Of the recording.
    workspace : Path
        Keeps what was found when settings were chosen.
    draws, permutations, folds : int
    quick : bool
        Settings are not chosen, and nothing slow is done.
    sheet : Path, optional
        Where a sheet of the published split's test images goes, seen and decoded. They are data of others, so the page
        does not show them.
    """
    data = Digit69(folder)
    recording = data.subject("1")
    choice = lea_settings.Choice() if quick else lea_settings.choose(recording, workspace)
    chosen = next(iter(lea_settings.CANDIDATES)) if quick else choice.best
    decoding, encoding = [], []
    shown: dict[str, np.ndarray] = {}
    for scheme, splits in schemes_of(data, recording, folds).items():
        runs = Runs(recording, splits, lea_settings.CANDIDATES[chosen])
        for name, decoder in digits.DECODERS.items():
            decoded = digits.decode_all(decoder, recording, splits)
            brain = decoder not in digits.NOT_DECODED
            decoding.append(digits.digit_row(name, scheme, decoded, draws, permutations if brain else None))
            shown.setdefault(name, decoded.pairs[0][0])
        for name, method in METHODS.items():
            if quick and method.slow:
                continue
            decoded = runs.decode(name)
            decoding.append(digits.digit_row(name, scheme, decoded, draws, permutations))
            shown.setdefault(name, decoded.pairs[0][0])
        predictable = runs.encoded[OURS].predictable
        encoding += [
            {"split": scheme, "method": title} | encoding_row(runs.encoded[name], predictable, draws)
            for name, title in ENCODERS.items()
        ]
    if sheet is not None:
        draw_sheet({name: shown[name] for name in SHOWN}, np.stack(list(recording.part("test")[0])), sheet)
    return [
        words.DIGITS.format(
            voxels=recording.responses.sizes["unit"], citation=data.citation, explained=digits.EXPLAINED
        ),
        words.DIGITS_LEA.format(chosen=chosen, folds=lea_settings.CHOICE_FOLDS),
        *choice_table(choice),
        "\n### Images from fMRI\n",
        *words.digit_table(decoding, emphasised=OURS),
        "",
        words.DIGITS_NOTES,
        standing(decoding),
        words.DIGITS_LIMITS,
        f"Leakage check of the published split: {check_leakage(recording, progress=False).summary()}\n",
        "### fMRI from images\n",
        words.DIGITS_ENCODING.format(least=PREDICTABLE),
        *words.table(encoding),
        "",
    ]


def standing(rows: Sequence[Mapping[str, Any]]) -> str:
    """How our LEA compares with published figures of the same split, in words."""
    ours = next(row for row in rows if row["method"] == OURS and row["scheme"] == "published")
    scores = {"pixel correlation": ours["pixel_correlation"], "uniform SSIM": ours["ssim_uniform7"]}
    found = []
    for name, figures in digits.PUBLISHED.items():
        parts = []
        for (score, (value, low, high)), figure in zip(scores.items(), figures, strict=True):
            place = "below our interval" if figure < low else "above our interval" if figure > high else "inside it"
            parts.append(f"{score} {figure:.3f} against our {value:.3f}: {place}")
        found.append(f"{name}: {'; '.join(parts)}.")
    return "Beside published figures, as far as a chart can be read and the variants agree. " + " ".join(found) + "\n"


def choice_table(choice: lea_settings.Choice) -> list[str]:
    """What was compared inside the training images."""
    if not choice.scores:
        return []
    rows = [
        {"setting": name, "pixel correlation": correlation, "SSIM, uniform 7 x 7": similarity, "standard error": error}
        for name, (correlation, similarity, error) in choice.scores.items()
    ]
    return words.table([words.bold(row) if row["setting"] == choice.best else row for row in rows])


def draw_sheet(decoded: Mapping[str, np.ndarray], seen: np.ndarray, path: Path) -> None:
    """Rows of images: those seen, then those of each decoder."""
    from matplotlib import pyplot as plt

    rows = {"seen": seen, **decoded}
    figure, axes = plt.subplots(len(rows), len(seen), figsize=(len(seen) * 0.55 + 1.6, len(rows) * 0.55))
    figure.subplots_adjust(left=0.2, right=1, bottom=0, top=1, wspace=0.05, hspace=0.05)
    for (title, images), line in zip(rows.items(), axes, strict=True):
        line[0].set_ylabel(title.replace(", ", ",\n"), rotation=0, ha="right", va="center", fontsize=7)
        for image, place in zip(images, line, strict=True):
            place.imshow(image)
            place.set(xticks=[], yticks=[])
            place.spines[:].set_visible(False)
    with atomic_path(path, overwrite=True) as target:
        figure.savefig(target, format="png", dpi=SHEET_DOTS)
    plt.close(figure)


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of digit69")
    parser.add_argument("--workspace", type=Path, help="keep what was found when settings were chosen here")
    parser.add_argument("--quick", action="store_true", help="settings as they were chosen before; nothing slow")
    parser.add_argument("--sheet", type=Path, help="where a sheet of images goes (.png)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workspace = options.workspace or Path(temporary)
        workspace.mkdir(parents=True, exist_ok=True)
        print(words.wrapped(digits_section(options.data, workspace, quick=options.quick, sheet=options.sheet)))


if __name__ == "__main__":
    main()
