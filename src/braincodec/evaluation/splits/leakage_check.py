"""What a search for images on both sides of a split found, and what it looked for."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import pandas as pd

MOST_PAIRS_SHOWN = 20
MOST_PAIRS_STORED = 1000


@dataclass(frozen=True, repr=False, eq=False)
class LeakageCheck:
    """Test images that are also, or nearly, among those a model is fitted on; made by `check_leakage`.

    Attributes
    ----------
    method : {"hash", "features", "both"}
    features : str or None
        Which features were compared.
    n_train, n_validation, n_test : int
        Stimuli compared.
    counts : dict of str to int
        Pairs of each kind, all of them; a pair counts once, under the first kind that fits.
    pairs : DataFrame
        ``part`` ("train" or "validation"), ``train`` and ``test`` (ids), ``kind``, ``distance`` (differing bits of 64
        for hashes, 1 - cosine similarity for features, else 0). At most the ten nearest of each test image.
    leaking : tuple of str
        Test stimuli that are in any pair.
    thresholds : dict of str to float
    notes : tuple of str
        What the check could not do as usual.
    """

    method: str
    features: str | None
    n_train: int
    n_validation: int
    n_test: int
    counts: dict[str, int]
    pairs: pd.DataFrame
    leaking: tuple[str, ...]
    thresholds: dict[str, float]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.leaking

    def compared(self) -> str:
        """What was compared, in words."""
        ways = ["ids", "all pixels"]
        if self.method != "features":
            most = self.thresholds["frequency_bits"]
            ways.append(f"perceptual hashes of images and mirror images (up to {most:.0f} of 64 bits)")
        if self.method != "hash":
            ways.append(f"features ({self.features}; cosine similarity of {self.thresholds['similarity']:.2f} or more)")
        without = {"hash": ", not by features", "features": ", not by perceptual hashes"}.get(self.method, "")
        return f"compared by {', '.join(ways[:-1])} and {ways[-1]}{without}"

    def summary(self) -> str:
        """One or two sentences for a report.

        Examples
        --------
        >>> nothing = pd.DataFrame(columns=["part", "train", "test", "kind", "distance"])
        >>> bits = {"frequency_bits": 10.0, "difference_bits": 8.0}
        >>> print(LeakageCheck("hash", None, 80, 0, 20, {}, nothing, (), bits).summary())
        None of 20 test images is among the 80 training images or nearly the same as one of them (compared by ids, ...
        """
        among = f"{self.n_train:,} training"
        among += f" and {self.n_validation:,} validation images" if self.n_validation else " images"
        if self.passed:
            found = f"None of {self.n_test:,} test images is among the {among} or nearly the same as one of them"
        else:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.counts.items() if count)
            share = len(self.leaking) / self.n_test
            number = len(self.leaking)
            have = "has" if number == 1 else "have"
            found = (
                f"{number:,} of {self.n_test:,} test images ({share:.1%}) {have} a copy or near-copy "
                f"among the {among}; pairs: {kinds}"
            )
        return ". ".join([f"{found} ({self.compared()})", *self.notes]) + "."

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; at most 1,000 pairs, the strongest first."""
        return {
            "passed": self.passed,
            "summary": self.summary(),
            "compared": self.compared(),
            "method": self.method,
            "features": self.features,
            "n_train": self.n_train,
            "n_validation": self.n_validation,
            "n_test": self.n_test,
            "counts": dict(self.counts),
            "leaking": list(self.leaking),
            "thresholds": dict(self.thresholds),
            "notes": list(self.notes),
            "pairs": self.pairs.head(MOST_PAIRS_STORED).to_dict("records"),
        }

    def __repr__(self) -> str:
        shown = f"\n{self.pairs.head(MOST_PAIRS_SHOWN).to_string(index=False)}" if len(self.pairs) else ""
        return f"<LeakageCheck: {self.summary()}>{shown}"

    def _repr_html_(self) -> str:
        table = self.pairs.head(MOST_PAIRS_SHOWN).to_html(index=False, escape=True, border=0) if len(self.pairs) else ""
        return f"<p>{html.escape(self.summary())}</p>{table}"
