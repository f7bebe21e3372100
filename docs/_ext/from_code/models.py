"""Published models: what their families declare."""

from __future__ import annotations

from braincodec.legacy.families import FAMILIES, Family
from from_code.markdown import code, table

IN_WORDS = {
    "zscored_within_session": "z-scored within session",
    "noise_normalised": "noise-normalised",
    "original": "as recorded",
    "microvolt": "microvolt",
    "unknown": "not stated",
}


def families() -> list[type[Family]]:
    """Families of published models, in the order of their names."""
    return [FAMILIES.get(name) for name in FAMILIES.names()]


def published_models() -> str:
    """A row for each family: what it is, of whom, under which terms, to be cited how."""
    return table(
        ("model", "modality", "responses are", "kind", "subjects", "licence", "cite"),
        (
            (
                f"`{family.model}`",
                family.modality,
                IN_WORDS[family.response_units],
                f"`{family.kind}`",
                f"{family.published_subjects[0]} to {family.published_subjects[-1]}",
                family.licence,
                family.citation,
            )
            for family in families()
        ),
    )


def published_regions() -> str:
    """Regions that can be asked for, of each family."""
    return table(
        ("model", "regions", "one network a region"),
        (
            (
                f"`{family.model}`",
                code(*family.published_rois) or "none: all channels, or some by name",
                "yes" if family.one_model_a_roi else "no: all units at once, a region selects",
            )
            for family in families()
        ),
    )
