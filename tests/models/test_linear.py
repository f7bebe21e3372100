"""Features, reduction, linear readout: against scikit-learn on the features themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from braincodec.errors import InputValueError
from braincodec.features import Preprocessing
from braincodec.models.linear import LinearEncoder
from braincodec.responses import build_sensor_units

from ..small_models import LAYERS, describe, eeg, images, linear, linear_weights, tiny_backbone, voxel_units

TRAIN, TEST = images(40, 24, seed=1), images(5, 24, seed=2)
COMPONENTS = 6
REPETITIONS, CHANNELS, TIMES = 4, 3, 5


def features_of(backbone, array):
    """Layers flattened and concatenated in the order of `LAYERS`, by plain calls of the network's parts."""
    module = backbone.module
    with torch.inference_mode():
        first = module.first(backbone.preprocessing(array))
        last = module(backbone.preprocessing(array))
    return torch.cat([first.flatten(1), last.flatten(1)], 1).double().numpy()


def fold(scaler, reduction):
    """A fitted StandardScaler and PCA as the encoder's tensors."""
    weight = reduction.components_ / scaler.scale_
    bias = -(scaler.mean_ / scaler.scale_ + reduction.mean_) @ reduction.components_.T
    edges = np.cumsum([0, *LAYERS.values()])
    tensors = {f"reduction.{n}": weight[:, edges[i] : edges[i + 1]] for i, n in enumerate(LAYERS)}
    return tensors | {"reduction.bias": bias}


@pytest.fixture(scope="module", params=[1, REPETITIONS], ids=["one reduction", "one for each repetition"])
def fitted(request):
    """An encoder fitted by scikit-learn, and scikit-learn's own predictions for the test images."""
    pytest.importorskip("sklearn")
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import StandardScaler

    reductions = request.param
    backbone = tiny_backbone()
    train, test = features_of(backbone, TRAIN), features_of(backbone, TEST)
    rng = np.random.default_rng(0)
    targets = rng.standard_normal((REPETITIONS, len(TRAIN), CHANNELS * TIMES))
    scaler = StandardScaler().fit(train)
    parts, predictions, regressions = [], [], []
    for repetition in range(REPETITIONS):
        if repetition < reductions:
            chosen = rng.choice(len(TRAIN), 30, replace=False)
            reduction = PCA(COMPONENTS, svd_solver="full").fit(scaler.transform(train)[chosen])
            parts.append(fold(scaler, reduction))
        scores = reduction.transform(scaler.transform(train))
        regression = LinearRegression().fit(scores, targets[repetition])
        regressions.append(regression)
        predictions.append(regression.predict(reduction.transform(scaler.transform(test))))
    tensors = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    tensors["readout.weight"] = np.stack([one.coef_ for one in regressions])
    tensors["readout.bias"] = np.stack([one.intercept_ for one in regressions])
    encoder = LinearEncoder.from_parts(
        {
            "features": {"backbone": "tiny", "layers": tuple(LAYERS), "preprocessing": backbone.preprocessing},
            "reductions": reductions,
        },
        {name: torch.tensor(value, dtype=torch.float32) for name, value in tensors.items()},
        build_sensor_units(["Oz", "O1", "Pz"], np.linspace(-0.1, 0.3, TIMES), repetitions=REPETITIONS),
        describe(modality="eeg", response_units="microvolt"),
        backbone,
    )
    return encoder, np.stack(predictions, 1).reshape(len(TEST), REPETITIONS, CHANNELS, TIMES)


def assert_close(found, wanted):
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-4 * wanted.std()


def test_responses_are_scikit_learns(fitted):
    encoder, wanted = fitted
    responses = encoder.encode(TEST, device="cpu")
    assert responses.dims == ("stimulus", "repetition", "channel", "time")
    assert responses.dtype == np.float32
    assert responses.channel.values.tolist() == ["Oz", "O1", "Pz"]
    assert_close(responses.values, wanted)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batch_size_does_not_matter(fitted, batch_size):
    encoder, wanted = fitted
    assert_close(encoder.encode(TEST, device="cpu", batch_size=batch_size).values, wanted)


@pytest.mark.parametrize(
    "chosen",
    [
        {"channel": [2, 0]},
        {"time": np.arange(TIMES) > 2},
        {"repetition": [3]},
        {"repetition": [2, 0], "channel": [1], "time": slice(1, 4)},
        {"channel": -1},
    ],
)
def test_selection_gives_the_same_numbers_in_the_order_asked_for(fitted, chosen):
    encoder, wanted = fitted
    places = [np.atleast_1d(np.arange(n)[chosen.get(d, slice(None))]) for d, n in zip(*shape_of(encoder), strict=True)]
    selected = encoder.select(**chosen)
    responses = selected.encode(TEST, device="cpu")
    assert_close(responses.values, wanted[np.ix_(range(len(TEST)), *places)])
    assert responses.channel.values.tolist() == encoder.units.channel.values[places[1]].tolist()
    assert responses.repetition.values.tolist() == (places[0] + 1).tolist()
    assert selected.tensors()["readout.weight"].shape[:2] == (len(places[0]), len(places[1]) * len(places[2]))
    assert selected.shared_key() == encoder.shared_key() or "repetition" in chosen


