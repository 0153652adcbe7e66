"""Pre-generate CutMix samples with exact soft labels, reproducibly, in shards that any loader reads.

>>> from cutmix_gen import GenerateConfig, generate
>>> report = generate(GenerateConfig(source="photos", output="out", copies=4, size=224))  # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

from cutmix_gen.version import __version__

if TYPE_CHECKING:
    from cutmix_gen.config import GenerateConfig
    from cutmix_gen.dataset.reader import open_dataset
    from cutmix_gen.generation.make import generate
    from cutmix_gen.mixing.batch import cutmix
    from cutmix_gen.mixing.relabel import relabel

__all__ = ["GenerateConfig", "__version__", "cutmix", "generate", "open_dataset", "relabel"]

_HOME = {
    "GenerateConfig": "config",
    "cutmix": "mixing.batch",
    "generate": "generation.make",
    "open_dataset": "dataset.reader",
    "relabel": "mixing.relabel",
}


def __getattr__(name: str) -> Any:
    # Each name is imported when it is first used: the command line and mixing in memory start without Arrow.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415  only needed here

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
