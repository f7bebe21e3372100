"""Settings in YAML and JSON: what is refused, and that what is written is read back."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnsafeFileError
from braincodec.settings_file import parse_settings, read_settings, settings_text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nseed: 2", "line 2: the key 'seed' comes twice"),
        ("model:\n  kind: a\n  kind: b", "line 3: the key 'kind' comes twice"),
        ("a: [1", "is not YAML"),
        ("a: 1\n b: 2", "line 2 is not YAML"),
        ("\tx: 1", "is not YAML"),
        ("- 1\n- 2", "holds a list"),
        ("", "holds nothing"),
        ("just words", "holds a str"),
        ("1: x", "the key 1 is no text"),
        ("a: &x 1\nb: *x", "references"),
    ],
)
def test_what_is_no_table_of_settings_is_refused_with_its_line(text, words):
    with pytest.raises(DamagedFileError, match=words) as error:
        parse_settings(text, "train.yaml")
    assert "train.yaml" in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch hacked']",
        "a: !!python/name:os.system",
        "a: !!python/object/new:subprocess.Popen [[ls]]",
        "a: !mine 1",
        "a: " + "[" * 3_000,
        "a: " + "{a: " * 3_000,
    ],
)
def test_objects_and_bombs_are_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnsafeFileError):
        parse_settings(text, "train.yaml")
    assert not list(tmp_path.iterdir())


def test_words_that_older_yaml_takes_for_something_else_stay_words():
    text = "a: [no, on, 010, 2021-02-24, 1:30, 0x10, 1_000]\nb: [1e-3, 210224, true, ~]"
    assert parse_settings(text, "x") == {
        "a": ["no", "on", "010", "2021-02-24", "1:30", "0x10", "1_000"],
        "b": [0.001, 210224, True, None],
    }


def test_json_with_a_key_twice_is_refused(tmp_path):
    path = tmp_path / "train.json"
    path.write_text('{"seed": 1, "seed": 2}')
    with pytest.raises(DamagedFileError, match="comes twice"):
        read_settings(path)
    path.write_text(json.dumps({"seed": 1}))
    assert read_settings(path) == {"seed": 1}


def test_files_that_are_no_settings_are_refused(tmp_path):
    with pytest.raises(MissingFileError):
        read_settings(tmp_path / "none.yaml")
    (tmp_path / "a.toml").write_text("a = 1")
    with pytest.raises(InputValueError, match="settings end in"):
        read_settings(tmp_path / "a.toml")
    (tmp_path / "big.yaml").write_bytes(b"#" * 2**21)
    with pytest.raises(UnsafeFileError, match="bytes"):
        read_settings(tmp_path / "big.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(DamagedFileError, match="UTF-8"):
        read_settings(tmp_path / "latin.yaml")


WORDS = st.text(string.printable, max_size=12)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS
TABLES = st.dictionaries(
    st.text(string.ascii_letters + "_", min_size=1, max_size=8),
    st.recursive(
        PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None)
@given(TABLES)
def test_what_is_written_is_read_back(values):
    assert parse_settings(settings_text(values, "a remark"), "again") == values
