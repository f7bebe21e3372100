"""Settings refuse what they do not know."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import field_validator, model_validator

from braincodec.config import Config
from braincodec.errors import InputTypeError, InputValueError


class Inner(Config):
    backbone: str = "a"
    layers: tuple[str, ...] = ()


class Outer(Config):
    width: int = 3
    inner: Inner = Inner()
    maybe: Inner | None = None


def test_unknown_key_is_refused_with_the_nearest_name():
    with pytest.raises(InputValueError, match=r"unknown key 'widht' \(did you mean 'width'\?\); valid keys: width, in"):
        Outer.parse({"widht": 3})


@pytest.mark.parametrize("place", ["inner", "maybe"])
def test_unknown_key_inside_other_settings_names_the_keys_of_that_place(place):
    with pytest.raises(InputValueError, match=rf"'{place}.bakbone' \(did you mean 'backbone'\?\).*backbone, layers"):
        Outer.parse({place: {"bakbone": "b"}})


def test_all_problems_are_named_at_once():
    with pytest.raises(InputValueError) as caught:
        Outer.parse({"width": "wide", "hight": 1})
    assert "width" in str(caught.value)
    assert "'wide'" in str(caught.value)
    assert "hight" in str(caught.value)


def test_what_is_missing_and_what_a_check_says_is_put_in_our_own_words():
    class Strict(Config):
        name: str
        width: int = 3

        @field_validator("width")
        @classmethod
        def _odd(cls, value: int) -> int:
            if value % 2 == 0:
                raise ValueError("width must be odd")
            return value

    with pytest.raises(InputValueError, match=r"^Strict: name is missing; given are: width; width: width must be odd"):
        Strict.parse({"width": 4})
    with pytest.raises(InputValueError, match="name is missing; given are: no keys"):
        Strict.parse({})


def test_what_a_check_of_several_keys_says_is_not_followed_by_all_of_them():
    class Interval(Config):
        low: int
        high: int

        @model_validator(mode="after")
        def _ordered(self) -> Interval:
            if self.low > self.high:
                raise ValueError(f"low {self.low} is above high {self.high}")
            return self

    with pytest.raises(InputValueError, match=r"^Interval: low 3 is above high 1$"):
        Interval.parse({"low": 3, "high": 1})


def test_a_long_wrong_value_is_not_printed_whole():
    with pytest.raises(InputValueError) as caught:
        Outer.parse({"width": "x" * 100_000})
    assert len(str(caught.value)) < 300


def test_no_dictionary_is_refused():
    with pytest.raises(InputTypeError, match="Outer is made from a dictionary, got list"):
        Outer.parse([1])


def test_settings_pass_as_they_are_and_cannot_be_changed():
    outer = Outer(width=4)
    assert Outer.parse(outer) is outer
    with pytest.raises(Exception, match="frozen"):
        outer.width = 5


def test_hash_follows_content_not_order_and_is_the_same_in_every_process():
    assert Outer.parse({"width": 4, "inner": {}}).hash() == Outer.parse({"inner": {}, "width": 4}).hash()
    assert Outer(width=4).hash() != Outer(width=5).hash()
    code = (
        "from braincodec.config import Config\n"
        "class Size(Config):\n    width: int = 3\n    name: str = 'x'\n"
        "print(Size().hash())"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout
