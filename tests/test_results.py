"""The script of results computes what its page says, and the page says what the script computes."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from braincodec.datasets import Recording, Split, load_dataset
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results
    import results_digits
    import results_macaque
    import results_page

    return SimpleNamespace(results=results, digits=results_digits, macaque=results_macaque, page=results_page)


def small_digits(images=24, voxels=30, noise=0.1):
    """Voxels that are random mixtures of pixels; the recording's digits are bright above or below."""
    rng = np.random.default_rng(0)
    digit = np.repeat([6, 9], images // 2)
    pixels = rng.integers(0, 120, (images, 12, 12), np.uint8)
    pixels[digit == 9, :6] += 100
    pixels[digit == 6, 6:] += 100
    ids = [f"image{number}" for number in range(images)]
    values = pixels.reshape(images, -1) / 255 @ rng.standard_normal((144, voxels))
    values += noise * rng.standard_normal(values.shape)
    units = build_units(scores={"voxel": np.arange(voxels)})
    responses = build_responses(values, ids, units).assign_coords(digit=("stimulus", digit))
    test = tuple(ids[::4])
    split = Split(train=tuple(item for item in ids if item not in test), test=test)
    return Recording("small", "1", StimulusSet.open(pixels, ids=ids, layout="grey"), responses, units, split)


def small_neurons(images=60, repetitions=6, noise=1.0, seed=0):
    """Four neurons driven by the first feature of layer "right"; layer "wrong" knows nothing."""
    rng = np.random.default_rng(seed)
    ids = [f"image{number:02d}" for number in range(images)]
    features = {
        name: xr.DataArray(rng.standard_normal((images, 5)), dims=("stimulus", "feature"), coords={"stimulus": ids})
        for name in ("wrong", "right")
    }
    signal = features["right"].values[:, :1] * np.array([1.0, 1.0, -1.0, 0.5])
    values = signal[:, None] + noise * rng.standard_normal((images, repetitions, 4))
    values[::3, -1] = np.nan
    units = build_units(scores={"neuron": np.arange(4)})
    stimuli = StimulusSet.open(rng.integers(0, 255, (images, 8, 8, 3), np.uint8), ids=ids)
    split = Split.random(ids, 0, (0.7, 0.0, 0.3))
    return features, Recording("small", "1", stimuli, build_responses(values, ids, units), units, split)


def test_decoders_see_no_test_image(script):
    recording = small_digits()
    for decoder in script.digits.DECODERS.values():
        before = script.digits.decode(decoder, recording)
        images = np.stack(list(recording.stimuli))
        changed = images.copy()
        changed[np.isin(recording.stimuli.ids, recording.split.test)] = 255 - images[0]
        other = Recording(
            "small",
            "1",
            StimulusSet.open(changed, ids=recording.stimuli.ids),
            recording.responses,
            recording.units,
            recording.split,
        )
        np.testing.assert_array_equal(script.digits.decode(decoder, other), before)


def test_decoding_beats_the_floor_only_where_responses_know_the_image(script):
    rows = script.digits.digit_rows(small_digits(), {"one": [small_digits().split]}, draws=50, permutations=50)
    score = {row["method"]: row["pixel_correlation"][0] for row in rows}
    assert score["ridge to pixels"] > score["mean training image (floor)"] + 0.05
    assert score["mean image of the digit, which is told"] > score["mean training image (floor)"] + 0.05
    assert {row["method"]: row["p"] for row in rows}["ridge to pixels"] <= 0.05
    blind = script.digits.digit_rows(small_digits(noise=1e6), {"one": [small_digits().split]}, 50, 50)
    assert {row["method"]: row["p"] for row in blind}["ridge to pixels"] > 0.05
    for row in rows:
        value, low, high = row["ssim"]
        assert low <= value <= high


def test_cross_validation_scores_every_image_once(script):
    recording = small_digits()
    ids = np.array(recording.stimuli.ids)
    folds = [Split(train=tuple(np.delete(ids, np.s_[k::3])), test=tuple(ids[k::3])) for k in range(3)]
    decoded = script.digits.decode_all(script.digits.mean_image, recording, folds)
    assert {name: len(values) for name, values in decoded.scores.items()} == dict.fromkeys(script.digits.METRICS, 24)
    assert decoded.scores["two_way_pixels"].mean() == pytest.approx(0.5)


def test_layer_is_chosen_and_fitted_on_training_images_alone(script):
    features, recording = small_neurons()
    model = script.macaque.LayerRidge(features).fit(recording)
    predicted = model.encode(recording.split.test)
    assert model.layer == "right"
    poisoned = {name: array.copy() for name, array in features.items()}
    outside = np.isin(recording.responses["stimulus"].values, recording.split.test)
    for array in poisoned.values():
        array.values[outside] = 1e9
    values = recording.responses.copy(deep=True)
    values.values[outside] = -1e9
    other = Recording("small", "1", recording.stimuli, values, recording.units, recording.split)
    again = script.macaque.LayerRidge(poisoned).fit(other)
    again.features = features
    assert again.layer == "right"
    np.testing.assert_array_equal(again.encode(recording.split.test), predicted)


def test_cross_validated_predictions_come_from_models_without_the_image(script):
    features, recording = small_neurons()
    ids = recording.responses["stimulus"].values
    splits = [Split(train=tuple(np.delete(ids, np.s_[k::4])), test=tuple(ids[k::4])) for k in range(4)]
    predicted = script.macaque.cross_validated(features, recording, splits)
    assert predicted["stimulus"].values.tolist() == ids.tolist()
    alone = script.macaque.LayerRidge(features).fit(recording.with_split(splits[2])).encode([ids[2]])
    np.testing.assert_allclose(predicted.sel(stimulus=ids[2]), alone[0])


def test_scores_of_neurons_are_those_of_plain_formulas(script):
    _, recording = small_neurons()
    prediction = recording.responses.mean("repetition") + 0.3
    neurons = script.macaque.score_neurons(prediction, recording.responses, draws=40)
    np.testing.assert_allclose(neurons.correlation[0], 1, atol=1e-6)
    np.testing.assert_allclose(neurons.normalised[0], 1 / neurons.ceiling[0], rtol=1e-5)
    assert neurons.ceiling.shape == (41, 4)
    assert np.abs(neurons.ceiling - neurons.split_half)[0].max() < 0.05
    for value, low, high in script.macaque.with_interval(neurons.ceiling):
        assert low < value < high
    # signal variance 1 (a quarter in the last), noise variance 1 over five or six repetitions
    np.testing.assert_allclose(neurons.ceiling[0], [0.85, 0.85, 0.85, 0.58], atol=0.12)


def test_tables_are_markdown_with_intervals(script):
    rows = [
        {"a": "x", "r": (0.5, 0.25, 0.75), "n": 3, "p": None},
        {"a": "y", "r": (0.5, np.nan, np.nan), "n": 4, "p": 0.1},
    ]
    assert script.page.table(rows) == [
        "| a | r | n | p |",
        "| --- | --- | --- | --- |",
        "| x | 0.500 [0.250, 0.750] | 3 | - |",
        "| y | 0.500 | 4 | 0.100 |",
    ]


def test_page_is_wrapped_but_tables_and_lists_are_not(script):
    text = script.page.wrapped(["# Head", "", "word " * 60, "", "| " + "cell " * 60 + "|", "", "- item", "- item"])
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120
    assert "- item\n- item" in text


def cells(text: str, first: str, method: str) -> list[str]:
    """Cells of the one row that begins with these two."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    (row,) = [row for row in rows if row[:2] == [first, method]]
    return row


def test_documented_digit_numbers_are_reproduced(script, shared_data):
    text = PAGE.read_text(encoding="utf-8")
    recording = load_dataset("digit69", shared_data / "digit69").subject("1")
    rows = script.digits.digit_rows(recording, {"published": [recording.split]}, draws=1000, permutations=20)
    for row in rows:
        written = cells(text, "published", row["method"])
        for metric, cell in zip(script.digits.METRICS, written[3:], strict=False):
            numbers = [float(part) for part in re.findall(r"-?\d+\.\d+", cell)]
            # another linear algebra library may round a decoded pixel the other way
            assert numbers == pytest.approx(row[metric], abs=0.002), (row["method"], metric)
    for method, (correlation, similarity) in script.digits.PUBLISHED.items():
        written = cells(text, "published", f"{method} (read off a chart)")
        assert float(written[3]) == correlation
        assert written[4].startswith(f"{similarity:.3f}")


def test_documented_page_is_whole_and_names_its_command():
    text = PAGE.read_text(encoding="utf-8")
    assert "python benchmarks/results.py --data FOLDER" in text
    for head in ("## Macaque V4", "## Digits", "## What is not claimed", "### Each neuron"):
        assert head in text
    assert not re.search(r"/(work|home|root|tmp|Users)/", text)
    neurons = [line for line in text.split("### Each neuron")[1].splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(neurons) == 50
