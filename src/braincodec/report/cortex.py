"""A cortex that the reader can turn: nilearn's standalone views, as parts that a page puts together when looked at.

Every view of nilearn carries its own copy of the drawing library (1.5 MB) and of the mesh. What several views share is
kept once, so a page can offer each subject and hemisphere.
"""

from __future__ import annotations

import hashlib
import html
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import InputValueError
from braincodec.extras import import_optional
from braincodec.mesh import HEMISPHERES, VERTICES, HemisphereName, fsaverage5
from braincodec.report.policy import script_hash

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

# vertices of fsaverage5 are the first ones of the finer surfaces of the family
SPACES = ("fsaverage5", "fsaverage6", "fsaverage")
COLOUR_MAP = "viridis"
# of the values that the colours span; beyond lie few vertices
TOP_PERCENTILE = 98
# between hemispheres that are shown together, mm
GAP = 12.0
SEEN_FROM = {"both": "back", "left": "left", "right": "right"}
# long runs that several views have in common: the drawing library, and meshes as base64
SHARED = re.compile(r"(<script>\s*/\*.{20000,}?</script>|[A-Za-z0-9+/=]{8192,})", re.DOTALL)
SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
# nilearn's page asks the web for its icon
REMOTE_ICON = re.compile(r"<link[^>]*rel=\"icon\"[^>]*>", re.DOTALL)


@dataclass
class CortexViews:
    """Pages to be shown in a frame, cut where they share text.

    Attributes
    ----------
    shared : dict of str to str
        Text by a short key.
    pages : dict of (subject, hemisphere) to list of str
        Alternately text of the page itself and keys of `shared`; joined they are the page.
    script_hashes : set of str
        Of every script, for the page's Content-Security-Policy.
    words : str
        What is shown, for readers who cannot see it.
    """

    shared: dict[str, str] = field(default_factory=dict)
    pages: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    script_hashes: set[str] = field(default_factory=set)
    words: str = ""

    @property
    def subjects(self) -> list[str]:
        """Whose views there are."""
        return list(dict.fromkeys(subject for subject, _ in self.pages))

    def add(self, subject: str, hemisphere: str, page: str) -> None:
        """Cut a page into its own parts and shared ones."""
        page = REMOTE_ICON.sub("", page).replace("\r\n", "\n")
        self.script_hashes |= {script_hash(script) for script in SCRIPT.findall(page)}
        parts = SHARED.split(page)
        for place in range(1, len(parts), 2):
            key = hashlib.sha256(parts[place].encode()).hexdigest()[:16]
            self.shared[key] = parts[place]
            parts[place] = key
        self.pages[subject, hemisphere] = parts

    def page(self, subject: str, hemisphere: str) -> str:
        """The whole page of one view."""
        parts = self.pages[subject, hemisphere]
        return "".join(self.shared[part] if place % 2 else part for place, part in enumerate(parts))


def on_cortex(units: xr.Dataset) -> bool:
    """Whether the units are vertices of a surface that can be shown."""
    return units.attrs.get("space") in SPACES and {"vertex", "hemisphere"} <= set(units.variables)


def cortex_views(units: xr.Dataset, variable: str, title: str) -> CortexViews:
    """Views of one value for each vertex: of each subject, and of both hemispheres or one.

    Parameters
    ----------
    units : xarray.Dataset, dims (unit,)
        With ``vertex``, ``hemisphere`` and `variable`; ``attrs["space"]`` names a surface of the fsaverage family. Of
        finer ones than fsaverage5 the vertices that both have are shown.
    variable : str
        Such as ``"correlation"``.
    title : str
        What the values are.

    Returns
    -------
    CortexViews

    Raises
    ------
    InputValueError
        When the units are on no such surface.
    MissingExtraError
        Without nilearn or matplotlib.
    """
    if not on_cortex(units):
        raise InputValueError(f"units lie in {units.attrs.get('space')!r}; a cortex is shown on {', '.join(SPACES)}")
    maps = _maps_of_subjects(units, variable)
    known = np.concatenate([half[np.isfinite(half)] for both in maps.values() for half in both.values()])
    if not known.size:
        raise InputValueError(f"no vertex of fsaverage5 has a value of {variable}")
    low, high = min(0.0, float(np.percentile(known, 100 - TOP_PERCENTILE))), float(np.percentile(known, TOP_PERCENTILE))
    limits = (low, high if high > low else low + 1.0)
    views = CortexViews(words=f"{title} of each vertex on the inflated cortex; {_in_words(maps)}")
    for subject, both in maps.items():
        for hemisphere in ("both", *HEMISPHERES):
            views.add(subject, hemisphere, _page(both, hemisphere, limits, title))
    return views


