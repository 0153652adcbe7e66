"""Scripts that train on a set with a framework's own means: a template each, one line each in the registry."""

from __future__ import annotations

LOADERS = {
    "torch": "torch, numpy, pillow",
    "webdataset": "webdataset, torch, numpy, pillow",
    "datasets": "datasets, torch, numpy, pillow",
    "tensorflow": "tensorflow, numpy, pillow",
    "keras": "tensorflow, numpy, pillow",
    "jax": "jax, grain, numpy, pillow",
    "dali": "nvidia-dali-cuda120 (no GPU), numpy",
    "numpy": "numpy, pillow",
}
"""Every framework, and the packages that its script needs, pyarrow for Parquet aside.

`frameworks/` has its template, or one for each shard format that it reads."""
