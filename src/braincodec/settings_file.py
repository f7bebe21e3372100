"""Settings in YAML or JSON: read strictly, written so that they are read back as they were."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnsafeFileError

SUFFIXES = (".yaml", ".yml", ".json")
# far beyond any settings that a person writes
MOST_BYTES = 2**20
NOT_ASCII_ENDS = "\x85\u2028\u2029"


class _Loader(yaml.SafeLoader):
    """YAML of the core schema of version 1.2: ``no`` is a word, ``010`` and dates are text, and a key comes once."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "references (*name) are not taken; write it out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if not isinstance(name, str):
                problem = f"the key {name!r} is no text; put it in quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} comes twice", key.start_mark)
            seen.add(name)
        return dict(super().construct_mapping(node, deep=deep))


class _Dumper(yaml.SafeDumper):
    """YAML that every reader of version 1.1 or 1.2 understands alike, without references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: Any = None) -> Any:
        """Lists of plain values on a line, everything else a line each."""
        plain = not any(isinstance(item, dict | list | tuple) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=plain)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: Any = None) -> Any:
        """Keys below each other."""
        return super().represent_mapping(tag, mapping, flow_style=not mapping)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
):
    for _one in (_Loader, _Dumper):  # what would be read as a number is written in quotes
        _one.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


def read_settings(path: str | Path) -> dict[str, Any]:
    """Settings from a file.

    Parameters
    ----------
    path : str or Path
        Ends in ``.yaml``, ``.yml`` or ``.json``.

    Returns
    -------
    dict

    Raises
    ------
    MissingFileError
    UnsafeFileError
        When the file asks for Python objects, or is too large to be settings.
    DamagedFileError
        When it is no YAML or JSON, a key comes twice, or there are no keys at all; names the line.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(path, "settings")
    if path.suffix.lower() not in SUFFIXES:
        raise InputValueError(f"{path}: settings end in {', '.join(SUFFIXES)}")
    if path.stat().st_size > MOST_BYTES:
        raise UnsafeFileError(f"{path} has {path.stat().st_size:,} bytes; that is no file of settings")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"{path} is no text in UTF-8: {error}") from error
    return parse_settings(text, str(path), is_json=path.suffix.lower() == ".json")


def parse_settings(text: str, name: str, *, is_json: bool = False) -> dict[str, Any]:
    r"""Settings from text; `name` is what messages call it.

    Examples
    --------
    >>> parse_settings("subject: 010\nsessions: [no, 1e-3]", "example")
    {'subject': '010', 'sessions': ['no', 0.001]}
    >>> parse_settings("seed: 1\nseed: 2", "train.yaml")
    Traceback (most recent call last):
    braincodec.errors.DamagedFileError: train.yaml, line 2: the key 'seed' comes twice
    """
    try:
        values = _from_json(text) if is_json else yaml.load(text, _Loader)  # of SafeLoader's kind
    except yaml.constructor.ConstructorError as error:
        asks_for_code = "could not determine a constructor" in str(error.problem)
        kind = UnsafeFileError if asks_for_code else DamagedFileError
        hint = "; settings hold text, numbers, lists and keys, and no objects" if asks_for_code else ""
        raise kind(f"{_place(name, error)}: {error.problem}{hint}") from None
    except yaml.MarkedYAMLError as error:
        context = f"{error.context}, " if error.context else ""
        raise DamagedFileError(f"{_place(name, error)} is not YAML: {context}{error.problem}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DamagedFileError(f"{name} is not {'JSON' if is_json else 'YAML'}: {error}") from None
    except RecursionError:
        raise UnsafeFileError(f"{name} is nested too deeply") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise DamagedFileError(f"{name} holds {found}; expected keys and their values, such as 'subject: 1'")
    return values


def _place(name: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return name if mark is None else f"{name}, line {mark.line + 1}"


def _from_json(text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the key {name!r} comes twice")
        return dict(pairs)

    return json.loads(text, object_pairs_hook=once)


def settings_text(values: dict[str, Any], remark: str = "") -> str:
    """Settings as YAML, keys in their order.

    Parameters
    ----------
    values : dict
        As JSON can hold it.
    remark : str
        Lines of comment for the top.

    Examples
    --------
    >>> print(settings_text({"subject": "010", "model": {"layers": ["a", "b"], "alpha": 0.1}}, "made today"), end="")
    # made today
    subject: '010'
    model:
      layers: [a, b]
      alpha: 0.1
    """
    comment = "".join(f"# {line}\n" for line in remark.splitlines())
    # ends of lines that are no ASCII would be folded away
    plain = not set(NOT_ASCII_ENDS) & set(json.dumps(values, ensure_ascii=False))
    body: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=plain, width=110)
    return comment + body
