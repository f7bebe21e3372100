"""How the site is built: `make docs`. Its pages are Markdown that reads on a code host as well.

What follows from the code (catalogue, metrics, formats, command line, API) is made by the extensions in `_ext/`.
Nothing in a built page comes from another host, and nothing is fetched while it is built.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

from braincodec import __version__  # noqa: E402

project = "braincodec"
author = "The braincodec developers"
copyright = author
version = release = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_design",
    # of this repository
    "from_code",
    "repository_links",
    "mathml",
    "notebook_cells",
    "public_members",
]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
templates_path = ["_templates"]
# the function that templates call for a class's members cannot be kept between builds, and need not be
suppress_warnings = ["config.cache"]

# Markdown
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4  # the anchors that code hosts give headings
myst_links_external_new_tab = False

# tutorials are run when the site is built, and again only when their code changes; -D nb_execution_mode=off leaves them
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds a cell
nb_execution_in_temp = True
nb_merge_streams = True
nb_code_prompt_show = "On Colab: install first"  # the only cells that are folded
nb_code_prompt_hide = "On Colab: install first"

# API
default_role = "py:obj"
autosummary_generate = True
autosummary_ignore_module_all = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections say types
autodoc_preserve_defaults = True
numpydoc_show_class_members = False  # the template lists them
numpydoc_class_members_toctree = False
add_module_names = False
toc_object_entries_show_parents = "hide"

# HTML
html_theme = "pydata_sphinx_theme"
html_title = "braincodec"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": "braincodec", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg", "alt_text": ""},
    "github_url": "https://github.com/braincodec/braincodec",
    "use_edit_page_button": False,
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "show_nav_level": 1,
    "navbar_align": "left",
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "getting_started": [], "changelog": [], "citing": []}

# addresses on other hosts: `make docs-links`, where there is a network
linkcheck_timeout = 20
linkcheck_workers = 4
linkcheck_anchors = False
# a notebook's address answers to people who are logged in; files of this repository are looked for on the disk
linkcheck_ignore = [r"https://colab\.research\.google\.com/.*", r"https://github\.com/braincodec/braincodec/.*"]
