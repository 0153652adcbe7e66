"""The mixing strategies: one file each, one line each in the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from typing import NamedTuple

from cutmix_gen.errors import UsageError, did_you_mean
from cutmix_gen.mixing.lam import LamLaw
from cutmix_gen.mixing.masks import Mask, Patch, PatchMask, PixelMask, SoftMask
from cutmix_gen.mixing.strategies.base import Strategy
from cutmix_gen.mixing.strategies.cutmix import CutMix
from cutmix_gen.mixing.strategies.fmix import FMix
from cutmix_gen.mixing.strategies.gridmix import GridMix
from cutmix_gen.mixing.strategies.mixup import Mixup
from cutmix_gen.mixing.strategies.multi import Multi
from cutmix_gen.mixing.strategies.patches import Patches
from cutmix_gen.mixing.strategies.resizemix import ResizeMix
from cutmix_gen.mixing.strategies.ricap import Ricap
from cutmix_gen.mixing.strategies.saliencymix import SaliencyMix
from cutmix_gen.mixing.strategies.smoothmix import SmoothMix
from cutmix_gen.ranges import WEIGHT
from cutmix_gen.text import brief

__all__ = [
    "STRATEGIES",
    "LamLaw",
    "Mask",
    "Patch",
    "PatchMask",
    "PixelMask",
    "SoftMask",
    "Strategy",
    "WeightedStrategy",
    "make_strategy",
    "parse_strategies",
]

STRATEGIES: dict[str, type[Strategy]] = {
    strategy.name: strategy
    for strategy in (
        CutMix,
        Patches,
        Multi,
        Ricap,
        ResizeMix,
        GridMix,
        FMix,
        SaliencyMix,
        SmoothMix,
        Mixup,
    )
}
"""Every strategy by its name."""


class WeightedStrategy(NamedTuple):
    """A strategy and the probability with which a sample uses it."""

    strategy: Strategy
    probability: float


def parse_strategies(names: Iterable[str], options: Iterable[str]) -> list[WeightedStrategy]:
    """Make the strategies that `--strategy NAME[:WEIGHT]` and `--mix-option KEY=VALUE` describe.

    Parameters
    ----------
    names : iterable of str
        `NAME` or `NAME:WEIGHT`, each name once.
    options : iterable of str
        `KEY=VALUE`; an option goes to every chosen strategy that has it.

    Returns
    -------
    list of WeightedStrategy
        The probabilities sum to 1.

    Raises
    ------
    UsageError
        For a name, a weight or an option that does not exist or does not fit.
    """
    weights: dict[str, float] = {}
    for text in names:
        name, weight = _parse_weight(text)
        if name in weights:
            raise UsageError(f"--strategy {name} is given twice. Give it once, with a weight: {name}:2.")
        weights[name] = weight
    if not weights:
        raise UsageError(f"No strategy is given. Give --strategy with one of: {', '.join(STRATEGIES)}.")
    values = _parse_options(options, list(weights))
    total = sum(weights.values())
    chosen = []
    for name, weight in weights.items():
        own = {key: value for key, value in values.items() if key in _fields(name)}
        chosen.append(WeightedStrategy(make_strategy(name, own), weight / total))
    return chosen


def make_strategy(name: str, options: Mapping[str, object]) -> Strategy:
    """Return a strategy by name, with its own options as a recipe has them.

    Raises
    ------
    UsageError
        If there is no such strategy, or an option of it does not fit.
    """
    if name not in STRATEGIES:
        hint = did_you_mean(brief(name), STRATEGIES)
        raise UsageError(f"There is no strategy '{brief(name)}'.{hint} Choose from: {', '.join(STRATEGIES)}.")
    try:
        return STRATEGIES[name](**options)
    except TypeError as error:
        raise UsageError(f"The options of strategy '{name}' do not fit: {error}.") from error


def _parse_weight(text: str) -> tuple[str, float]:
    name, colon, weight = text.partition(":")
    make_strategy(name, {})
    try:
        value = float(weight) if colon else 1.0
    except ValueError:
        value = 0.0
    if value not in WEIGHT:
        raise UsageError(f"The weight in --strategy {name} must be {WEIGHT}, but it is '{brief(weight)}'.")
    return name, value


def _parse_options(options: Iterable[str], names: list[str]) -> dict[str, int | float | bool]:
    known = {key: field for name in names for key, field in _fields(name).items()}
    values: dict[str, int | float | bool] = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--mix-option takes KEY=VALUE, but it is '{brief(text)}'.")
        if key not in known:
            there = f"It has: {', '.join(known)}." if known else "It has none."
            hint = did_you_mean(brief(key), known)
            raise UsageError(f"There is no option '{brief(key)}' of strategy {' or '.join(names)}.{hint} {there}")
        values[key] = _parse_value(known[key], value)
    return values


def _fields(name: str) -> dict[str, Field[object]]:
    return {field.name: field for field in fields(STRATEGIES[name])}  # type: ignore[arg-type]


_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _parse_value(field: Field[object], text: str) -> int | float | bool:
    kind = str(field.type)
    try:
        if kind == "bool":
            return _BOOLEANS[text.lower()]
        return int(text) if kind == "int" else float(text)
    except (KeyError, ValueError):
        expected = {"bool": "true or false", "int": "a whole number", "float": "a number"}[kind]
        raise UsageError(f"--mix-option {field.name} must be {expected}, but it is '{brief(text)}'.") from None
