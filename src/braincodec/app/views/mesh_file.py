"""The cortex as one small file that browsers keep."""

from __future__ import annotations

import functools

import numpy as np

from braincodec.mesh import HEMISPHERES, fsaverage5

# positions are whole numbers of a hundredth of a millimetre: 16 bits reach 327 mm
PER_MILLIMETRE = 100
# how quickly the grey of gyri becomes that of sulci, as in the figures of `braincodec.viz`
STEEPNESS = 4.0


@functools.cache
def mesh_file() -> bytes:
    """Both hemispheres of the inflated fsaverage5 surface, little-endian.

    Three uint32 (vertices, triangles, positions a millimetre); then of the left and the right hemisphere: positions
    around the middle, int16 (vertices, 3); triangles, uint16 (triangles, 3); how deep in a sulcus, uint8 (vertices,).
    """
    meshes = [fsaverage5(name) for name in HEMISPHERES]
    parts = [np.array([len(meshes[0].inflated), len(meshes[0].faces), PER_MILLIMETRE], "<u4").tobytes()]
    for mesh in meshes:
        middle = (mesh.inflated.min(0) + mesh.inflated.max(0)) / 2
        parts.append(np.rint((mesh.inflated - middle) * PER_MILLIMETRE).astype("<i2").tobytes())
        parts.append(mesh.faces.astype("<u2").tobytes())
        deep = (np.tanh(STEEPNESS * mesh.sulcal_depth) + 1) / 2
        parts.append(np.rint(deep * 255).astype(np.uint8).tobytes())
    return b"".join(parts)
