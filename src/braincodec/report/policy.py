"""What the report's page may do: nothing but show itself. A Content-Security-Policy says so to the browser."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable


def script_hash(script: str) -> str:
    """Hash of an inline script, as a policy names it.

    Examples
    --------
    >>> script_hash("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def content_security_policy(script_hashes: Iterable[str], *, compiles_shaders: bool = False) -> str:
    """A policy under which the page reaches no network and runs only the scripts that it was made with.

    Parameters
    ----------
    script_hashes : iterable of str
        Of `script_hash`.
    compiles_shaders : bool
        The drawing library of the cortex makes functions from text when it draws.
    """
    scripts = sorted(set(script_hashes)) + (["'unsafe-eval'"] if compiles_shaders else [])
    allowed = " ".join(scripts) or "'none'"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {allowed}",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
