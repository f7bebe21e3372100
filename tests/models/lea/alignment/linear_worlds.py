"""Two latent spaces that a linear map relates, with noise."""

from __future__ import annotations

import numpy as np


def world(stimuli=120, source=8, target=5, noise=0.5, seed=0, offset=3.0):
    """Source and target latents, float32, of which the target is linear in the source plus noise."""
    random = np.random.default_rng(seed)
    weights = random.normal(size=(source, target)) / np.sqrt(source)
    sources = random.normal(size=(stimuli, source)) + offset
    targets = sources @ weights - offset + noise * random.normal(size=(stimuli, target))
    return sources.astype(np.float32), targets.astype(np.float32)


def subject(stimuli=300, embedding=12, voxels=40, noise=1.0, seed=0):
    """A subject whose voxels are linear in the embeddings of what is seen: fMRI and embeddings, float32."""
    random = np.random.default_rng(seed)
    embeddings = random.normal(size=(stimuli, embedding)) * np.linspace(2, 0.5, embedding) + 1.0
    fmri = embeddings @ random.normal(size=(embedding, voxels)) / np.sqrt(embedding)
    return (fmri + noise * random.normal(size=fmri.shape)).astype(np.float32), embeddings.astype(np.float32)
