"""Pre-generate CutMix samples with exact soft labels, reproducibly, in shards that any loader reads."""

from cutmix_gen.version import __version__

__all__ = ["GenerateConfig", "__version__", "cutmix", "generate"]
