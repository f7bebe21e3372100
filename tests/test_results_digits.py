"""The script that decodes digits by LEA: what it chooses by, what it scores, and what it writes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import pearsonr

import braincodec as bc
from braincodec.datasets import Recording, Split
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

ROOT = Path(__file__).parents[1]
SIDE = 28


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results_decoding_digits
    import results_digits
    import results_digits_lea
    import results_page

    return SimpleNamespace(
        decoding=results_decoding_digits, digits=results_digits, lea=results_digits_lea, page=results_page
    )


def strokes(images: int = 30, voxels: int = 40) -> Recording:
    """Bars and crosses, seen by voxels each at its own place."""
    random = np.random.default_rng(0)
    pixels = np.zeros((images, SIDE, SIDE), np.uint8)
    digit = np.where(np.arange(images) % 2, 9, 6)
    for image, kind, (row, column) in zip(pixels, digit, random.integers(7, 18, (images, 2)), strict=True):
        image[row : row + 3, 5:23] = 255
        if kind == 9:
            image[5:23, column : column + 3] = 255
    rows, columns = np.mgrid[:SIDE, :SIDE]
    places = random.uniform(5, 23, (2, voxels))
    fields = np.exp(-((rows[..., None] - places[0]) ** 2 + (columns[..., None] - places[1]) ** 2) / 8)
    seen = np.tensordot(pixels / 255, fields, 2)
    values = seen / (seen + 3) + 0.05 * random.normal(size=(images, voxels))
    ids = [f"stroke-{number:02}" for number in range(images)]
    responses = build_responses(values, ids, build_units(scores={"voxel": np.arange(voxels)}))
    split = Split(train=tuple(ids[:-6]), test=tuple(ids[-6:]))
    stimuli = StimulusSet.open(pixels, ids=ids, layout="grey")
    labelled = responses.assign_coords(digit=("stimulus", digit))
    return Recording("strokes", "1", stimuli, labelled, responses.unit.to_dataset(), split)


def quick_settings(script) -> object:
    return script.lea.Settings(windows=(5, 0.1, 0.15), smoothness=0.1, least_r2=0.05)


def test_every_candidate_and_every_method_is_a_valid_model(script):
    for settings in script.lea.CANDIDATES.values():
        assert settings.model().recipe.inverts_encoding
    for method in script.decoding.METHODS.values():
        assert isinstance(script.lea.Settings().model(**method.changes), bc.LEA)
    assert set(script.decoding.ENCODERS) <= set(script.decoding.METHODS)
    assert set(script.decoding.SHOWN) <= set(script.decoding.METHODS) | set(script.digits.DECODERS)


def test_candidates_differ_from_the_first_by_one_thing(script):
    first, *others = script.lea.CANDIDATES.values()
    for settings in others:
        changed = [name for name, value in vars(settings).items() if value != getattr(first, name)]
        assert len(changed) == 1 or changed == ["windows", "smoothness"]


def test_folds_hold_each_image_out_once_and_digits_alike(script):
    digits = np.repeat([6, 9], [45, 45])
    folds = np.array(script.lea.stratified(digits))
    assert (folds.sum(0) == 1).all()
    assert {(fold & (digits == 6)).sum() for fold in folds} == {9}


def test_choice_is_by_the_mean_of_both_scores_and_goes_on_where_it_was(script, monkeypatch, tmp_path):
    scores = {"a": (0.8, 0.6, 0.1), "b": (0.7, 0.75, 0.1), "c": (0.75, 0.6, 0.1)}
    calls = []

    def scored(settings, recording):
        calls.append(settings)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return scores[settings]

    monkeypatch.setattr(script.lea, "cross_validated", scored)
    candidates = {name: name for name in scores}
    with pytest.raises(KeyboardInterrupt):
        script.lea.choose(None, tmp_path, candidates)
    choice = script.lea.choose(None, tmp_path, candidates)
    assert calls == ["a", "b", "c", "c"]
    assert choice.best == "b"
    assert "| **b** | **0.700** | **0.750** | **0.100** |" in script.decoding.choice_table(choice)


def test_choosing_looks_at_no_test_image(script, monkeypatch):
    recording = strokes()
    stratified = script.lea.stratified
    monkeypatch.setattr(script.lea, "stratified", lambda digits: stratified(digits, folds=2))
    few = {"candidates": 30, "steps": 2}
    monkeypatch.setattr(script.lea.Settings, "generator", lambda self, **more: {"kind": "deformed_images"} | few)
    found = script.lea.cross_validated(quick_settings(script), recording)
    test = np.isin(recording.stimuli.ids, recording.split.test)
    pixels, values = np.stack(list(recording.stimuli)), recording.responses.values.copy()
    pixels[test], values[test] = 255 - pixels[test], -values[test]
    other = Recording(
        "strokes",
        "1",
        StimulusSet.open(pixels, ids=recording.stimuli.ids),
        recording.responses.copy(data=values),
        recording.units,
        recording.split,
    )
    assert script.lea.cross_validated(quick_settings(script), other) == found


def test_both_directions_of_a_scheme_are_scored(script, monkeypatch, tmp_path):
    recording = strokes()
    few = {"kind": "deformed_images", "candidates": 60, "steps": 5, "particles": 4}
    monkeypatch.setattr(script.lea.Settings, "generator", lambda self, **more: few)
    runs = script.decoding.Runs(recording, [recording.split], quick_settings(script))
    ours = runs.decode(script.decoding.OURS)
    row = script.digits.digit_row("ours", "one", ours, draws=50, permutations=50)
    floor = script.digits.decode_all(script.digits.mean_image, recording, [recording.split])
    assert row["pixel_correlation"][0] > floor.scores["pixel_correlation"].mean() + 0.1
    assert row["n_way"][0] == np.mean(ours.scores["two_way_pixels"] == 1)
    encoded = runs.encoded[script.decoding.OURS]
    scored = script.decoding.encoding_row(encoded, encoded.predictable, draws=50)
    expected = [pearsonr(*pair).statistic for pair in zip(encoded.predicted[0].T, encoded.measured[0].T, strict=True)]
    assert scored["profile r, all voxels"][0] == pytest.approx(np.mean(expected), abs=1e-5)
    good = np.array(expected)[encoded.predictable].mean()
    assert scored["profile r, predictable voxels"][0] == pytest.approx(good, abs=1e-5)
    assert scored["two-way"][0] > 0.7
    images = ours.pairs[0]
    script.decoding.draw_sheet({"decoded": images[0]}, images[1], tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_the_method_to_be_seen_is_in_bold(script):
    score = (0.5, 0.4, 0.6)
    row = {"method": "ours", "scheme": "one", "images": 6, "p": 0.01, "n_way": score}
    row |= dict.fromkeys(script.digits.METRICS, score)
    lines = script.page.digit_table([row, row | {"method": "other"}], emphasised="ours")
    assert lines[2].startswith("| **one** | **ours** |")
    assert lines[3].startswith("| one | other |")
    assert len({line.count("|") for line in lines}) == 1


def test_published_figures_are_placed_beside_our_interval(script, monkeypatch):
    monkeypatch.setattr(script.digits, "PUBLISHED", {"They": (0.7, 0.5), "Others": (0.9, 0.1)})
    row = {"method": script.decoding.OURS, "scheme": "published"}
    row |= {"pixel_correlation": (0.8, 0.75, 0.85), "ssim_uniform7": (0.5, 0.4, 0.6)}
    assert script.decoding.standing([row]).endswith(
        "They: pixel correlation 0.700 against our 0.800: below our interval; uniform SSIM 0.500 against our 0.500: "
        "inside it. Others: pixel correlation 0.900 against our 0.800: above our interval; uniform SSIM 0.100 against "
        "our 0.500: below our interval.\n"
    )
