"""Bytes to pixels and back: `pillow` is always there, `turbo` where the libraries of the extra `fast` are."""

from __future__ import annotations

from importlib.util import find_spec

from cutmix_gen.codecs.base import (
    IMAGE_FORMATS,
    INTERPOLATIONS,
    MAX_PIXELS,
    MODES,
    MOST_PIXELS,
    Codec,
    Decoded,
    Encoding,
    Reduce,
    Region,
    image_extension,
)
from cutmix_gen.errors import UsageError

__all__ = [
    "CODECS",
    "IMAGE_FORMATS",
    "INTERPOLATIONS",
    "MAX_PIXELS",
    "MODES",
    "MOST_PIXELS",
    "Codec",
    "Decoded",
    "Encoding",
    "Reduce",
    "Region",
    "best_codec",
    "image_extension",
    "make_codec",
]

CODECS = {
    "pillow": (),
    "turbo": ("simplejpeg", "cykooz_resizer", "deflate"),
}
"""Every codec and the modules beyond the core that it needs."""


def best_codec() -> str:
    """Return the name of the fastest codec whose libraries are installed."""
    return "turbo" if not _missing("turbo") else "pillow"


def make_codec(name: str, max_pixels: int = MAX_PIXELS) -> Codec:
    """Return a codec by name, for images of so many pixels at most.

    Raises
    ------
    UsageError
        If its libraries are not installed.
    """
    missing = _missing(name)
    if missing:
        raise UsageError(
            f"The codec '{name}' needs {' and '.join(missing)}, not installed here. "
            'Install them with: pip install "cutmix-gen[fast]" (or make the set with --codec pillow).'
        )
    if name == "pillow":
        from cutmix_gen.codecs.pillow import PillowCodec  # noqa: PLC0415  printing the help takes no Pillow

        return PillowCodec(max_pixels)
    from cutmix_gen.codecs.turbo import TurboCodec  # noqa: PLC0415  only where its libraries are installed

    return TurboCodec(max_pixels)


def _missing(name: str) -> list[str]:
    return [module for module in CODECS[name] if find_spec(module) is None]
