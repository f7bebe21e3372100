"""Settings of a training run: defaults, mistakes, and changes to them."""

from __future__ import annotations

import pytest

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.training import TrainConfig
from braincodec.training.overrides import parse_override, with_overrides
from braincodec.training.run import resolve

from ..small_training import KIND, settings


def test_short_forms_become_the_long_ones():
    config = TrainConfig.parse(settings(subject="1,2", roi="V1, V2"))
    assert (config.subject, config.roi, config.dataset.name) == (("1", "2"), ("V1", "V2"), "small_people")
    assert TrainConfig.parse(settings(roi="each")).one_model_a_roi
    assert TrainConfig.parse(settings(roi="all")).regions is None


def test_the_settings_of_the_model_are_written_out_and_the_seed_handed_on():
    config = TrainConfig.parse(settings(seed=7))
    assert config.model == {"kind": KIND, "strength": 0.001, "fast": True, "seed": 7}
    kept = TrainConfig.parse(settings(seed=7, model={"kind": KIND, "seed": 3}))
    assert kept.model["seed"] == 3


def test_written_out_settings_are_the_same_settings():
    config = TrainConfig.parse(settings(split={"fractions": [0.5, 0.2, 0.3]}, notes="a note"))
    assert TrainConfig.parse(config.to_dict()) == config


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"datset": "x"}, "unknown key 'datset' .did you mean 'dataset'"),
        ({"evaluation": {"drws": 1}}, "unknown key 'evaluation.drws' .did you mean 'draws'"),
        ({"dataset": {"name": "x", "rot": "y"}}, "unknown key 'dataset.rot' .did you mean 'root'"),
        (
            {"model": {"kind": KIND, "strenth": 1}},
            "unknown key 'strenth' .did you mean 'strength'",
        ),
        ({"model": {"kind": KIND, "strength": "strong"}}, "strength: .*number.*got 'strong'"),
        ({"model": {"kind": KIND, "strength": -1}}, "strength: .*greater than 0"),
        ({"model": {"strength": 1}}, "model.kind"),
        ({"model": 3}, "model: .*dictionary"),
        ({"seed": -1}, "seed"),
        ({"subject": ["all", 1]}, "'all' stands for every subject"),
        ({"roi": ["all", "V1"]}, "'all' stands for every unit"),
        ({"split": {}}, "either fractions"),
        ({"split": {"fractions": [0.9, 0.9, 0.1]}}, "at most 1"),
        ({"split": {"fractions": [1]}}, "split.fractions"),
        ({"name": "a/b"}, "name of a folder|that of a folder"),
        ({"evaluation": {"part": "training"}}, "evaluation.part"),
        ({"batch_size": "many"}, "batch_size"),
    ],
)
def test_mistakes_are_named(changes, words):
    with pytest.raises(InputValueError, match=words):
        TrainConfig.parse(settings(**changes))


def test_kinds_that_are_not_there_or_not_trained_are_named():
    with pytest.raises(UnknownNameError, match=f"did you mean '{KIND}'"):
        TrainConfig.parse(settings(model={"kind": "small_colour"}))
    with pytest.raises(InputTypeError, match=r"not trained here; these are: .*small_colours"):
        from ..cli.conftest import MeanColour

        TrainConfig.parse(settings(model={"kind": MeanColour.kind}))


def test_a_network_is_named_where_none_was():
    config = TrainConfig.parse({"dataset": "simulated", "model": {"kind": "linear"}})
    assert config.model["backbone"] == "efficientnet_lite:0"
    own = TrainConfig.parse(
        {"dataset": "simulated", "model": {"kind": "linear", "backbone": "gabor:bank", "layers": "scales.*"}}
    )
    assert own.model["layers"] == ["scales.*"]


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("dataset: small_people\nmodel: {kind: small_colours, strenth: 1}\n")
    with pytest.raises(InputValueError, match=r"train.yaml: model \(small_colours\): unknown key 'strenth'"):
        resolve(path, {})
    with pytest.raises(UnknownNameError, match="did you mean 'simulated_fmri'"):
        resolve("simulated_fmr", {})


@pytest.mark.parametrize("backbone", ["os:getcwd", "module:os.getcwd", "antigravity:x"])
def test_a_file_cannot_have_code_imported(tmp_path, backbone):
    path = tmp_path / "train.yaml"
    model = f"{{kind: linear, features: [{{backbone: '{backbone}', layers: x}}]}}"
    path.write_text(f"dataset: small_people\nmodel: {model}\n")
    with pytest.raises(InputValueError, match="would import and run code"):
        resolve(path, {})
    assert resolve(path, {}, allow_import=True).model["features"][0]["backbone"] == backbone


def test_overrides_reach_inside_and_merge():
    start = {"dataset": {"name": "nsd", "options": {"space": "volume"}}, "model": {"kind": "linear", "folds": 5}}
    changed = with_overrides(start, {"model.folds": 3, "dataset.options": {"sessions": 2}, "seed": 4})
    assert changed == {
        "dataset": {"name": "nsd", "options": {"space": "volume", "sessions": 2}},
        "model": {"kind": "linear", "folds": 3},
        "seed": 4,
    }
    assert start["model"]["folds"] == 5


def test_another_kind_or_data_set_leaves_the_former_settings_behind():
    start = {"dataset": {"name": "nsd", "root": "/d"}, "model": {"kind": "linear", "folds": 5}}
    assert with_overrides(start, {"model.kind": "fwrf", "model.epochs": 2})["model"] == {"kind": "fwrf", "epochs": 2}
    assert with_overrides(start, {"dataset": {"name": "god"}})["dataset"] == {"name": "god"}
    assert with_overrides(start, {"dataset.name": "nsd"})["dataset"]["root"] == "/d"


@pytest.mark.parametrize("text", ["model.folds", "=3", "model.folds=", "model..folds=3", "a=[1", "seed.deep=1"])
def test_impossible_overrides_are_refused(text):
    with pytest.raises(InputValueError):
        with_overrides({"seed": 1}, dict([parse_override(text)]))


def test_values_of_overrides_are_read_as_yaml():
    assert dict(map(parse_override, ["a=1", "b=x,y", "c=[1e-3, no]", "d=null", "e=true"])) == {
        "a": 1,
        "b": "x,y",
        "c": [0.001, "no"],
        "d": None,
        "e": True,
    }
