"""Settings that come with the package."""

from __future__ import annotations

from braincodec.training import shipped_configs
from braincodec.training.shipped import load_settings
from from_code.markdown import table


def shipped_settings() -> str:
    """A row for each file of settings, from its first line and what it sets."""
    rows = []
    for name, purpose in shipped_configs().items():
        settings = load_settings(name)
        rows.append((f"`{name}`", purpose, f"`{settings['dataset']['name']}`", f"`{settings['model']['kind']}`"))
    return table(("`--config`", "what for", "data set", "kind of model"), rows)
