"""The fields of a sample, in one table: what shards, cards, metadata and exports have of them follows from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A field that every sample of a set has."""

    name: str
    kind: str
    """`string`, `bool`, `int32`, `int64`, `float32`, or `image`: the bytes of an encoded image."""
    shape: tuple[str | int, ...]
    """How many values it has: none for a single one, else a number, or what it depends on: `classes`, `sources` (S),
    `donors` (S - 1), `used` (the sources that the sample was mixed of)."""
    text: str
    """What it means, in one sentence."""


FIELDS = (
    Field("key", "string", (), "Unique in the whole set."),
    Field("image", "image", (), "The encoded image."),
    Field("label", "int64", (), "Class of the largest share, a number into `classes`."),
    Field("soft_label", "float32", ("classes",), "A weight for each class, sums to 1."),
    Field("label_index", "int32", ("sources",), "Class of each source image, base first."),
    Field("label_weight", "float32", ("sources",), "Share of the pixels that each source image owns."),
    Field("synthetic", "bool", (), "False for an original."),
    Field("strategy", "string", (), "How the sample was mixed; `original` for an original."),
    Field("lam", "float32", (), "Share that the base owns."),
    Field("lam_drawn", "float32", (), "The value that was drawn for it."),
    Field("sources", "string", ("used",), "The source images, base first."),
    Field(
        "boxes",
        "int32",
        ("donors", 4),
        "For each donor the box [x1, y1, x2, y2], half open, of the pixels it owns.",
    ),
    Field("recipe", "string", (), "All that it takes to make the sample again."),
)
"""In the order in which a row has them."""


def fields_of(*, dense: bool) -> tuple[Field, ...]:
    """Return the fields of a set, which has dense labels or none."""
    return tuple(field for field in FIELDS if dense or field.name != "soft_label")
