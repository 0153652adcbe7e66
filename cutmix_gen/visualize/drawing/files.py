"""Pictures as files."""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

from PIL import Image

from cutmix_gen.errors import UsageError


class PictureFormat(NamedTuple):
    """A format of picture files."""

    name: str
    """Pillow's."""
    longest: int
    """Pixels that a side can have in it."""
    quality: int = 92


PICTURE_FORMATS = {
    "png": PictureFormat("PNG", 1 << 30),
    "jpg": PictureFormat("JPEG", 65_500),
    "jpeg": PictureFormat("JPEG", 65_500),
    "webp": PictureFormat("WEBP", 16_383, 82),
}
"""By the ending of the file's name, in lower case."""


def picture_format(name: str) -> PictureFormat:
    """Return the format that a file name asks for.

    Raises
    ------
    UsageError
        If it is none of those.
    """
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in PICTURE_FORMATS:
        raise UsageError(f"A picture's name must end in .png, .jpg, .jpeg or .webp, but it is {name}.")
    return PICTURE_FORMATS[ending]


def encode_picture(picture: Image.Image, name: str) -> bytes:
    """Return a picture as a file of the format that its name asks for.

    Raises
    ------
    UsageError
        If the format cannot hold it.
    """
    kind = picture_format(name)
    if max(picture.size) > kind.longest:
        raise UsageError(
            f"{kind.name} holds pictures of up to {kind.longest:,} px a side, but this one has {picture.width:,} x "
            f"{picture.height:,}. Give a name that ends in .png, or fewer rows."
        )
    buffer = BytesIO()
    picture.save(buffer, kind.name, quality=kind.quality, optimize=kind.name == "PNG" and picture.width < 2000)
    return buffer.getvalue()
