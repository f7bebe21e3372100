"""Scripts of results that decode embeddings: what they score is what was held out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from braincodec.evaluation.decoding import cosine_similarity, retrieval_top_k
from braincodec.stimuli import StimulusSet

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import results_macaque_decoders
    import results_macaque_decoding
    import results_rescaling

    monkeypatch.setattr(results_macaque_decoders, "HEAD", {"dimension": 4, "epochs": 2, "weight_decays": (0.0,)})
    monkeypatch.setattr(results_macaque_decoders, "FOLDS", 2)
    monkeypatch.setattr(results_macaque_decoders, "SIDE", 12)
    monkeypatch.setattr(results_macaque_decoding, "SHEET_COLUMNS", 4)
    for name, value in {"TRAINING": 60, "POOL": 30, "SET": 12, "PART": 4}.items():
        monkeypatch.setattr(results_rescaling, name, value)
    return SimpleNamespace(
        decoders=results_macaque_decoders, macaque=results_macaque_decoding, rescaling=results_rescaling
    )


def small_session(script, name="a", images=40, neurons=20, noise=0.2):
    """Embeddings are mean colours of quadrants, and neurons are mixtures of them."""
    random = np.random.default_rng([images, ord(name)])
    patches = random.integers(0, 256, (images, 2, 2, 3), np.uint8)
    pixels = patches.repeat(6, 1).repeat(6, 2)
    embeddings = (patches.reshape(images, -1) / 128 - 1).astype(np.float32)
    responses = embeddings @ random.normal(size=(12, neurons)) + noise * random.normal(size=(images, neurons))
    rows = np.arange(images)
    folds = [(rows[rows % 2 != fold], rows[rows % 2 == fold]) for fold in range(2)]
    return script.decoders.Session(name, responses, embeddings, pixels, StimulusSet.open(pixels), rows, folds)


def small_world(script, voxels=40):
    """Voxels are mixtures of embeddings; each of three kinds of image has a mean of its own."""
    random = np.random.default_rng(0)
    kinds = np.array(["leaves", "letters", "photograph"])[np.arange(90) % 3]
    embeddings = random.normal(size=(90, 8)) + 3 * random.normal(size=(3, 8))[np.arange(90) % 3]
    signal = embeddings @ random.normal(size=(8, voxels)) / 3
    return script.rescaling.World(signal, embeddings.astype(np.float32), np.full(voxels, 0.5), kinds)


def test_ranks_are_those_that_retrieval_counts(script):
    random = np.random.default_rng(0)
    queries, members = random.normal(size=(2, 30, 5))
    own = np.diagonal(script.decoders.ranks_of(cosine_similarity(queries, members)))
    for k in (1, 5, 10):
        np.testing.assert_array_equal(own < k, retrieval_top_k(queries, members, k))
    assert script.decoders.ranks_of(np.zeros((2, 3))).tolist() == [[2, 2, 2]] * 2


def test_neurons_that_carry_the_embedding_find_their_photographs(script):
    sessions = [small_session(script, name) for name in "ab"]
    results = [script.decoders.decode_fold(sessions, 0, fold) for fold in range(2)]
    for method in range(4):
        row = script.macaque.retrieval_row(results, method, draws=50, permutations=50)
        assert row["photographs"] == 40
        assert row["gallery"] == "20"
        assert row["top 1"][0] > 0.6
        assert float(row["shuffled pairs"].split(" / ")[0]) == pytest.approx(1 / 20, abs=0.03)
        assert row["two-way"][0] > 0.9
        assert row["top 1 of all sessions"][0] <= row["top 1"][0]
    rows = {kind: script.macaque.image_row(results, kind, draws=50) for kind in script.decoders.IMAGES}
    floor = rows[script.decoders.FLOOR]["pixel correlation"][0]
    assert all(row["pixel correlation"][0] > floor + 0.2 for kind, row in rows.items() if kind != script.decoders.FLOOR)


def test_photographs_in_two_sessions_are_counted(script):
    one, other = small_session(script, "a"), small_session(script, "b", images=30)
    assert script.decoders.count_shared([one, other]) == 0
    copied = np.concatenate([other.pixels[:-2], one.pixels[:2]])
    both = replace(other, pixels=copied, photographs=StimulusSet.open(copied))
    assert script.decoders.count_shared([one, both]) == 2


def test_the_sheet_is_a_small_picture(script, tmp_path):
    pytest.importorskip("matplotlib")
    session = small_session(script)
    result = script.decoders.decode_fold([session, small_session(script, "b")], 0, 0)
    script.macaque.draw_sheet(session, result, tmp_path / "sheet.jpg")
    assert 1000 < (tmp_path / "sheet.jpg").stat().st_size < 200_000


def test_only_the_transductive_rule_depends_on_the_company(script):
    world = small_world(script)
    levels = {"as simulated": script.rescaling.measure_and_decode(world, 1.0)}
    rows, largest = script.rescaling.composition_rows(world, levels, draws=10)
    assert largest == 0
    of_kind = next(row for row in rows if row["images"] == "one kind")
    assert of_kind["alone - among"][0] < -0.05
    assert of_kind["training, in any company"][0] > of_kind["transductive, 4 alone"][0]


def test_rescaling_restores_the_spread(script):
    world = small_world(script)
    rows = script.rescaling.rule_rows(world, {"high": script.rescaling.measure_and_decode(world, 20.0)}, draws=10)
    spread = {row["rescale"]: row["spread"][0] for row in rows if row["test repetitions"] == "1"}
    assert spread["none"] < 0.8
    assert abs(spread["training"] - 1) < abs(spread["none"] - 1)
