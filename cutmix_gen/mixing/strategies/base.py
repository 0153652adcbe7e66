"""What a mixing strategy is: it draws size-free parameters, and realises them as a mask once the size is known."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from cutmix_gen.errors import UsageError
from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Mask
from cutmix_gen.shapes import Size
from cutmix_gen.text import brief


class Strategy(ABC):
    """A way of mixing. A subclass is a frozen dataclass: its fields are its options."""

    name: ClassVar[str]
    """As `--strategy` and the field `strategy` of a sample have it."""
    reference: ClassVar[str]
    """The paper or the code that defines it."""
    params: ClassVar[type[Any]]
    """A NamedTuple of what is drawn for one sample; its first field is `lam`. It goes into the recipe as JSON."""
    shrinks_donors: ClassVar[bool] = False
    """Whether donors are taken in at another size than that of the mixed image."""
    by_pixel: ClassVar[bool] = False
    """Whether its masks are arrays of all pixels, which take memory however small their recipe is."""
    follows_saliency: ClassVar[bool] = False
    """Whether the fields `x` and `y` of the parameters are the place of the donor's saliency maximum."""

    @property
    def sources(self) -> int:
        """Images that one sample is made of, the base included."""
        return 2

    @property
    def uses_law(self) -> bool:
        """Whether lam is drawn from Beta(alpha, alpha), and not by a law of the strategy's own."""
        return True

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int, law: LamLaw) -> list[Any]:
        """Draw the parameters of n samples, instances of `params`, none of which depends on a size."""

    @abstractmethod
    def realise(self, params: Any, size: Size) -> Mask:
        """Turn drawn parameters into pixels. The mask may be a wasted one: the caller draws again."""

    def boxes(self, params: list[Any], size: Size) -> npt.NDArray[np.int64] | None:  # noqa: ARG002
        """Return the one box of the donor that `realise` makes of each of n parameters: (n, 4).

        None where its masks are of other kinds. A box that has no pixel may have any edges.
        """
        return None

    @abstractmethod
    def fallback(self) -> Any:
        """Return parameters that give a mask wherever there can be one, for when drawing again was in vain."""

    def options(self) -> dict[str, int | float | bool]:
        """Return the strategy's own options by name, for recipes and run files."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


def cut(side: int, parts: int) -> list[int]:
    """Return the parts + 1 edges that cut a side into parts of nearly the same number of pixels."""
    return [part * side // parts for part in range(parts + 1)]


def check(ok: bool, strategy: str, option: str, expected: str, found: object) -> None:
    """Raise `UsageError` unless an option of a strategy is as expected."""
    if not ok:
        raise UsageError(
            f"--mix-option {option} of strategy '{strategy}' must be {expected}, but it is {brief(found)}."
        )
