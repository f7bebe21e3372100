"""Values on the cortex to turn: on the right vertices, shared text kept once, no address of the web."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("nilearn")

from braincodec.errors import InputValueError
from braincodec.report.cortex import cortex_views

LEFT, RIGHT = 100, 200


def units(space="fsaverage5", values=(0.2, 0.8), vertices=(LEFT, RIGHT), subject=("1", "1")) -> xr.Dataset:
    return xr.Dataset(
        {
            "correlation": ("unit", np.array(values)),
            "vertex": ("unit", np.array(vertices)),
            "hemisphere": ("unit", np.array(["left", "right"])),
            "subject": ("unit", np.array(subject)),
        },
        attrs={"space": space},
    )


def colours(page: str) -> list[str]:
    """Colour of each vertex of a view."""
    return json.loads(re.search(r'"vertexcolor_[a-z]+": (\[.*?\])', page).group(1))


@pytest.fixture(scope="module")
def views():
    return cortex_views(units(), "correlation", "Correlation")


@pytest.fixture(scope="module")
def bare():
    return cortex_views(units(values=(np.nan, 0.8), vertices=(LEFT, 9000)), "correlation", "Correlation")


def test_each_value_colours_its_own_vertex(views, bare):
    changed = [
        place
        for place, (one, other) in enumerate(
            zip(colours(views.page("1", "both")), colours(bare.page("1", "both")), strict=True)
        )
        if one != other
    ]
    assert changed == [LEFT, 10_242 + RIGHT, 10_242 + 9000]
    assert len(colours(views.page("1", "left"))) == 10_242


def test_views_name_no_address_that_a_browser_would_load(views):
    for subject, hemisphere in views.pages:
        page = views.page(subject, hemisphere)
        assert not re.search(r"<link|<script[^>]+src=|<img", re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL))


def test_shared_text_is_kept_once_and_pages_are_whole(views):
    whole = {view: views.page(*view) for view in views.pages}
    kept = sum(map(len, views.shared.values())) + sum(len(part) for parts in views.pages.values() for part in parts)
    assert set(whole) == {("1", "both"), ("1", "left"), ("1", "right")}
    assert kept < 0.7 * sum(map(len, whole.values()))
    for page in whole.values():
        assert page.startswith("<!DOCTYPE html>")
        assert page.rstrip().endswith("</html>")
        assert "plotly" in page


def test_hemispheres_lie_side_by_side(views):
    encoded = re.search(r'"_x": "([^"]*)"', views.page("1", "both")).group(1)
    x = np.frombuffer(base64.b64decode(encoded), "<f4")
    assert x[:10_242].max() < 0 < x[10_242:].min()


def test_of_a_finer_surface_the_vertices_in_common_are_shown():
    fine = cortex_views(units("fsaverage", vertices=(LEFT, 100_000)), "correlation", "Correlation")
    both = colours(fine.page("1", "both"))
    nothing = colours(cortex_views(units(vertices=(101, 5)), "correlation", "Correlation").page("1", "both"))
    assert both[LEFT] != nothing[LEFT]
    assert both[10_242:] != nothing[10_242:]  # vertex 5 has a value in the other only
    assert "left 0.20" in fine.words
    assert "right" not in fine.words


def test_subjects_have_views_of_their_own():
    two = cortex_views(units(subject=("1", "2")), "correlation", "Correlation")
    assert two.subjects == ["1", "2"]
    assert colours(two.page("1", "left")) != colours(two.page("2", "left"))


@pytest.mark.parametrize("made", [units("volume"), units(values=(np.nan, np.nan))])
def test_units_that_cannot_be_shown_are_refused(made):
    with pytest.raises(InputValueError):
        cortex_views(made, "correlation", "Correlation")
