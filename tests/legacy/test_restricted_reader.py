"""Reading published files without trusting them."""

from __future__ import annotations

import io
import pickle
import pickletools
import tracemalloc
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from braincodec.errors import BraincodecError, DamagedFileError, MissingFileError, UnsafeFileError
from braincodec.legacy import PickledRecord, inert_arrays, read_legacy
from braincodec.legacy.pickle_opcodes import OPCODES, STOP

from .hostile import HOSTILE, npy, pickled, torch_zip

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def assert_same(ours: object, theirs: object, where: str = "") -> None:
    """Equal values of equal types, a tensor being an array and an ordered dict a dict."""
    if isinstance(theirs, torch.Tensor):
        theirs = theirs.detach().numpy()
    if isinstance(theirs, np.ndarray):
        assert isinstance(ours, np.ndarray), where
        assert ours.dtype.newbyteorder("=") == theirs.dtype.newbyteorder("="), where  # NumPy swaps some, by alignment
        assert ours.shape == theirs.shape, where
        if theirs.dtype == object:
            for ours_item, theirs_item in zip(ours.ravel(), theirs.ravel(), strict=True):
                assert_same(ours_item, theirs_item, where)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=where)
    elif isinstance(theirs, dict):
        assert type(ours) is dict, where
        assert list(ours) == list(theirs), where
        for key, value in theirs.items():
            assert_same(ours[key], value, f"{where}/{key}")
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is (tuple if isinstance(theirs, tuple) else list), where
        assert len(ours) == len(theirs), where
        for position, (ours_item, theirs_item) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(ours_item, theirs_item, f"{where}[{position}]")
    else:
        assert type(ours) is type(theirs), where
        assert ours == theirs or (ours != ours and theirs != theirs), where


def read(content: bytes, folder: Path, name: str = "file", **options: bool) -> object:
    path = folder / name
    path.write_bytes(content)
    return read_legacy(path, **options)


# --- hostile files ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.parametrize("map_storage", [True, False], ids=["mapped", "in memory"])
def test_hostile_file_ends_in_one_clear_error_and_runs_nothing(case, map_storage, tmp_path, monkeypatch):
    canary = tmp_path / "canary"
    path = tmp_path / case.file
    path.write_bytes(case.content(canary))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError) as caught:
            read_legacy(path, map_storage=map_storage)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert case.says in message
    assert message.startswith(str(path))
    assert "\n" not in message
    assert isinstance(caught.value, UnsafeFileError) == case.unsafe
    assert peak < 5 * path.stat().st_size + 80 * 2**20
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted([case.file, "temporary"])
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("case", ["numpy hiding a call", "torch hiding a call"])
def test_hidden_call_does_run_in_an_ordinary_reader(case, tmp_path):
    canary = tmp_path / "canary"
    file = io.BytesIO(HOSTILE[case].content(canary))
    np.load(file, allow_pickle=True) if case.startswith("numpy") else torch.load(file, weights_only=False)
    assert canary.exists()


def test_every_pickle_instruction_is_answered():
    assert {ord(opcode.code) for opcode in pickletools.opcodes} == {*OPCODES, STOP}


def test_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"nowhere\.pt"):
        read_legacy(tmp_path / "nowhere.pt")


# --- honest files ----------------------------------------------------------------------------------------------------
VALUES = {
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "swapped": np.arange(4, dtype=">i4"),
    "mask": np.array([True, False]),
    "names": np.array(["V1", "hV4"]),
    "objects": np.array([{"a": [1]}, None, np.arange(3)], dtype=object),
    "empty": np.zeros((0, 3)),
    "scalar": np.float64(0.5),
    "count": np.int64(7),
    "text": "Größe",
    "numbers": [1, -1, 2**40, -(2**70), 1.5, 1j, True, None],
    "nested": {"a": (1, 2, (3,)), 1: {2: [3]}},
    "bytes": b"\x00\xff",
    "long bytes": bytes(range(256)) * 4,
    "set": {1, 2},
    "frozen": frozenset(["a"]),
    "slice": slice(1, None, 2),
    "ordered": OrderedDict(a=1),
}


@pytest.mark.parametrize("protocol", range(6))
def test_values_of_every_pickle_protocol_come_back(protocol, tmp_path):
    assert_same(read(pickle.dumps(VALUES, protocol), tmp_path), VALUES)


def test_bytearray_comes_back_as_bytes(tmp_path):
    for protocol in range(6):
        assert read(pickle.dumps(bytearray(b"ab\xff"), protocol), tmp_path) == b"ab\xff"


def test_python_2_pickle_of_an_array_comes_back(tmp_path):
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01K\x02\x85cnumpy\ndtype\nq\x04U\x02f4K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x08\x00\x00\x80?\x00\x00 \xc0tb."
    )
    assert_same(read(content, tmp_path), np.array([1.0, -2.5], np.float32))


def test_python_2_text_is_read_as_latin1(tmp_path):
    assert read(b"\x80\x02U\x04caf\xe9.", tmp_path) == "café"
    assert read(b"S'caf\\xe9'\n.", tmp_path) == "café"


