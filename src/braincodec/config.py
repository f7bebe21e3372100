"""The base of every configuration: validated, immutable, unknown keys refused."""

from __future__ import annotations

import hashlib
import json
from typing import Any, ClassVar, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from braincodec.errors import InputTypeError, InputValueError, nearest_names

MOST_CHARACTERS_SHOWN = 60
# how pydantic begins the message of a validator's own error
OWN_ERROR = "Value error, "


class Config(BaseModel):
    """Validated settings that refuse unknown keys and hash to a stable name."""

    # what messages call these settings; default: the name of the class
    shown_as: ClassVar[str] = ""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False)

    @classmethod
    def parse(cls, values: dict[str, Any] | Self) -> Self:
        """Build from a dictionary; every problem is named in one `InputValueError`.

        Examples
        --------
        >>> class Size(Config):
        ...     width: int = 3
        >>> Size.parse({"widht": 4})
        Traceback (most recent call last):
        braincodec.errors.InputValueError: Size: unknown key 'widht' (did you mean 'width'?); valid keys: width
        """
        if isinstance(values, cls):
            return values
        if not isinstance(values, dict):
            raise InputTypeError(f"{cls.__name__} is made from a dictionary, got {type(values).__name__}")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputValueError(f"{cls.shown_as or cls.__name__}: {_explain(cls, error)}") from None

    def hash(self) -> str:
        """Hexadecimal SHA-256 of the settings, the same in every process."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _explain(cls: type[Config], error: ValidationError) -> str:
    problems = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            fields = _fields_at(cls, item["loc"][:-1])
            near = nearest_names(str(item["loc"][-1]), fields)
            guess = f" (did you mean {near[0]!r}?)" if near else ""
            problems.append(f"unknown key {place!r}{guess}; valid keys: {', '.join(fields)}")
        elif item["type"] == "missing":
            problems.append(f"{place} is missing; given are: {', '.join(map(str, item['input'])) or 'no keys'}")
        else:
            message = item["msg"].removeprefix(OWN_ERROR)
            if not place:  # about several keys: the message says which, all of them would hide it
                problems.append(message)
                continue
            got = repr(item["input"])
            got = got if len(got) <= MOST_CHARACTERS_SHOWN else f"{got[:MOST_CHARACTERS_SHOWN]}..."
            problems.append(f"{place}: {message} (got {got})")
    return "; ".join(problems)


def _fields_at(cls: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Names of the keys that the model at `place` inside `cls` knows."""
    for part in place:
        field = cls.model_fields.get(str(part))
        if field is not None:
            kinds = (field.annotation, *get_args(field.annotation))
            cls = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), cls)
    return list(cls.model_fields)
