"""What is stored predicts what the solver fitted, whatever the readout and the form."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import braincodec as bc
from braincodec.errors import InputValueError, OutputError
from braincodec.models.linear import LinearConfig
from braincodec.readouts import ReadoutWarning, banded_ridge_cv, best_space_cv, least_squares, ridge_cv
from braincodec.readouts.fields import field_ridge_cv

from ...small_models import tiny_backbone
from .tiny_recordings import LAYERS, STIMULI, features, training, voxels

pytestmark = pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")
ALPHAS = [0.01, 1.0, 100.0, 1e4]


def fitted(recording, **settings):
    settings = {"backbone": tiny_backbone(), "layers": LAYERS} | settings
    return bc.LinearEncoder(**settings).fit(recording, device="cpu")


def assert_same(model, shown, expected):
    found = model.encode(shown, device="cpu").values
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.nanstd(expected) * 10)


def joined(spaces):
    return np.concatenate(list(spaces.values()), 1)


@pytest.fixture(scope="module", params=[3, 60], ids=["few units", "many units"])
def recording(request):
    return voxels(request.param)


def test_ridge_on_more_features_than_stimuli_is_the_kernel_solution(recording):
    shown, responses = training(recording)
    spaces = features(shown)
    fit = ridge_cv(joined(spaces), responses, folds=5, seed=0, device="cpu")
    model = fitted(recording)
    assert model.config.projection == ("joint" if len(fit.alpha) > STIMULI else "outputs")
    assert_same(model, shown, fit.predict(joined(spaces)))
    np.testing.assert_allclose(model.units["alpha"], fit.alpha, rtol=1e-5)
    new = recording.part("test")[0]
    assert_same(model, new, fit.predict(joined(features(np.stack(list(new))))))


def test_ridge_on_few_features_needs_no_components(recording):
    shown, responses = training(recording)
    spaces = features(shown)["last"]
    model = fitted(recording, layers="last", alphas=ALPHAS)
    assert model.config.projection == "outputs"
    assert_same(model, shown, ridge_cv(spaces, responses, ALPHAS, device="cpu").predict(spaces))


@pytest.mark.parametrize("layers", [LAYERS, "last"])
def test_standardised_features_are_what_scikit_learn_makes_of_them(recording, layers):
    scaler = pytest.importorskip("sklearn.preprocessing").StandardScaler()
    shown, responses = training(recording)
    chosen = {name: values for name, values in features(shown).items() if name in layers}
    scaled = scaler.fit_transform(joined(chosen).astype(np.float64))
    fit = ridge_cv(scaled, responses, ALPHAS, device="cpu")
    assert_same(fitted(recording, layers=layers, standardise=True, alphas=ALPHAS), shown, fit.predict(scaled))


def test_one_strength_for_all(recording):
    model = fitted(recording, one_alpha=True)
    assert len(np.unique(model.units["alpha"])) == 1


@pytest.mark.parametrize("readout", ["ridge", "least_squares"])
def test_components_are_those_of_standardised_features(recording, readout):
    decomposition = pytest.importorskip("sklearn.decomposition")
    from sklearn.preprocessing import StandardScaler

    shown, responses = training(recording)
    scaled = StandardScaler().fit_transform(joined(features(shown)).astype(np.float64))
    scores = decomposition.PCA(8, svd_solver="full").fit_transform(scaled)
    fit = least_squares(scores, responses) if readout == "least_squares" else ridge_cv(scores, responses)
    model = fitted(recording, components=8, readout=readout)
    assert model.config.projection == "joint" and model.tensors()["readout.weight"].shape[2] == 8
    assert_same(model, shown, fit.predict(scores))
    assert ("alpha" in model.units) == (readout == "ridge")


def equalised(spaces):
    centred = {name: values - values.mean(0, dtype=np.float64) for name, values in spaces.items()}
    return {name: values * (len(values) / (values**2).sum()) ** 0.5 for name, values in centred.items()}


def test_banded_ridge_weighs_layers_of_equal_variance(recording):
    shown, responses = training(recording)
    spaces = equalised(features(shown))
    fit = banded_ridge_cv(spaces, responses, ALPHAS, draws=7, seed=2, device="cpu")
    model = fitted(recording, readout="banded", draws=7, seed=2, alphas=ALPHAS)
    assert_same(model, shown, fit.predict(spaces))
    np.testing.assert_allclose(model.units["alpha"], fit.alpha, rtol=1e-5)


def test_sum_of_kernels_is_ridge_on_layers_of_equal_variance(recording):
    shown, responses = training(recording)
    spaces = joined(equalised(features(shown)))
    fit = ridge_cv(spaces, responses, ALPHAS, device="cpu")
    assert_same(fitted(recording, readout="kernel_sum", alphas=ALPHAS), shown, fit.predict(spaces))


def test_best_layer_is_chosen_for_each_unit(recording):
    shown, responses = training(recording)
    spaces = features(shown)
    fit = best_space_cv(spaces, responses, device="cpu")
    model = fitted(recording, readout="best_layer")
    assert model.units["layer"].values.tolist() == [LAYERS[number] for number in fit.space]
    assert_same(model, shown, fit.predict(spaces))


@pytest.mark.parametrize("readout", ["banded", "kernel_sum", "best_layer"])
def test_components_of_each_layer_by_itself(recording, readout):
    decomposition = pytest.importorskip("sklearn.decomposition")
    from sklearn.preprocessing import scale

    shown, responses = training(recording)
    reduce = decomposition.PCA(4, svd_solver="full").fit_transform
    spaces = {name: reduce(scale(values.astype(np.float64))) for name, values in features(shown).items()}
    if readout == "best_layer":
        fit = best_space_cv(spaces, responses, ALPHAS, device="cpu")
    else:
        spaces = equalised(spaces)
        draws = 5 if readout == "banded" else np.ones((1, 2))
        fit = banded_ridge_cv(spaces, responses, ALPHAS, draws=draws, device="cpu")
    model = fitted(recording, readout=readout, components=4, draws=5, alphas=ALPHAS)
    assert model.config.projection == "by_layer"
    assert model.tensors()["readout.weight"].shape[2] == 4 * len(LAYERS)
    assert_same(model, shown, fit.predict(spaces))


def test_fields_are_read_from_whole_maps():
    recording = voxels(3)
    shown, responses = training(recording)
    maps = {"first": features(shown)["first"].reshape(len(shown), 4, 10, 10)}
    windows = [[0, 0, np.inf], [0.2, 0.2, 0.2], [-0.2, 0.2, 0.2]]
    fit = field_ridge_cv(maps, responses, windows=windows, smoothness=0.2, device="cpu")
    model = fitted(recording, layers="first", readout="fields", windows=windows, smoothness=0.2)
    assert_same(model, shown, fit.predict(maps))
    chosen = np.array(windows)[fit.window]
    for place, name in enumerate(("field_x", "field_y", "field_size")):
        np.testing.assert_allclose(model.units[name], chosen[:, place], rtol=1e-6)


def test_unit_without_data_stays_nan_and_is_reported_once_with_those_that_do_not_vary():
    def spoil(values):
        values[:, 1], values[:, 3] = np.nan, 4.0

    recording = voxels(5, change=spoil)
    for settings in ({}, {"readout": "banded", "draws": 3}, {"readout": "best_layer"}, {"readout": "fields"}):
        settings |= {"layers": "first"} if settings.get("readout") == "fields" else {}
        with pytest.warns(ReadoutWarning) as caught:
            model = fitted(recording, **settings)
        assert len(caught) == 1
        assert "1 of 5 units are NaN for every stimulus and stay NaN; 1 of 5 units do not vary" in str(
            caught[0].message
        )
        predicted = model.encode(recording.part("test")[0], device="cpu").values
        assert np.isnan(predicted[:, 1]).all() and np.isfinite(np.delete(predicted, 1, axis=1)).all()
        np.testing.assert_allclose(predicted[:, 3], 4.0, rtol=1e-5)


def test_equal_seeds_give_equal_models_and_others_need_not():
    recording = voxels(4)
    one, two = (fitted(recording, readout="banded", draws=5, seed=3) for _ in range(2))
    assert one.identity() == two.identity()
    assert fitted(recording, readout="banded", draws=5, seed=4).identity() != one.identity()


def test_saved_encoder_predicts_the_same(tmp_path, recording):
    model = bc.LinearEncoder("gabor:bank", "scales.[23]", pooling="spatial_mean", image_size=64).fit(recording)
    model.save(tmp_path / "model")
    loaded = bc.LinearEncoder.load(tmp_path / "model")
    new = recording.part("test")[0]
    np.testing.assert_array_equal(loaded.encode(new, device="cpu"), model.encode(new, device="cpu"))
    about = loaded.description
    assert about.dataset == "example" and about.subject == 1 and about.seed == 0
    assert about.training["split"]["train"] == list(recording.split.train)
    assert about.training["settings"]["readout"] == "ridge"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("settings", [{}, {"components": 5}, {"readout": "banded", "draws": 5, "alphas": ALPHAS}])
def test_a_gpu_fits_the_same_model(recording, settings):
    new = recording.part("test")[0]
    model = bc.LinearEncoder(tiny_backbone(), LAYERS, **settings).fit(recording, device="cuda")
    expected = fitted(recording, **settings).encode(new, device="cpu")
    np.testing.assert_allclose(model.encode(new, device="cpu"), expected, atol=1e-3)


def test_selected_units_of_weights_without_components_predict_the_same():
    recording = voxels(5)
    model = fitted(recording)
    assert model.config.projection == "outputs"
    new = recording.part("test")[0]
    chosen = model.select(unit=[4, 1]).encode(new, device="cpu").values
    np.testing.assert_allclose(chosen, model.encode(new, device="cpu").values[:, [1, 4]], rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "config", "message"),
    [
        ({"reduction.bias": torch.zeros(4)}, {}, "the reduction predicts 4 values, the table of units describes 1 x 3"),
        ({"reduction.last": torch.zeros(4, 6)}, {}, r"rows and its bias 3, which do not fit"),
        ({}, {"projection": "joint"}, "weights lack 'readout.weight'"),
        ({}, {"projection": "outputs", "reductions": 2}, "only joint components come in several sets"),
    ],
)
def test_stored_weights_without_components_that_do_not_fit_are_named(changes, config, message):
    model = fitted(voxels(3))
    tensors = model._tensors | changes
    if "reduction.bias" in changes:
        tensors |= {f"reduction.{layer}": torch.zeros(4, 400 if layer == "first" else 6) for layer in LAYERS}
    with pytest.raises(InputValueError, match=message):
        bc.LinearEncoder.from_parts(
            model.config.model_dump() | config, tensors, model.units, model.description, tiny_backbone()
        )


def test_settings_of_models_stored_before_still_mean_the_same():
    features_of = {"backbone": "gabor:bank", "layers": ["scales.0"]}
    config = LinearConfig.parse({"features": features_of, "reductions": 1})
    assert config.projection == "joint" and config.features.layers == ("scales.0",)


def test_weights_that_do_not_fit_into_memory_lie_in_a_file(monkeypatch, tmp_path):
    recording = voxels(60)
    expected = fitted(recording).encode(recording.part("test")[0], device="cpu")
    monkeypatch.setattr("braincodec.models.linear.solve.LARGEST_SHARE", 0.0)
    model = bc.LinearEncoder(tiny_backbone(), LAYERS).fit(recording, workspace=tmp_path, device="cpu")
    np.testing.assert_array_equal(model.encode(recording.part("test")[0], device="cpu"), expected)
    monkeypatch.setattr("braincodec.models.linear.solve.shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(OutputError, match=r"give .fewer. components, fewer units, or another workspace"):
        bc.LinearEncoder(tiny_backbone(), LAYERS).fit(recording, workspace=tmp_path, device="cpu")