@pytest.mark.parametrize(
    "array", [VALUES["weights"], VALUES["fortran"], VALUES["swapped"], VALUES["objects"], VALUES["names"]]
)
def test_npy_file_comes_back(array, tmp_path):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    assert_same(read_legacy(tmp_path / "a.npy"), array)


def test_npy_header_of_python_2_is_read(tmp_path):
    assert_same(read(npy(bytes(24), "<f4", "(2L, 3L)"), tmp_path), np.zeros((2, 3), np.float32))


def test_npy_file_of_one_object_gives_the_object(tmp_path):
    np.save(tmp_path / "a.npy", {"mean_": np.arange(3.0)}, allow_pickle=True)
    assert_same(read_legacy(tmp_path / "a.npy"), {"mean_": np.arange(3.0)})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_file_comes_back(save, tmp_path):
    arrays = {"train": np.arange(1000.0), "labels": np.array([{"a": 1}, 2], dtype=object)}
    save(tmp_path / "a.npz", **arrays)
    assert_same(read_legacy(tmp_path / "a.npz"), arrays)


def _checkpoint() -> dict[str, object]:
    weight = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    layer = torch.nn.Linear(4, 2)
    return {
        "weight": weight,
        "transposed": weight.T,
        "part": weight[1:, 1:3],
        "tied": weight,
        "expanded": torch.ones(1).expand(5),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "half": torch.arange(3, dtype=torch.float16),
        "long": torch.tensor(3),
        "bool": torch.tensor([True, False]),
        "complex": torch.tensor([1 + 2j]),
        "no elements": torch.zeros(0, 4),
        "state": layer.state_dict(),
        "optimizer": torch.optim.SGD(layer.parameters(), 0.1, momentum=0.9).state_dict(),
        "array": np.arange(3),
        "shape": (2, 3),
        "epoch": 7,
    }


@pytest.mark.parametrize("zip_form", [True, False], ids=["zip form", "form before 1.6"])
@pytest.mark.parametrize("map_storage", [True, False], ids=["mapped", "in memory"])
def test_torch_checkpoint_comes_back_as_arrays(zip_form, map_storage, tmp_path):
    path = tmp_path / "w.pt"
    checkpoint = _checkpoint()
    torch.save(checkpoint, path, _use_new_zipfile_serialization=zip_form)
    assert_same(read_legacy(path, map_storage=map_storage), checkpoint)


def test_brain_floats_come_back_as_exact_float32(tmp_path):
    values = torch.randn(100).to(torch.bfloat16)
    torch.save({"w": values, "type": torch.bfloat16, "shape": values.shape, "device": values.device}, tmp_path / "w.pt")
    found = read_legacy(tmp_path / "w.pt")
    np.testing.assert_array_equal(found["w"], values.float().numpy())
    assert (found["type"], found["shape"], found["device"]) == ("torch.bfloat16", (100,), "cpu")


