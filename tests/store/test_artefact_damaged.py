"""Artefacts that are damaged, or made by somebody with bad intentions: one clear error, and nothing runs."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from braincodec import Encoder, read_artefact
from braincodec.artefact import CHECKSUMS, FILES, sha256_of
from braincodec.errors import BraincodecError, DamagedFileError, InputValueError, MissingFileError

from ..small_models import gabor_linear, images

IMAGES = images(3)
EVERY_FILE = (*FILES, CHECKSUMS)


@pytest.fixture
def saved(tmp_path):
    """The artefact folder of a small model."""
    return gabor_linear().save(tmp_path / "fmri-test" / "subject-01")


def reseal(folder):
    """Write checksums that fit, as somebody would who made the files on purpose."""
    sums = {name: sha256_of(folder / name) for name in FILES}
    (folder / CHECKSUMS).write_text(json.dumps(sums))


@pytest.mark.parametrize("name", EVERY_FILE)
@pytest.mark.parametrize("harm", ["altered", "truncated", "empty", "missing"])
def test_every_harmed_file_is_named_in_one_clear_error(saved, name, harm):
    file = saved / name
    content = file.read_bytes()
    if harm == "missing":
        file.unlink()
    elif harm == "altered":
        middle = len(content) // 2
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        file.write_bytes(content[: len(content) // 2] if harm == "truncated" else b"")
    with pytest.raises(MissingFileError if harm == "missing" else DamagedFileError) as caught:
        Encoder.load(saved)
    # a checksum that was altered makes the file that it is for differ
    assert name in str(caught.value) or (name == CHECKSUMS and "differs from its checksum" in str(caught.value))
    assert "again" in str(caught.value) or "not valid JSON" in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "units.nc"])
@pytest.mark.parametrize("content", [b"", b"{", b"\x00" * 64, b"\xff\xfe\xff", b'{"a": 1}', b"[]"])
def test_files_of_nonsense_with_fitting_checksums_are_named_too(saved, name, content):
    (saved / name).write_bytes(content)
    reseal(saved)
    with pytest.raises(DamagedFileError, match=name.replace(".", r"\.")):
        read_artefact(saved)


def test_nonsense_checksums(saved):
    (saved / CHECKSUMS).write_text("[]")
    with pytest.raises(DamagedFileError, match=r"checksums\.json is no table"):
        read_artefact(saved)
    (saved / CHECKSUMS).write_text("{}")
    with pytest.raises(DamagedFileError, match=r"checksums\.json lacks config\.json"):
        read_artefact(saved)


@pytest.mark.parametrize("path", ["nothing", "nothing/at/all"])
def test_absent_folder_is_named(tmp_path, path):
    with pytest.raises(MissingFileError, match=f"artefact not found: .*{path}"):
        Encoder.load(tmp_path / path)


def change(folder, **changes):
    values = json.loads((folder / "config.json").read_text())
    for place, value in changes.items():
        *outer, last = place.split("__")
        inner = values
        for key in outer:
            inner = inner[key]
        inner[last] = value
    (folder / "config.json").write_text(json.dumps(values))
    reseal(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "os:system"}, "unknown kind of model 'os:system'; available: .*fwrf"),
        ({"kind": "liner"}, "did you mean 'linear'"),
        ({"kind": "fwrf"}, "unknown key"),
        ({"kind": ["linear"]}, "kind"),
        ({"extra": 1}, "unknown key 'extra'; valid keys: format,"),
        ({"model__feature": 1}, "unknown key 'feature'.*did you mean 'features'"),
        ({"model__features__layer": 1}, "did you mean 'layers'"),
        ({"model__features__layers": []}, "layers"),
        ({"model__reductions": 10**9}, "reductions must be 1"),
        ({"description__modell": "x"}, "did you mean 'model'"),
        ({"format": "something-else"}, "is not the config.json of a braincodec-artefact"),
        ({"format_version": "new"}, "format_version"),
    ],
)
def test_hostile_or_wrong_settings_are_refused_with_the_place_named(saved, changes, message):
    change(saved, **changes)
    with pytest.raises(DamagedFileError, match=message) as caught:
        Encoder.load(saved)
    assert str(saved) in str(caught.value)


def test_a_newer_format_says_update_even_where_its_keys_are_unknown(saved):
    change(saved, format_version=99, brand_new_key={"a": 1})
    with pytest.raises(InputValueError, match=r"format version 99, written by braincodec .*update braincodec"):
        Encoder.load(saved)


@pytest.mark.parametrize("stored", [True, False], ids=["with weights", "without weights"])
@pytest.mark.parametrize(
    "backbone", ["os:system", "module:os:system", "subprocess:getoutput@none", "builtins:exec", "os.path:join"]
)
def test_a_network_named_by_a_file_imports_nothing(tmp_path, backbone, stored, monkeypatch):
    ran = []
    monkeypatch.setattr(os, "system", lambda *args: ran.append(args))
    encoder = gabor_linear()
    path = encoder.save(tmp_path / "model")
    if not stored:
        from safetensors.torch import load_file, save_file

        tensors = load_file(path / "model.safetensors")
        save_file({n: t for n, t in tensors.items() if not n.startswith("backbone.")}, path / "model.safetensors")
    change(path, model__features__backbone=backbone)
    with pytest.raises(InputValueError, match="would import and run code named by a file"):
        Encoder.load(path).encode(IMAGES, device="cpu")
    assert not ran


def test_weights_of_another_model_are_refused(saved, tmp_path):
    other = gabor_linear(9).save(tmp_path / "other")
    (saved / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    reseal(saved)
    with pytest.raises(DamagedFileError, match=r"the readout predicts 1 x 9 .* describes 1 x 4"):
        Encoder.load(saved)


# h5netcdf cannot close a file whose header it never understood
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bytes_end_in_one_of_our_errors_or_change_nothing(saved, data):
    name = data.draw(st.sampled_from(["config.json", "units.nc", "model.safetensors"]))
    original = {file: (saved / file).read_bytes() for file in (name, CHECKSUMS)}
    content = bytearray(original[name])
    for place in data.draw(st.lists(st.integers(0, min(len(content), 4096) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    (saved / name).write_bytes(bytes(content))
    reseal(saved)
    try:
        Encoder.load(saved)
    except BraincodecError as error:
        assert len(str(error)) < 3000
    finally:
        for file, before in original.items():
            (saved / file).write_bytes(before)
