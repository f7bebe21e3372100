"""What cannot be fitted is said in one message, before features are extracted."""

from __future__ import annotations

import numpy as np
import pytest

import braincodec as bc
from braincodec.datasets import Split
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.features import Preprocessing

from ...small_models import Tiny, tiny_backbone
from .tiny_recordings import LAYERS, sensors, voxels

pytestmark = pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")


@pytest.fixture
def never_extracted(monkeypatch):
    """Extraction fails: whatever is raised came before it."""

    def refuse(*_, **__):
        raise AssertionError("features were extracted")

    monkeypatch.setattr("braincodec.models.linear.gather.extract_together", refuse)


def poke(value):
    def change(values):
        values[3, ..., 2] = value

    return change


def without_third(values):
    values[[4, 8], 2] = np.nan


@pytest.mark.usefixtures("never_extracted")
@pytest.mark.parametrize(
    ("recording", "settings", "message"),
    [
        (voxels(3, train=1), {}, "has 1 training stimulus; at least 2 are needed"),
        (voxels(3, train=4), {}, "folds is 5; expected 2 or more, and at most the number of stimuli: 4"),
        (voxels(3, train=4), {"readout": "fields", "layers": "first"}, "folds is 5; expected 2 or more"),
        (voxels(3), {"components": 30}, "components is 30; 30 training stimuli and 406 features have at most 29"),
        (voxels(3), {"components": 7, "readout": "banded"}, "6 features of the smallest layer have at most 6"),
        (voxels(3), {"readout": "least_squares"}, "on 406 features has no single answer; give components"),
        (voxels(3, change=poke(np.nan)), {}, "NaN or infinite for some stimuli, the first at stimulus 3, unit 2"),
        (voxels(3, change=poke(np.inf)), {"readout": "best_layer"}, "NaN or infinite for some stimuli"),
        (sensors(change=poke(np.nan)), {"repetitions": "separate"}, "NaN or infinite for some stimuli"),
        (voxels(3, repetitions=2), {"repetitions": "separate"}, "is for responses with channels and times"),
        (voxels(3), {"readout": "fields"}, "layer 'last' gives features of shape .6,.; readout='fields' needs maps"),
        (voxels(3), {"image_size": 2}, "tiny takes no images of 2 x 2 pixels"),
        (voxels(3), {"image_size": 30}, "tiny takes no images of 30 x 30 pixels"),
        (sensors(change=without_third), {"repetitions": "separate"}, "2 of 30 stimuli have no repetition 3"),
        ([sensors(), sensors()], {}, "different names"),
        ([sensors(), sensors(subject="2")], {}, "several subjects share a model only where responses have units"),
    ],
)
def test_refused_before_features_are_extracted(recording, settings, message):
    with pytest.raises(InputValueError, match=message):
        bc.LinearEncoder(**({"backbone": tiny_backbone(), "layers": LAYERS} | settings)).fit(recording, device="cpu")


@pytest.mark.usefixtures("never_extracted")
def test_unknown_layer_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown layer 'frist'; did you mean 'first'"):
        bc.LinearEncoder(tiny_backbone(), ["last", "frist"]).fit(voxels(3))


@pytest.mark.usefixtures("never_extracted")
def test_more_than_fits_into_memory_is_refused(monkeypatch):
    for place in ("checks", "fields"):
        monkeypatch.setattr(f"braincodec.models.linear.{place}.free_main_memory", lambda: 1000)
    with pytest.raises(InputValueError, match=r"30 stimuli of 406 features need .* give components"):
        bc.LinearEncoder(tiny_backbone(), LAYERS).fit(voxels(3))
    with pytest.raises(InputValueError, match=r"readout='fields' of 30 stimuli and 3 outputs .* take smaller maps"):
        bc.LinearEncoder(tiny_backbone(), "first", readout="fields").fit(voxels(3))


@pytest.mark.parametrize("settings", [{}, {"layers": "last"}, {"components": 3}, {"readout": "banded"}])
def test_constant_features_are_refused(settings):
    backbone = tiny_backbone()
    backbone.preprocessing = Preprocessing(resize=(12, 12), divisor=1e30)  # every image looks the same
    with pytest.raises(InputValueError, match=r"constant|vary in 0 directions"):
        bc.LinearEncoder(**({"backbone": backbone, "layers": LAYERS} | settings)).fit(voxels(3), device="cpu")


def test_network_is_run_once_for_each_training_stimulus_and_test_stimuli_are_never_seen():
    recording = voxels(3)
    Tiny.passes = 0
    bc.LinearEncoder(tiny_backbone(), LAYERS).fit(recording, device="cpu", batch_size=10)
    assert Tiny.passes <= 3 + 3  # three batches, and blank images for the shapes
    changed = voxels(3, change=lambda values: values[30:].fill(99))
    one = bc.LinearEncoder(tiny_backbone(), LAYERS).fit(recording, device="cpu")
    two = bc.LinearEncoder(tiny_backbone(), LAYERS).fit(changed, device="cpu")
    assert one.identity() == two.identity()


@pytest.mark.parametrize(("value", "words"), [(np.nan, "5 are NaN for every"), (2.0, "0 are NaN .* 5 do not vary")])
def test_responses_that_teach_nothing_are_refused(value, words, never_extracted):
    def change(values):
        values[:30] = value

    with pytest.raises(InputValueError, match=f"none of 5 responses of example, subject 1, can be learnt: {words}"):
        bc.LinearEncoder(tiny_backbone(), LAYERS).fit(voxels(change=change), device="cpu")


def test_validation_stimuli_are_not_fitted():
    recording = voxels(3)
    ids = recording.split.train
    held_out = recording.with_split(Split(train=ids[:20], validation=ids[20:], test=recording.split.test))
    shorter = recording.with_split(Split(train=ids[:20], test=recording.split.test))
    new = recording.part("test")[0]
    one, two = (bc.LinearEncoder(tiny_backbone(), LAYERS).fit(item, device="cpu") for item in (held_out, shorter))
    np.testing.assert_array_equal(one.encode(new, device="cpu"), two.encode(new, device="cpu"))


def test_groups_of_the_recording_stay_together_in_cross_validation(monkeypatch):
    seen = []

    def folds(*args, **options):
        seen.append(options["groups"])
        return real(*args, **options)

    from braincodec.readouts import folds as module

    real = module.make_folds
    monkeypatch.setattr("braincodec.readouts.ridge.make_folds", folds)
    recording = voxels(3)
    groups = np.arange(36) // 2
    object.__setattr__(recording, "responses", recording.responses.assign_coords(group=("stimulus", groups)))
    bc.LinearEncoder(tiny_backbone(), LAYERS).fit(recording, device="cpu")
    assert [group.tolist() for group in seen] == [groups[:30].tolist()]