def shape_of(encoder):
    return encoder.response_dims, encoder.response_shape


def test_units_are_selected_in_the_models_order():
    encoder = linear(7)
    whole = encoder.encode(TEST, device="cpu")
    chosen = encoder.select(unit=[5, 1, 1]).encode(TEST, device="cpu")
    assert np.allclose(chosen.values, whole.values[:, [1, 5]], atol=1e-6)
    assert chosen.k.values.tolist() == whole.k.values[[1, 5]].tolist()
    assert chosen.roi_V2.values.tolist() == [False, True]


def test_bfloat16_is_close_and_changes_neither_the_network_nor_what_shares_it(tmp_path):
    encoder = linear()
    exact = encoder.encode(TEST, device="cpu")
    part = encoder.select(unit=[0, 1])
    before = {name: tensor.clone() for name, tensor in encoder.tensors().items()}
    rough = part.encode(TEST, device="cpu", dtype="bfloat16")
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough.values - exact.values[:, :2]).max() < 0.1 * exact.values.std()
    assert np.array_equal(encoder.encode(TEST, device="cpu").values, exact.values)
    assert np.allclose(part.encode(TEST, device="cpu").values, exact.values[:, :2], atol=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.tensors().items())
    assert all(tensor.dtype == torch.float32 for tensor in part.tensors().values())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_gives_the_same_numbers(fitted):
    encoder, wanted = fitted
    assert_close(encoder.encode(TEST, device="cuda").values, wanted)
    assert_close(encoder.encode(TEST, device="cpu").values, wanted)


def test_network_is_loaded_only_when_needed_and_only_if_its_name_may_be():
    features = {"backbone": "os:system", "layers": ("a",), "preprocessing": Preprocessing(resize=(8, 8))}
    encoder = LinearEncoder.from_parts(
        {"features": features}, linear_weights({"a": 4}, 1, 2), voxel_units(2), describe()
    )
    with pytest.raises(InputValueError, match="'os:system' would import and run code named by a file"):
        encoder.encode(TEST, device="cpu")


def test_network_of_another_size_is_refused_with_the_layer_named():
    features = {"backbone": "tiny", "layers": ("first",), "preprocessing": Preprocessing(resize=(20, 20))}
    weights = linear_weights({"first": 400}, 1, 2)
    encoder = LinearEncoder.from_parts({"features": features}, weights, voxel_units(2), describe(), tiny_backbone())
    with pytest.raises(InputValueError, match=r"layer 'first' gives features of shape \(1296,\).*made for \(400,\)"):
        encoder.encode(TEST, device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout.bias": None}, "weights lack 'readout.bias'"),
        ({"reduction.last": None}, "weights lack 'reduction.last'"),
        ({"readout.bias": torch.zeros(4, 3)}, "different numbers of outputs"),
        ({"readout.weight": torch.zeros(4, 15, 9)}, "the readout takes 1 x 9"),
        ({"readout.weight": torch.zeros(2, 30, 3), "readout.bias": torch.zeros(2, 30)}, "describes 4 x 15"),
        ({"reduction.first": torch.zeros(3)}, r"'reduction.first' has shape \(3,\)"),
    ],
)
def test_weights_that_do_not_fit_are_named(changes, message):
    good = eeg()
    tensors = {n: t for n, t in (good._tensors | changes).items() if t is not None}
    with pytest.raises(InputValueError, match=message):
        LinearEncoder.from_parts(good.config, tensors, good.units, good.description, tiny_backbone())


def test_reductions_must_be_one_or_one_for_each_repetition():
    with pytest.raises(InputValueError, match="reductions must be 1 or 4"):
        eeg(reductions=3)
    with pytest.raises(InputValueError, match="reductions"):
        eeg(reductions=0)


def test_shared_key_tells_networks_reductions_and_preprocessings_apart():
    backbone = tiny_backbone()
    one = linear(7, backbone=backbone)
    assert one.shared_key() == linear(7, backbone=backbone, subject=2).shared_key()
    assert one.shared_key() == linear(7).shared_key()  # equal weights
    assert one.shared_key() != linear(7, backbone=tiny_backbone(seed=1)).shared_key()
    assert one.shared_key() != eeg(backbone=backbone).shared_key()


def test_identity_follows_every_weight():
    one = linear(7)
    assert one.identity() == linear(7).identity()
    assert one.identity() != linear(7, backbone=tiny_backbone(seed=1)).identity()
    assert one.identity() != linear(7, subject=2).identity()
    changed = one._tensors | {"readout.bias": one._tensors["readout.bias"] + 1e-6}
    other = LinearEncoder.from_parts(one.config, changed, one.units, one.description, tiny_backbone())
    assert other.identity() != one.identity()
    half = {name: tensor.bfloat16() for name, tensor in one._tensors.items()}
    assert (
        LinearEncoder.from_parts(one.config, half, one.units, one.description, tiny_backbone()).identity()
        != one.identity()
    )


def test_encoder_is_shown_in_one_line():
    shown = repr(linear(7))
    assert shown.startswith("<LinearEncoder ") and shown.endswith(": 7 unit>") and "\n" not in shown
