"""The base of every configuration: validated, immutable, unknown keys refused."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from braincodec.errors import InputValueError, nearest_names


class Config(BaseModel):
    """Validated settings that refuse unknown keys and hash to a stable name."""

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
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputValueError(f"{cls.__name__}: {_explain(cls, error)}") from None

    def hash(self) -> str:
        """Hexadecimal SHA-256 of the settings, the same in every process."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _explain(cls: type[Config], error: ValidationError) -> str:
    problems = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            near = nearest_names(place, cls.model_fields)
            guess = f" (did you mean {near[0]!r}?)" if near else ""
            problems.append(f"unknown key {place!r}{guess}; valid keys: {', '.join(cls.model_fields)}")
        else:
            problems.append(f"{place}: {item['msg']} (got {item['input']!r})")
    return "; ".join(problems)
