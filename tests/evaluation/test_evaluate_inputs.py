"""What `evaluate` takes and refuses: models, files, arrays; ids and units in any order; what does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from braincodec.datasets import Counts, Dataset, Recording
from braincodec.errors import InputTypeError, InputValueError, MissingFileError
from braincodec.evaluation import evaluate
from braincodec.evaluation.judging.finite import refuse_stray
from braincodec.responses import build_responses, build_units, concatenate_units

from ..small_models import images, linear
from .recordings import TRAIN, recording

QUICK = {"metrics": "correlation", "draws": 20, "permutations": 20, "leakage": "off"}


@pytest.fixture(scope="module")
def known():
    return recording(stimuli=60, units=10)


@pytest.fixture(scope="module")
def labelled(known):
    """Predictions as a labelled array, and their scores."""
    measured, signal = known
    prediction = build_responses(signal[TRAIN:], measured.split.test, measured.units)
    return prediction, evaluate(prediction, measured, **QUICK)


def same(scores, other):
    np.testing.assert_allclose(scores.units["correlation"], other.units["correlation"], rtol=1e-6)


def test_stimuli_are_matched_by_id_whatever_their_order_and_others_ignored(known, labelled):
    measured, signal = known
    order = np.random.default_rng(0).permutation(60)
    everything = build_responses(signal[order], np.array(measured.stimuli.ids)[order], measured.units)
    same(evaluate(everything, measured, **QUICK), labelled[1])


def test_missing_stimuli_are_counted_and_the_first_is_named(known, labelled):
    measured, _ = known
    with pytest.raises(InputValueError, match=r"lack 2 of 30 stimuli, the first is 'image-058'"):
        evaluate(labelled[0][:28], measured, **QUICK)
    twice = xr.concat([labelled[0], labelled[0][:1]], "stimulus")
    with pytest.raises(InputValueError, match="occurs 2 times"):
        evaluate(twice, measured, **QUICK)


def test_units_are_matched_by_voxel_whatever_their_order(known, labelled):
    measured, _ = known
    order = np.random.default_rng(1).permutation(10)
    same(evaluate(labelled[0].isel(unit=order), measured, **QUICK), labelled[1])


def test_units_that_are_not_predicted_are_counted_and_named(known, labelled):
    measured, _ = known
    with pytest.raises(InputValueError, match=r"2 of 10 measured units are not predicted, the first is i 8, j 2, k 3"):
        evaluate(labelled[0].isel(unit=slice(8)), measured, **QUICK)
    doubled = labelled[0].isel(unit=[*range(10), 3])
    with pytest.raises(InputValueError, match="i 3, j 0, k 3 is predicted more than once"):
        evaluate(doubled, measured, **QUICK)
    nameless = build_responses(labelled[0].values[:, :7], measured.split.test)
    with pytest.raises(InputValueError, match="7 predicted units and 10 measured ones"):
        evaluate(nameless, measured, **QUICK)


def test_vertices_are_matched_with_their_hemisphere():
    measured, signal = recording(stimuli=60, units=6)
    vertices = build_units(vertex=[5, 6, 7] * 2, hemisphere=["left"] * 3 + ["right"] * 3, space="fsaverage5")
    surface = Recording(
        "example",
        "1",
        measured.stimuli,
        build_responses(measured.responses.values, measured.stimuli.ids, vertices),
        vertices,
        measured.split,
    )
    plain = evaluate(signal[TRAIN:], surface, **QUICK)
    swapped = build_units(vertex=[5, 6, 7] * 2, hemisphere=["right"] * 3 + ["left"] * 3, space="fsaverage5")
    prediction = build_responses(signal[TRAIN:][:, [3, 4, 5, 0, 1, 2]], measured.split.test, swapped)
    same(evaluate(prediction, surface, **QUICK), plain)
    one_side = build_units(vertex=np.arange(6), hemisphere="left", space="fsaverage5")
    with pytest.raises(InputValueError, match=r"5 of 6 measured units.*hemisphere left, vertex 6"):
        evaluate(build_responses(signal[TRAIN:], measured.split.test, one_side), surface, **QUICK)


def test_joint_predictions_give_each_subject_its_own_units(known, labelled):
    measured, signal = known
    units = [measured.units.assign(subject=("unit", np.full(10, subject))) for subject in (2, 1)]
    values = np.hstack([-signal[TRAIN:], signal[TRAIN:]])
    joint = build_responses(values, measured.split.test, concatenate_units(units))
    same(evaluate(joint, measured, **QUICK), labelled[1])
    third = Recording("example", "3", measured.stimuli, measured.responses, measured.units, measured.split)
    with pytest.raises(InputValueError, match="of the subjects 1, 2, none of which is '3'"):
        evaluate(joint, third, **QUICK)
    second = Recording("example", "2", measured.stimuli, -measured.responses, measured.units, measured.split)
    both = evaluate([joint, joint], [measured, second], **QUICK)
    np.testing.assert_allclose(both.units["correlation"][10:], labelled[1].units["correlation"], rtol=1e-6)


@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".npz", ".npy"])
def test_files_are_scored_as_the_arrays_in_them(known, labelled, tmp_path, suffix):
    path = labelled[0].bc.save(tmp_path / f"predicted{suffix}")
    scores = evaluate(path, known[0], **QUICK)
    same(scores, labelled[1])
    assert scores.name == f"predicted{suffix}"


def test_lazy_responses_give_what_loaded_ones_give(known, labelled, tmp_path, monkeypatch):
    from braincodec.evaluation.judging import unit_blocks
    from braincodec.responses import open_responses

    monkeypatch.setattr(unit_blocks, "BLOCK_BYTES", 1)  # a tile for every unit
    measured, _ = known
    options = {**QUICK, "metrics": ["correlation", "r2_*", "noise*", "pattern_*", "rsa"]}
    eager = evaluate(labelled[0], measured, **options)
    for suffix in (".zarr", ".nc"):
        stored = open_responses(measured.responses.bc.save(tmp_path / f"measured{suffix}"))
        lazy = Recording("example", "1", measured.stimuli, stored, measured.units, measured.split)
        scores = evaluate(labelled[0].bc.save(tmp_path / f"predicted{suffix}"), lazy, **options)
        numbers = eager.table.select_dtypes("number").columns
        np.testing.assert_allclose(scores.table[numbers], eager.table[numbers], rtol=1e-5, atol=1e-7)


def test_a_model_is_asked_for_the_judged_stimuli_only(known, labelled):
    measured, signal = known

    class Model:
        def encode(self, stimuli):
            self.asked = stimuli.ids.tolist()
            return build_responses(signal[TRAIN:], stimuli.ids, measured.units)

    model = Model()
    scores = evaluate(model, measured, **QUICK)
    same(scores, labelled[1])
    assert model.asked == list(measured.split.test)
    assert scores.name == "Model"


@pytest.fixture(scope="module")
def encoder_and_recording():
    """A small encoder, and a recording that it explains but for noise."""
    from braincodec.datasets import Split
    from braincodec.stimuli import StimulusSet

    encoder = linear(7, licence="CC0-1.0", citation="nobody")
    stimuli = StimulusSet.open(images(40, 16), ids=[f"image-{number}" for number in range(40)])
    signal = encoder.encode(stimuli).values
    values = signal[:, None] + 0.5 * signal.std(0) * np.random.default_rng(0).standard_normal((40, 3, 7))
    responses = build_responses(values.astype(np.float32), stimuli.ids, encoder.units)
    split = Split(train=stimuli.ids[:10].tolist(), test=stimuli.ids[10:].tolist())
    return encoder, Recording("example", "1", stimuli, responses, encoder.units, split)


def test_encoders_are_described_by_their_card(encoder_and_recording):
    encoder, measured = encoder_and_recording
    scores = evaluate(encoder, measured, progress=False, **QUICK)
    assert scores.value("correlation") > 0.8
    about = scores.about["model"]
    assert about["id"] == "fmri-test" and about["licence"] == "CC0-1.0" and about["card"].startswith("---")
    assert scores.name == "fmri-test"
    assert evaluate(encoder, measured, name="mine", **QUICK).name == "mine"


def test_large_predictions_go_by_way_of_a_temporary_file(encoder_and_recording, monkeypatch, tmp_path):
    import tempfile

    from braincodec.evaluation.judging import predicting

    encoder, measured = encoder_and_recording
    direct = evaluate(encoder, measured, **QUICK)
    monkeypatch.setattr(predicting, "PREDICTED_BYTES", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    same(evaluate(encoder, measured, **QUICK), direct)
    assert not list(tmp_path.iterdir())


def test_an_artefact_is_opened_and_run(encoder_and_recording, tmp_path):
    from ..small_models import gabor_linear

    encoder = gabor_linear()
    measured = encoder_and_recording[1]
    signal = encoder.encode(measured.stimuli)
    recorded = Recording("example", "1", measured.stimuli, signal, encoder.units, measured.split)
    scores = evaluate(encoder.save(tmp_path / "model"), recorded, **QUICK)
    assert scores.value("correlation") == pytest.approx(1)
    assert scores.about["model"]["kind"] == "linear"


# hostile input


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_stray_values_are_counted_and_the_first_is_named(known, value, kind):
    measured, signal = known
    prediction = signal[TRAIN:].copy()
    prediction[4, 3] = prediction[6, 7] = value
    with pytest.raises(
        InputValueError, match=rf"predictions have .*{kind}, the first for stimulus 'image-034', unit 3"
    ):
        evaluate(prediction, measured, **QUICK)


def test_stray_measurements_are_refused_but_missing_repetitions_are_not(known):
    measured, signal = known
    values = measured.responses.values.copy()
    values[40, 1, 2] = np.nan  # one of four repetitions
    holes = Recording(
        "example",
        "1",
        measured.stimuli,
        build_responses(values, measured.stimuli.ids, measured.units),
        measured.units,
        measured.split,
    )
    assert np.isfinite(evaluate(signal[TRAIN:], holes, **QUICK).units["correlation"]).all()
    values[40, :, 2] = np.nan  # all of them
    with pytest.raises(InputValueError, match=r"measured responses have 1 value that is NaN.*'image-040', unit 2"):
        evaluate(signal[TRAIN:], holes, **QUICK)


def test_refusal_counts_in_the_whole_array():
    values = np.ones((3, 2, 4))
    values[1, 0, 2] = np.nan
    refuse_stray("responses", values, "abc", 100, repeated=True)
    values[1, 1, 2] = np.nan
    with pytest.raises(InputValueError, match="'b', unit 102"):
        refuse_stray("responses", values, "abc", 100, repeated=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda signal: signal[TRAIN:, :5], r"\(30, 5\).*\(30, 10\)"),
        (lambda signal: signal[:20], r"\(20, 10\).*\(30, 10\)"),
        (lambda signal: signal[TRAIN:, 0], r"\(30,\).*\(30, 10\)"),
        (lambda signal: signal[TRAIN:].astype(str), "real numbers"),
        (lambda signal: xr.DataArray(signal[TRAIN:], dims=("stimulus", "unit")), "ids"),
        (lambda signal: xr.DataArray(signal, dims=("image", "voxel"), coords={"image": range(60)}), "stimulus"),
    ],
)
def test_arrays_of_the_wrong_shape_or_kind_are_refused(known, make, message):
    measured, signal = known
    with pytest.raises((InputValueError, InputTypeError), match=message):
        evaluate(make(signal), measured, **QUICK)


def test_what_cannot_be_judged_says_what_can(known, tmp_path):
    measured, signal = known
    with pytest.raises(InputTypeError, match="cannot judge a dict"):
        evaluate({"a": 1}, measured, **QUICK)
    with pytest.raises(InputTypeError, match="not ndarray"):
        evaluate(signal, signal, **QUICK)
    with pytest.raises(MissingFileError, match=r"gone\.zarr"):
        evaluate(tmp_path / "gone.zarr", measured, **QUICK)
    with pytest.raises(InputValueError, match="is for encoding"):
        evaluate(signal[TRAIN:], measured, direction="decoding", **QUICK)
    for wrong in ({"draws": -1}, {"level": 1.0}, {"part": "rest"}, {"leakage": "maybe"}, {"rescale": "always"}):
        with pytest.raises(InputValueError, match=next(iter(wrong))):
            evaluate(signal[TRAIN:], measured, **{**QUICK, **wrong})


def test_too_few_stimuli_are_refused(known):
    from braincodec.datasets import Split

    measured, signal = known
    few = measured.with_split(Split(train=measured.split.train, test=measured.split.test[:2]))
    with pytest.raises(InputValueError, match="2 test stimuli"):
        evaluate(signal[TRAIN : TRAIN + 2], few, **QUICK)


def test_a_dataset_of_one_subject_is_that_subject(known, labelled):
    measured, signal = known

    class Two(Dataset):
        name, modality, species, licence, citation = "two", "fmri", "human", "CC0", "no one"
        expected = {"1": Counts(60, 10)}
        names = ["1"]

        def subjects(self):
            return self.names

        def subject(self, name):
            return measured

    same(evaluate(signal[TRAIN:], Two(), **QUICK), labelled[1])
    many = Two()
    many.names = ["1", "2"]
    with pytest.raises(InputValueError, match="2 subjects; choose"):
        evaluate(signal[TRAIN:], many, **QUICK)