def _maps_of_subjects(units: xr.Dataset, variable: str) -> dict[str, dict[HemisphereName, NDArray[np.float64]]]:
    """Values (10242,) of both hemispheres for each subject; NaN where there is no unit, means where several are."""
    vertex, side = units["vertex"].values, units["hemisphere"].values.astype(str)
    values = units[variable].values.astype(float)
    of_subject = units["subject"].values.astype(str) if "subject" in units.variables else np.full(vertex.shape, "")
    of_subject = np.broadcast_to(of_subject, vertex.shape)
    maps: dict[str, dict[HemisphereName, NDArray[np.float64]]] = {}
    for subject in dict.fromkeys(of_subject.tolist()):
        maps[subject] = {}
        for name in HEMISPHERES:
            here = (of_subject == subject) & (side == name) & (vertex < VERTICES) & np.isfinite(values)
            known = np.bincount(vertex[here], minlength=VERTICES)
            total = np.bincount(vertex[here], values[here], minlength=VERTICES)
            maps[subject][name] = np.where(known > 0, total / np.maximum(known, 1), np.nan)
    return maps


def _in_words(maps: dict[str, dict[HemisphereName, NDArray[np.float64]]]) -> str:
    parts = []
    for subject, both in maps.items():
        medians = [f"{name} {np.nanmedian(half):.2f}" for name, half in both.items() if np.isfinite(half).any()]
        parts.append(f"{f'subject {subject}: ' if subject else ''}median by hemisphere {', '.join(medians)}")
    return "; ".join(parts)


def _page(
    maps: dict[HemisphereName, NDArray[np.float64]], hemisphere: str, limits: tuple[float, float], title: str
) -> str:
    import_optional("nilearn", "an interactive cortex")
    import_optional("plotly", "an interactive cortex")
    # without it nilearn's module has no views, and does not say so
    import_optional("matplotlib", "an interactive cortex")
    plotting = import_optional("nilearn.plotting", "an interactive cortex")
    points, faces, depth, values = _surface(maps, hemisphere)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # a hemisphere without units is a bare cortex
        view = plotting.view_surf(
            (points, faces),
            values,
            bg_map=depth,
            cmap=COLOUR_MAP,
            symmetric_cmap=False,
            vmin=limits[0],
            vmax=limits[1],
            colorbar_fontsize=14,
        )
    page: str = view.get_standalone()
    # the first thing seen is the side where the visual areas are; older nilearn starts from the left
    page = page.replace('"view": "left"', f'"view": "{SEEN_FROM[hemisphere]}"')
    # it redraws on every change of the window's size, and fails when nothing is drawn yet
    page = page.replace(
        "$(window).resize(surfaceRelayout)", "$(window).resize(() => { try { surfaceRelayout() } catch {} })"
    )
    return page.replace("Nilearn - Surface plot", html.escape(title))


def _surface(
    maps: dict[HemisphereName, NDArray[np.float64]], hemisphere: str
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Points, faces, sulcal depth and values of one hemisphere, or of both side by side."""
    chosen = [name for name in HEMISPHERES if hemisphere in ("both", name)]
    meshes = [fsaverage5(name) for name in chosen]
    points = [mesh.inflated.copy() for mesh in meshes]
    if len(points) == 2:
        points[0][:, 0] -= points[0][:, 0].max() + GAP / 2
        points[1][:, 0] -= points[1][:, 0].min() - GAP / 2
    faces = np.concatenate([mesh.faces + VERTICES * place for place, mesh in enumerate(meshes)])
    depth = np.concatenate([mesh.sulcal_depth for mesh in meshes])
    return np.concatenate(points), faces, depth, np.concatenate([maps[name] for name in chosen])
