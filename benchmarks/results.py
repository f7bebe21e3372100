"""Results on two real recordings and a simulated subject, written as a page: docs/results.md.

python benchmarks/results.py --data FOLDER                      everything (an hour on two cores)
python benchmarks/results.py --data FOLDER --workspace WORK     the same; when interrupted, goes on where it was
python benchmarks/results.py --data FOLDER --only digits        that section anew, the others as the page has them
python benchmarks/results.py --data FOLDER --quick              fewer draws, splits, sessions; printed, not written

FOLDER holds `macaque_v4/` and `digit69/`; `braincodec.load_dataset` says how to get them.
"""

from __future__ import annotations

import argparse
import platform
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import braincodec as bc
import results_decoding_digits as digits
import results_encoders as encoders
import results_finetuning as finetuning
import results_macaque as macaque
import results_macaque_decoding as macaque_decoding
import results_page as words
import results_rescaling as rescaling
from braincodec.atomic import atomic_path

SESSION = "210325"  # the one with raw repetitions
PAGE = Path(__file__).parents[1] / "docs" / "results.md"
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")
FOOTER = "end"
TEST_SETS = 200  # drawn of the simulated subject


@dataclass(frozen=True)
class Effort:
    """How much is computed, and where image sheets go: they show data of others, so the page has none."""

    draws: int = 1000
    permutations: int = 1000
    folds: int = 10
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    all_sessions: bool = True
    sheets: Path | None = None


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


def digits_section(folder: Path, workspace: Path, effort: Effort) -> list[str]:
    """LEA and simple decoders on the published split and in cross-validation, beside published methods."""
    chosen: dict[str, Any] = {"draws": effort.draws, "permutations": effort.permutations, "folds": effort.folds}
    if not effort.all_sessions:
        chosen |= {"quick": True}
    if effort.sheets is not None:
        chosen["sheet"] = effort.sheets / "digits.png"
    return digits.digits_section(folder, workspace, **chosen)


def macaque_decoding_section(folder: Path, workspace: Path, effort: Effort) -> list[str]:
    """Photographs decoded from V4."""
    chosen: dict[str, Any] = {"draws": effort.draws, "permutations": effort.permutations}
    if not effort.all_sessions:
        chosen |= {"names": ["210224"]}
    if effort.sheets is not None:
        chosen["sheet"] = effort.sheets / "macaque_decoding.jpg"
    return [macaque_decoding.decoding_section(folder, workspace=workspace, **chosen)]


def rescaling_section(workspace: Path, effort: Effort) -> list[str]:
    """What rescaling by the test set does, on a subject whose truth is known."""
    return [rescaling.rescaling_section(workspace=workspace, draws=min(effort.draws, TEST_SETS))]


Section = Callable[[Path, Path, Effort], list[str]]
# from the folder of the data, a workspace and the effort to lines; in the order of the page
SECTIONS: dict[str, Section] = {
    "macaque": lambda data, _, effort: macaque_section(data / "macaque_v4", effort),
    "encoders": lambda data, *rest: encoders_section(data / "macaque_v4", *rest),
    "macaque_decoding": lambda data, workspace, effort: macaque_decoding_section(
        data / "macaque_v4", workspace, effort
    ),
    "digits": lambda data, *rest: digits_section(data / "digit69", *rest),
    "rescaling": lambda _, *rest: rescaling_section(*rest),
}
SLOW = ("encoders",)  # left out of a quick run
MARK = "<!-- section: {} -->"


def computed(names: Sequence[str], data: Path, effort: Effort, workspace: Path) -> dict[str, str]:
    """Text of the sections named."""
    return {name: words.wrapped(SECTIONS[name](data, workspace, effort)) for name in names}


def sections_of(page: str) -> dict[str, str]:
    """Text of each section that a page has."""
    _, *parts = re.split(r"<!-- section: (\w+) -->\n", page)
    return {name: text.strip("\n") + "\n" for name, text in zip(parts[::2], parts[1::2], strict=True)}


def results_page(sections: Mapping[str, str], effort: Effort) -> str:
    """The whole page."""
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    footer = [
        words.NOT_CLAIMED,
        f"Computed with braincodec {bc.__version__}, Python {platform.python_version()}, {versions}; "
        f"{effort.draws:,} bootstrap draws, {effort.permutations:,} permutations, seed 0.",
    ]
    blocks = [words.wrapped([words.INTRODUCTION])]
    for name in SECTIONS:
        if name in sections:
            blocks.append(f"{MARK.format(name)}\n\n{sections[name]}")
    return "\n".join([*blocks, f"{MARK.format(FOOTER)}\n\n{words.wrapped(footer)}"])


def main() -> None:
    """Write or print the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds macaque_v4 and digit69")
    parser.add_argument("--workspace", type=Path, help="keep features and predictions of the encoders compared here")
    parser.add_argument("--output", type=Path, default=PAGE)
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, help="these sections; the others stay as the page has them"
    )
    parser.add_argument("--sheets", type=Path, help="folder for pictures of decoded beside seen images")
    parser.add_argument("--quick", action="store_true", help="fewer draws, splits and sessions; printed, not written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        workspace = options.workspace or Path(temporary)
        workspace.mkdir(parents=True, exist_ok=True)
        effort = replace(QUICK if options.quick else Effort(), sheets=options.sheets)
        if options.sheets is not None:
            options.sheets.mkdir(parents=True, exist_ok=True)
        names = options.only or [name for name in SECTIONS if not (options.quick and name in SLOW)]
        found = computed(names, options.data, effort, workspace)
    if options.quick:
        print(results_page(found, effort))
        return
    before = sections_of(options.output.read_text(encoding="utf-8")) if options.only else {}
    text = results_page(before | found, effort)
    with atomic_path(options.output, overwrite=True) as target:
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
