"""Networks that can be named."""

from __future__ import annotations

import re
import sys

from braincodec.features import BACKBONES
from from_code.markdown import first_line, table


def backbones() -> str:
    """A row for each scheme of names, from what its module and its function say of themselves."""
    rows = []
    for scheme in BACKBONES.names():
        load = BACKBONES.get(scheme)
        form, _, meaning = first_line(sys.modules[load.__module__].__doc__).rpartition("`: ")
        named = re.search(rf"``({scheme}:\w+)``", load.__doc__ or "")
        name = form.lstrip("`") or (named[1] if named else f"{scheme}:NAME")
        rows.append((f"`{name}`", meaning.rstrip(".")))
    return table(("name", "networks"), rows)
