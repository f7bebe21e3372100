"""Results on two real recordings, written as a page: docs/results.md.

python benchmarks/results.py --data FOLDER                      everything (half an hour on two cores)
python benchmarks/results.py --data FOLDER --workspace WORK     the same; when interrupted, goes on where it was
python benchmarks/results.py --data FOLDER --quick              fewer draws, splits, sessions; printed, not written

FOLDER holds `macaque_v4/` and `digit69/`; `braincodec.load_dataset` says how to get them.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import braincodec as bc
import results_digits as digits
import results_encoders as encoders
import results_finetuning as finetuning
import results_macaque as macaque
import results_page as words
from braincodec.atomic import atomic_path
from braincodec.evaluation.splits import check_leakage

SESSION = "210325"  # the one with raw repetitions
PAGE = Path(__file__).parents[1] / "docs" / "results.md"
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")


@dataclass(frozen=True)
class Effort:
    """How much is computed."""

    draws: int = 1000
    permutations: int = 1000
    folds: int = 10
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    all_sessions: bool = True


QUICK = Effort(draws=100, permutations=100, folds=2, seeds=(0,), all_sessions=False)


def macaque_section(folder: Path, effort: Effort) -> list[str]:
    """The session with repetitions: scores, ceilings, other splits; then all sessions and all neurons."""
    data = bc.load_dataset("macaque_v4", folder)
    recording = data.subject(SESSION)
    features = macaque.layer_features(recording.stimuli)
    model = macaque.LayerRidge(features).fit(recording)
    prediction, responses = model.encode(recording.split.test), recording.part("test")[1]
    scores = bc.evaluate(
        prediction,
        recording,
        metrics=["correlation", "r2_determination", "noise_normalised_accuracy"],
        draws=effort.draws,
        permutations=effort.permutations,
        progress=False,
    )
    neurons = macaque.score_neurons(prediction, responses, effort.draws)
    shown = responses.notnull().all("unit").sum("repetition").values
    return [
        words.MACAQUE.format(
            citation=data.citation,
            backbone=macaque.BACKBONE,
            grid=macaque.GRID,
            layers=", ".join(f"`{layer}`" for layer in macaque.LAYERS),
        ),
        f"### Session {SESSION}, which has raw repetitions\n",
        f"{len(recording.split.train)} training and {len(recording.split.test)} test images "
        f"({data.split_origin}), each test image shown {shown.min()} to {shown.max()} times. "
        f"The layer chosen is `{model.layer}`. {words.MACAQUE_TABLE}",
        *words.macaque_summary(scores, neurons),
        f"\nLeakage check: {scores.about['leakage']['summary']}\n",
        "### The same session under splits that test generalisation\n",
        words.SPLITS.format(seeds=len(effort.seeds)),
        *words.table(macaque.generalisation_rows(features, recording, effort.draws, effort.seeds)),
        "\n### All sessions\n",
        words.SESSIONS,
        *words.table(session_rows(data, {SESSION: features}, effort)),
        "\n### Each neuron of session " + SESSION + "\n",
        words.NEURONS,
        *words.neuron_table(neurons),
        "",
    ]


def encoders_section(folder: Path, workspace: Path, effort: Effort) -> list[str]:
    """Encoders compared on whole sessions, and which one we recommend."""
    data = bc.load_dataset("macaque_v4", folder)
    compared = encoders.compare(data, workspace)
    rows = encoders.encoder_rows(compared, effort.draws)
    chosen = next(row for row in rows if row["encoder"] == encoders.FIELDS)
    shuffled = next(row for row in rows if row["encoder"] in encoders.ONCE)
    first = encoders.SESSIONS[0]
    differences, chances = [], []
    for session in encoders.SESSIONS:
        mean, spread = encoders.chance(compared[session], encoders.FIELDS, effort.permutations)
        differences.append(f"{words.interval(chosen[f'{session}: difference'])} ({session})")
        chances.append(f"{mean:.3f} with a standard deviation of {spread:.3f} ({session})")
    recording = data.subject(SESSION)
    model = encoders.recommended().fit(recording, progress=False)
    metrics = ["correlation", "noise_normalised_accuracy"]
    scores = bc.evaluate(model, recording, metrics=metrics, draws=effort.draws, permutations=0, progress=False)
    of = {row.metric: (row.value, row.low, row.high) for row in scores.table.query("roi == 'all'").itertuples()}
    return [
        words.ENCODERS.format(grid=encoders.GRID, epochs=finetuning.EPOCHS),
        *words.table([words.bold(row) if row is chosen else row for row in rows if row is not shuffled]),
        "",
        words.RECOMMENDED.format(
            small=", ".join(f"`_blocks.{number}`" for number in encoders.SMALL_BLOCKS),
            large=", ".join(f"`_blocks.{number}`" for number in encoders.BLOCKS[encoders.LARGE]),
            differences=" and ".join(differences),
            chance=" and ".join(chances),
            permutations=effort.permutations,
            session=first,
            shuffled=words.interval(shuffled[f"{first}: mean r"]),
            ceiling_session=SESSION,
            correlation=words.interval(of["correlation"]),
            normalised=words.interval(of["noise_normalised_accuracy"]),
        ),
        words.TRIED,
    ]


def session_rows(data: bc.Dataset, known: Mapping[str, macaque.Features], effort: Effort) -> list[dict[str, object]]:
    """Cross-validated correlation of every session."""
    rows = []
    for name in data.subjects() if effort.all_sessions else known:
        recording = data.subject(name)
        features = known.get(name) or macaque.layer_features(recording.stimuli)
        splits = data.cross_validation(name)
        rows.append(macaque.session_row(features, recording, splits, effort.draws))
    return rows


def digits_section(folder: Path, effort: Effort) -> list[str]:
    """Decoders on the published split and in cross-validation, beside published methods."""
    data = bc.load_dataset("digit69", folder)
    recording = data.subject("1")
    schemes = {
        "published": [recording.split],
        f"{effort.folds}-fold": data.cross_validation(effort.folds),
    }
    rows = digits.digit_rows(recording, schemes, effort.draws, effort.permutations)
    leakage = check_leakage(recording, progress=False)
    return [
        words.DIGITS.format(
            voxels=recording.responses.sizes["unit"], citation=data.citation, explained=digits.EXPLAINED
        ),
        *words.digit_table(rows),
        "",
        words.DIGITS_NOTES,
        f"Leakage check of the published split: {leakage.summary()}\n",
    ]


def results_page(data: Path, effort: Effort, workspace: Path) -> str:
    """The whole page."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    lines = [
        words.INTRODUCTION,
        *macaque_section(data / "macaque_v4", effort),
        *(encoders_section(data / "macaque_v4", workspace, effort) if effort.all_sessions else []),
        *digits_section(data / "digit69", effort),
        words.NOT_CLAIMED,
        f"Computed with braincodec {bc.__version__}, Python {platform.python_version()}, {versions}; "
        f"{effort.draws:,} bootstrap draws, {effort.permutations:,} permutations, seed 0.",
    ]
    return words.wrapped(lines)


def main() -> None:
    """Write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds macaque_v4 and digit69")
    parser.add_argument("--workspace", type=Path, help="keep features and predictions of the encoders compared here")
    parser.add_argument("--output", type=Path, default=PAGE)
    parser.add_argument("--quick", action="store_true", help="fewer draws, splits and sessions; printed, not written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workspace = options.workspace or Path(temporary)
        workspace.mkdir(parents=True, exist_ok=True)
        text = results_page(options.data, QUICK if options.quick else Effort(), workspace)
    if options.quick:
        print(text)
        return
    with atomic_path(options.output, overwrite=True) as target:
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
