"""Pre-generate CutMix samples with exact soft labels, reproducibly, in shards that any loader reads.

>>> from cutmix_gen import GenerateConfig, generate
>>> report = generate(GenerateConfig(source="photos", output="out", copies=4, size=224))  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from cutmix_gen.version import __version__

if TYPE_CHECKING:
    from cutmix_gen.batch import cutmix
    from cutmix_gen.config import GenerateConfig
    from cutmix_gen.cropping import relabel
    from cutmix_gen.make import generate
    from cutmix_gen.reader import open_dataset

__all__ = ["GenerateConfig", "__version__", "cutmix", "generate", "open_dataset", "relabel"]

_HOME = {
    "GenerateConfig": "config",
    "cutmix": "batch",
    "generate": "make",
    "open_dataset": "reader",
    "relabel": "cropping",
}


def __getattr__(name: str) -> Any:
    # Each name is imported when it is first used: the command line and mixing in memory start without Arrow.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  only needed here

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
