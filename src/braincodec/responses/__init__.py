"""Labelled brain responses: build, select, write in a stream, read back, export.

Importing this registers the accessor ``.bc`` on `xarray.DataArray`.
"""

from braincodec.responses.accessor import ResponsesAccessor
from braincodec.responses.combine import concatenate_responses, concatenate_units
from braincodec.responses.coordinates import (
    build_responses,
    build_sensor_units,
    build_units,
    coordinates_to_units,
    empty_responses,
    units_to_coordinates,
)
from braincodec.responses.formats import FORMATS
from braincodec.responses.reader import open_responses
from braincodec.responses.select import select
from braincodec.responses.writer import ResponseWriter

__all__ = [
    "FORMATS",
    "ResponseWriter",
    "ResponsesAccessor",
    "build_responses",
    "build_sensor_units",
    "build_units",
    "concatenate_responses",
    "concatenate_units",
    "coordinates_to_units",
    "empty_responses",
    "open_responses",
    "select",
    "units_to_coordinates",
]
