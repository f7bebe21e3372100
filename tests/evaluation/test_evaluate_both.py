"""`evaluate` of models that encode and decode: both directions in one result, samples, decoded embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.datasets import Recording
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation import METRICS, Scores, evaluate, retrieval_top_k, two_way_identification
from braincodec.evaluation.decoding.pixels import PixelCorrelation
from braincodec.stimuli import StimulusSet

from .recordings import recording

QUICK = {"draws": 60, "permutations": 60, "leakage": "off", "progress": False}
NAMES = ["correlation", "pattern_*", "pixel_correlation", "mse", "two_way_pixels"]


class Codec:
    """Knows the signal and the images, and blurs both; samples differ by noise of their own."""

    def __init__(self, known: Recording, signal: np.ndarray, noise: float = 60.0) -> None:
        ids = [str(item) for item in known.stimuli.ids]
        self.signal = dict(zip(ids, signal, strict=True))
        self.images = dict(zip(ids, known.stimuli, strict=True))
        self.noise, self.asked = noise, []

    def encode(self, stimuli):
        return np.stack([self.signal[str(item)] for item in stimuli.ids])

    def decode(self, responses, *, n_samples=1, seed=0, rescale=None):
        self.asked.append((responses.dims, n_samples, seed, rescale))
        rng = np.random.default_rng(seed)
        ids = [str(item) for item in responses["stimulus"].values]
        names = [f"{item}-sample-{k}" if n_samples > 1 else item for item in ids for k in range(1, n_samples + 1)]
        true = np.stack([self.images[item] for item in ids]).repeat(n_samples, axis=0)
        drawn = np.clip(true + self.noise * rng.standard_normal(true.shape), 0, 255).astype(np.uint8)
        return StimulusSet.open(drawn, ids=names)


class Embedding(Codec):
    """Also shows the embedding that it decodes: coarse pixels."""

    def embed(self, stimuli):
        return np.stack(list(stimuli)).astype(np.float32).reshape(len(stimuli), -1)[:, ::7] / 255

    def predict_embeddings(self, responses):
        images = StimulusSet.open(np.stack([self.images[str(item)] for item in responses["stimulus"].values]))
        true = self.embed(images)
        return true + 0.3 * np.random.default_rng(1).standard_normal(true.shape).astype(np.float32)


@pytest.fixture(scope="module")
def known():
    return recording(stimuli=50)


@pytest.fixture(scope="module")
def both(known):
    return evaluate(Codec(*known), known[0], metrics=NAMES, **QUICK)


def test_one_result_has_the_rows_of_both_directions(known, both):
    measured, _ = known
    encoding = evaluate(Codec(*known), measured, metrics=["correlation", "pattern_*"], direction="encoding", **QUICK)
    decoding = evaluate(Codec(*known), measured, metrics="pixel_correlation", direction="decoding", **QUICK)
    assert both.direction == "both" and both.directions == ("encoding", "decoding")
    assert list(dict.fromkeys(both.table["direction"])) == ["encoding", "decoding"]
    for one, direction in ((encoding, "encoding"), (decoding, "decoding")):
        assert set(one.table["direction"]) == {direction} == set(one.directions)
        rows = both.table[both.table["direction"] == direction].set_index(["roi", "metric"])
        for row in one.table.itertuples():
            assert rows.loc[(row.roi, row.metric), "value"] == row.value
            assert rows.loc[(row.roi, row.metric), "low"] == row.low
    assert {"pattern_correlation", "pixel_correlation", "mse"} <= set(both.stimuli)
    assert "correlation" in both.units and both.images["prediction"].shape == (20, 16, 16, 3)
    assert both.about["noise_ceiling"]["method"] != "none"
    assert "decoding" in repr(both) and "direction" in repr(both)
    assert "direction" not in repr(encoding).splitlines()[1]


def test_leakage_is_looked_for_once(known, monkeypatch):
    from braincodec.evaluation.judging import leakage

    calls = []
    monkeypatch.setattr(leakage, "_check", lambda *given: calls.append(given) or {"passed": True, "summary": ""})
    evaluate(Codec(*known), known[0], metrics=["correlation", "mse"], **(QUICK | {"leakage": "hash"}))
    assert len(calls) == 1


def test_each_direction_stands_alone_again(both, tmp_path):
    loaded = Scores.load(both.save(tmp_path / "scores"))
    assert loaded.direction == "both" and loaded.table.equals(both.table)
    for scores in (both, loaded):
        decoding = scores.of_direction("decoding")
        assert decoding.direction == "decoding" and set(decoding.table["direction"]) == {"decoding"}
        assert set(decoding.stimuli) == {"pixel_correlation", "mse", "two_way_pixels"} and not decoding.units.data_vars
        assert decoding.replicates.sizes["row"] == 3 and decoding.images is not None
        encoding = scores.of_direction("encoding")
        assert "pattern_correlation" in encoding.stimuli and encoding.images is None and encoding.units.data_vars
    with pytest.raises(UnknownNameError, match="decoding"):
        encoding.of_direction("decoding")


def test_exports_and_comparison_of_both_directions(known, both, tmp_path):
    worse = evaluate(Codec(*known, noise=200), known[0], metrics=NAMES, name="worse", **QUICK)
    compared = both.compare(worse).table.set_index(["direction", "metric", "roi"])
    assert compared.loc[("decoding", "pixel_correlation", "all"), "difference"] > 0
    assert compared.loc[("encoding", "correlation", "all"), "difference"] == 0
    assert "Direction" in both.to_latex() and "encoding and decoding" in both.to_latex()
    assert "direction" in both.compare(worse).readable()
    assert both.to_html(tmp_path / "report.html").stat().st_size > 10_000


def test_names_and_patterns_choose_among_the_metrics_of_both(known):
    measured, codec = known[0], Codec(*known)
    only = evaluate(codec, measured, metrics="two_way_pix*", **QUICK)
    assert only.direction == "decoding" and only.table["metric"].tolist() == ["two_way_pixels"]
    assert evaluate(codec, measured, metrics="correlation", **QUICK).direction == "encoding"
    with pytest.raises(InputValueError, match="mse is a metric of decoding"):
        evaluate(codec, measured, metrics="mse", direction="encoding", **QUICK)


def test_a_metric_of_both_directions_is_told_apart(known, monkeypatch):
    from dataclasses import replace

    from braincodec.evaluation.encoding.pattern_correlation import PatternCorrelation

    class Anywhere(PixelCorrelation):
        definition = replace(PixelCorrelation.definition, name="anywhere", direction="both")

        def update(self, prediction, truth):
            self.patterns = np.ndim(prediction) == 2
            if self.patterns:
                self.inner = getattr(self, "inner", PatternCorrelation()).update(prediction, truth)
                return self
            return super().update(prediction, truth)

        def compute(self):
            return self.inner.compute() if self.patterns else super().compute()

    monkeypatch.setattr(METRICS, "_objects", dict(METRICS._objects))
    METRICS.register("anywhere")(Anywhere)
    scores = evaluate(Codec(*known), known[0], metrics=["anywhere", "pixel_correlation"], **QUICK)
    with pytest.raises(InputValueError, match="both directions"):
        scores.value("anywhere")
    assert scores.value("anywhere", direction="decoding") == scores.value("pixel_correlation")
    image = scores.of_direction("decoding").stimuli
    np.testing.assert_array_equal(image["anywhere"], image["pixel_correlation"])
    assert not np.allclose(scores.of_direction("encoding").stimuli["anywhere"], image["anywhere"])


def test_several_subjects_of_both_directions(known):
    measured, signal = known
    other = Recording("example", "2", measured.stimuli, measured.responses, measured.units, measured.split)
    given = [Codec(measured, signal), Codec(measured, signal, noise=150)]
    scores = evaluate(given, [measured, other], metrics=["correlation", "pattern_correlation", "mse"], **QUICK)
    assert scores.value("mse", subject="1") < scores.value("mse", subject="2")
    assert scores.stimuli["mse"].dims == scores.stimuli["pattern_correlation"].dims == ("stimulus", "subject")
    assert scores.images["ids"][0].startswith("subject 1, ") and len(scores.images["ids"]) == 40
    assert scores.of_direction("decoding").table["subject"].tolist() == ["1", "2"]


# samples


def test_scores_are_means_over_samples_and_thumbnails_show_the_first(known):
    measured, _ = known
    codec = Codec(*known)
    names = ["pixel_correlation", "two_way_mse", "ssim"]
    scores = evaluate(codec, measured, metrics=names, direction="decoding", samples=3, seed=5, **QUICK)
    assert codec.asked == [(("stimulus", "unit"), 3, 5, None)]
    decoded = codec.decode(measured.part("test")[1].mean("repetition"), n_samples=3, seed=5)
    for name in names:
        apart = [
            evaluate(np.stack(list(decoded))[k::3], measured, metrics=name, **QUICK).stimuli[name].values
            for k in range(3)
        ]
        np.testing.assert_allclose(scores.stimuli[name], np.mean(apart, 0), atol=1e-12)
    assert scores.images["samples"].shape == (20, 3, 16, 16, 3)
    np.testing.assert_array_equal(scores.images["samples"][:, 0], scores.images["prediction"])
    assert any("3 images were decoded from each response" in note for note in scores.about["warnings"])
    assert scores.about["samples"] == 3


@pytest.mark.parametrize("form", ["ids", "places", "axis", "file names"])
def test_samples_that_were_decoded_before_are_found(known, form):
    measured, _ = known
    codec = Codec(*known)
    decoded = codec.decode(measured.part("test")[1].mean("repetition"), n_samples=2, seed=0)
    pixels = np.stack(list(decoded))
    given = {
        "ids": decoded[list(decoded.ids)[::-1]],
        "places": StimulusSet.open(pixels),
        "axis": pixels.reshape(20, 2, 16, 16, 3),
        "file names": StimulusSet.open(pixels, ids=[f"{item}.png" for item in decoded.ids]),
    }[form]
    if form == "axis":
        given = type("Arrays", (), {"decode": lambda self, responses, n_samples=1: pixels.reshape(20, 2, 16, 16, 3)})()
    scores = evaluate(given, measured, metrics="mse", samples=2, **QUICK)
    expected = evaluate(codec, measured, metrics="mse", samples=2, **QUICK)
    assert scores.value("mse") == expected.value("mse")


def test_samples_that_cannot_be_had_are_refused(known):
    measured, _ = known
    codec = Codec(*known)
    decoded = codec.decode(measured.part("test")[1].mean("repetition"), n_samples=2)
    with pytest.raises(InputValueError, match="image-030-sample-3"):
        evaluate(decoded, measured, metrics="mse", samples=3, **QUICK)
    with pytest.raises(InputValueError, match="say samples="):
        evaluate(decoded, measured, metrics="mse", **QUICK)
    plain = type("Plain", (), {"decode": lambda self, responses: None})()
    with pytest.raises(InputValueError, match="takes no `n_samples`"):
        evaluate(plain, measured, metrics="mse", samples=2, **QUICK)
    with pytest.raises(InputValueError, match="samples"):
        evaluate(codec, measured, samples=0, **QUICK)


# decoded embeddings


def test_decoded_embeddings_are_scored_as_the_functions_do(known):
    measured, codec = known[0], Embedding(*known)
    scores = evaluate(codec, measured, metrics="*_embedding", **QUICK)
    stimuli, responses = measured.part("test")
    predicted, true = codec.predict_embeddings(responses), codec.embed(stimuli)
    for name, expected in (
        ("two_way_embedding", two_way_identification(predicted, true)),
        ("retrieval_top_1_embedding", retrieval_top_k(predicted, true, 1)),
        ("retrieval_top_5_embedding", retrieval_top_k(predicted, true, 5)),
    ):
        np.testing.assert_allclose(scores.stimuli[name], expected)
        np.testing.assert_allclose(METRICS.get(name)().update(predicted, true).compute(), expected)
        row = scores.table.set_index("metric").loc[name]
        assert row.value == pytest.approx(expected.mean()) and row.direction == "decoding"
        assert row.low <= row.value <= row.high and row.floor >= row.chance and row.p_value < 0.05
    assert scores.table.set_index("metric").loc["retrieval_top_5_embedding", "chance"] == 5 / 20
    assert scores.images is None and not codec.asked


def test_embeddings_are_asked_of_those_that_have_them(known):
    measured = known[0]
    silent = evaluate(Codec(*known), measured, metrics=["mse", "two_way_*mse"], **QUICK)
    assert "two_way_embedding" not in silent.about["skipped"]
    named = evaluate(Codec(*known), measured, metrics=["mse", "two_way_embedding"], **QUICK)
    assert named.about["skipped"]["two_way_embedding"] == "needs a model with predict_embeddings and embed"
    broken = Embedding(*known)
    broken.predict_embeddings = lambda responses: np.full((len(responses), 3), np.nan)
    with pytest.raises(InputValueError, match="predict_embeddings gave embeddings with 60 values"):
        evaluate(broken, measured, metrics="two_way_embedding", **QUICK)


# what is named


def test_transductive_rescaling_and_published_preprocessing_are_named(known):
    measured, codec = known[0], Codec(*known)
    about = {"settings": {"preprocessing": "published"}, "preprocessing": "test patterns were left as they are"}
    codec.description = type("About", (), {"model": "codec", "licence": "", "citation": "", "training": about})()
    scores = evaluate(codec, measured, metrics=["correlation", "mse"], rescale="transductive", **QUICK)
    assert codec.asked[0][3] == "transductive"
    assert any("predictions were rescaled" in note for note in scores.about["warnings"])
    assert "preprocessing='published': test patterns were left as they are" in scores.about["warnings"]
    assert scores.about["preprocessing"] == "test patterns were left as they are"


def test_a_model_that_rescales_itself_is_not_rescaled_again(known):
    measured, signal = known

    class Itself(Codec):
        def encode(self, stimuli, rescale=None):
            self.rescaled = rescale
            return 3 * super().encode(stimuli)

    codec = Itself(measured, signal)
    same = {"metrics": "r2_determination", **QUICK}
    assert evaluate(codec, measured, rescale="transductive", **same).value("r2_determination") < 0
    assert codec.rescaled == "transductive"
    assert evaluate(Codec(measured, signal), measured, rescale="transductive", **same).value("r2_determination") > 0


def test_an_artefact_that_cannot_decode_is_not_taken_for_images(tmp_path):
    from ..small_models import gabor_linear

    folder = gabor_linear().save(tmp_path / "model")
    with pytest.raises(InputValueError, match="is for encoding"):
        evaluate(folder, recording(stimuli=50)[0], direction="decoding", **QUICK)