def test_truncated_old_checkpoint_is_refused(tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"w": torch.ones(100)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    for length in (20, 100, len(whole) - 1):
        with pytest.raises(DamagedFileError):
            read(whole[:length], tmp_path, "cut.pt")


def test_changed_bytes_of_a_tensor_are_noticed(tmp_path):
    torch.save({"w": torch.ones(1000)}, tmp_path / "w.pt")
    content = bytearray((tmp_path / "w.pt").read_bytes())
    content[content.index(torch.ones(10).numpy().tobytes()) + 20] ^= 1
    with pytest.raises(DamagedFileError, match="CRC"):
        read(bytes(content), tmp_path)


def test_scikit_learn_estimators_come_back_as_inert_records(tmp_path):
    pytest.importorskip("sklearn")
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import StandardScaler

    data = np.random.default_rng(0).normal(size=(20, 6))
    pca = PCA(3, random_state=np.random.RandomState(0)).fit(data)
    saved = {
        "scaler_param": StandardScaler().fit(data),
        "pca_param": {"rep-1": pca},
        "reg_param": {"rep-1": LinearRegression().fit(data, data[:, :2])},
    }
    for protocol in (2, 3, 4, 5):
        found = read(pickle.dumps(saved, protocol), tmp_path)
        record = found["pca_param"]["rep-1"]
        assert record == PickledRecord("sklearn.decomposition.PCA", record.state)
        assert record.state["random_state"].class_name == "numpy.random.RandomState"
        for ours, theirs in ((record, pca), (found["scaler_param"], saved["scaler_param"])):
            for name, value in vars(theirs).items():
                if name != "random_state":
                    assert_same(ours.state[name], value, name)
        assert found["reg_param"]["rep-1"].class_name == "sklearn.linear_model.LinearRegression"
        np.testing.assert_array_equal(found["reg_param"]["rep-1"].state["coef_"], saved["reg_param"]["rep-1"].coef_)


def test_arrays_are_read_only_and_aligned_unless_large(tmp_path, monkeypatch):
    content = pickle.dumps(["odd", np.arange(1000.0), np.arange(3.0)], 4)
    for array in read(content, tmp_path)[1:]:
        assert array.flags.aligned
        assert not array.flags.writeable
    monkeypatch.setattr(inert_arrays, "LARGEST_COPY", 100)
    assert_same(read(content, tmp_path)[1], np.arange(1000.0))


def test_large_arrays_cost_no_memory_until_they_are_used(tmp_path):
    size = 40 * 2**20
    np.save(tmp_path / "pca_param.npy", {"components_": np.ones(size // 8)}, allow_pickle=True)
    torch.save({"w": torch.ones(size // 4)}, tmp_path / "w.pt")
    for name, key in (("pca_param.npy", "components_"), ("w.pt", "w")):
        tracemalloc.start()
        found = read_legacy(tmp_path / name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found[key].nbytes == size
        assert peak < 8 * 2**20
        assert found[key].min() == found[key].max() == 1


def test_file_can_be_removed_after_reading_into_memory(tmp_path):
    torch.save({"w": torch.ones(10)}, tmp_path / "w.pt")
    found = read_legacy(tmp_path / "w.pt", map_storage=False)
    (tmp_path / "w.pt").unlink()
    np.testing.assert_array_equal(found["w"], np.ones(10, np.float32))


def test_names_of_torch_are_unknown_outside_checkpoints(tmp_path):
    with pytest.raises(UnsafeFileError, match=r"torch\._utils\._rebuild_tensor_v2"):
        read(pickle.dumps(torch.ones(2)), tmp_path)


# --- properties ------------------------------------------------------------------------------------------------------
finite_arrays = npst.arrays(
    st.sampled_from(["f4", "f8", "i2", "i8", "u1", "?", "c8", ">f4", "U3", "S4"]),
    npst.array_shapes(min_dims=0, min_side=0),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(max_size=600),
    st.complex_numbers(),
    finite_arrays,
)
keys = st.one_of(st.text(), st.integers(-(2**63), 2**63), st.booleans(), st.none())
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.lists(inner, max_size=4).map(tuple), st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)


@QUIET
@given(value=values, protocol=st.integers(0, 5))
def test_any_nested_value_comes_back(value, protocol, tmp_path):
    assert_same(read(pickle.dumps(value, protocol), tmp_path), pickle.loads(pickle.dumps(value, protocol)))


def _valid_files() -> list[bytes]:
    objects, archive, checkpoint, old = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(objects, {"ch_names": ["Oz"], "times": np.arange(5.0), "n": np.int64(3)}, allow_pickle=True)
    np.savez_compressed(archive, a=np.arange(20), b=np.array([{"c": 1}], dtype=object))
    content = {"state": torch.nn.Linear(2, 2).state_dict(), "mean": np.ones((1, 3), np.float32), "best": [1, 2.5]}
    torch.save(content, checkpoint)
    torch.save(content, old, _use_new_zipfile_serialization=False)
    unchecked = torch_zip(pickled(b"}X\x01\x00\x00\x00aK\x01s"))
    pickles = [pickle.dumps(VALUES, protocol) for protocol in (0, 2, 5)]
    return [*(file.getvalue() for file in (objects, archive, checkpoint, old)), unchecked, npy(pickles[1]), *pickles]


VALID_FILES = _valid_files()


@settings(QUIET, max_examples=400)
@given(data=st.data())
def test_damaged_file_gives_a_value_or_one_of_our_errors(data, tmp_path):
    content = bytearray(data.draw(st.sampled_from(VALID_FILES)))
    for _ in range(data.draw(st.integers(0, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    try:
        read(bytes(content), tmp_path)
    except BraincodecError as error:
        assert str(tmp_path) in str(error)


@settings(QUIET, max_examples=150)
@given(body=st.binary(max_size=60))
def test_random_instructions_give_a_value_or_one_of_our_errors(body, tmp_path):
    for content in (
        b"\x80\x04" + body + b".",
        torch_zip(b"\x80\x02" + body + b"."),
        npy(body),
        npy(body, "<f4", "(3,)"),
    ):
        try:
            read(content, tmp_path)
        except BraincodecError as error:
            assert str(tmp_path) in str(error)


# --- published files -------------------------------------------------------------------------------------------------
def test_every_published_file_equals_what_its_own_library_reads(golden):
    files = [path for suffix in ("*.npy", "*.pt") for path in sorted(golden.rglob(suffix))]
    assert files
    for path in files:
        theirs = torch.load(path, weights_only=False) if path.suffix == ".pt" else np.load(path, allow_pickle=True)
        if isinstance(theirs, np.ndarray) and theirs.shape == ():
            theirs = theirs[()]
        assert_same(read_legacy(path), theirs, path.name)


def test_published_archives_equal_what_numpy_reads(golden):
    for path in sorted(golden.glob("*.npz")):
        with np.load(path) as theirs:
            assert_same(read_legacy(path), {name: theirs[name] for name in theirs.files}, path.name)
