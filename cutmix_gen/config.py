"""The configuration of a run: every option of `generate` once, checked at the edge, with a digest as its identity."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import Field, dataclass, field, fields, replace
from typing import Any

from cutmix_gen.codecs import CODECS, IMAGE_FORMATS, INTERPOLATIONS, MAX_PIXELS, MODES, MOST_PIXELS, Encoding
from cutmix_gen.errors import UsageError, did_you_mean
from cutmix_gen.execute import CLUSTERS, ENGINES
from cutmix_gen.geometry import FITS, Fit, RandomResizedCrop
from cutmix_gen.layout import is_split
from cutmix_gen.masks import STRATEGIES, LamLaw, WeightedStrategy, parse_strategies
from cutmix_gen.pairing import PAIRINGS, GivenPairing, Pairing
from cutmix_gen.quotas import Quota, parse_quotas
from cutmix_gen.ranges import (
    ALPHA,
    ASPECT,
    COPIES,
    FAILURES,
    JOBS,
    PART,
    PERCENT,
    QUALITY,
    SAMPLES,
    SCALE,
    SEED,
    SHARD_SIZE,
    SHARE,
    SIDE,
    SLICES,
    WEIGHT,
    Range,
    whole_number,
)
from cutmix_gen.records import Size
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.storage import Place, parse_place
from cutmix_gen.text import brief

DENSE_LABELS_UP_TO = 1000
"""Classes up to which `--dense-labels auto` writes dense vectors: 4 KB a sample."""

MIXING = frozenset({"strategy", "mix_option", "alpha", "stratify", "lam_range", "pairing", "hflip"})
"""Fields that are about mixed samples alone."""

_LONGEST_SPLIT = 100
"""Characters: a file name has 255 bytes."""
_LONGEST_WEBP = 16_383
"""Pixels of a side."""

_AUTO = "auto"
_AUTO_FIELDS = ("mode", "image_format", "codec", "dense_labels")


def _option(  # noqa: PLR0913  a declaration reads better flat
    default: Any,
    text: str,
    *,
    choices: Collection[str] | None = None,
    among: Range | None = None,
    metavar: str | None = None,
    flag: str | None = None,
    identity: bool = True,
) -> Any:
    """Declare an option.

    The command line makes its option of it, and the digest takes the field in if it decides about the bytes
    (`identity`).
    """
    metadata = {"help": text, "choices": choices, "among": among, "metavar": metavar, "flag": flag}
    return field(default=default, metadata=metadata | {"identity": identity})


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateConfig:
    """What `generate` is asked to make. Every field but the first two is an option of the command line.

    Raises
    ------
    UsageError
        If a value does not exist or two values do not fit together.
    """

    source: Place
    """The folder, or the URI of one, whose first-level sub-folders are the classes."""
    output: Place
    """The folder of the set, or its URI."""

    format: str = _option("parquet", "Shard format.", choices=tuple(SHARD_FORMATS))
    copies: float | None = _option(
        None,
        "CutMix samples per source image; 0.5 makes one of every second image.  [default: 1]",
        among=COPIES,
        metavar="FLOAT",
    )
    num_samples: int | None = _option(None, "CutMix samples in all, instead of --copies.", among=SAMPLES, metavar="INT")
    originals: bool = _option(
        True,
        "Write the originals too, in the same schema, with one-hot labels.",
        flag="--originals/--no-originals",
    )
    strategy: tuple[str, ...] = _option(
        ("cutmix",),
        f"Way of mixing: {', '.join(STRATEGIES)}. May be repeated; a sample's strategy is drawn by "
        f"weight.  [{WEIGHT.bounds}]",
        metavar="NAME[:WEIGHT]",
    )
    alpha: float = _option(1.0, "The share of the base is drawn from Beta(alpha, alpha).", among=ALPHA, metavar="FLOAT")
    mix_option: tuple[str, ...] = _option(
        (), "A strategy's own parameter, e.g. grid=4 for patches. May be repeated.", metavar="KEY=VALUE"
    )
    lam_range: str = _option(
        "", f"Only samples whose base owns a share between these two.  [{SHARE.bounds}]", metavar="LO,HI"
    )
    stratify: bool = _option(
        False, "Spread the drawn lam evenly over its law within each block: less noise.", flag="--stratify"
    )
    pairing: str = _option("random", "Who is mixed with whom.", choices=tuple(PAIRINGS))
    pairs: tuple[str, ...] = _option(
        (),
        "CSV file of class_a,class_b,count: exactly so many samples with a base of class_a and a donor of class_b, "
        "instead of --copies.",
        metavar="FILE",
    )
    size: str = _option(
        "keep",
        f"Size of every image. keep: the base image's own size, the donor fitted to cover it.  [sides {SIDE.bounds}]",
        metavar="keep|N|WxH",
    )
    fit: str = _option("center-crop", "How an image reaches the size.", choices=tuple(FITS))
    scale: str = _option(
        "0.08,1",
        f"Of random-resized-crop: bounds of the crop's share of the image's area.  [{SCALE.bounds}]",
        metavar="LO,HI",
    )
    aspect: str = _option(
        "3/4,4/3",
        f"Of random-resized-crop: bounds of the crop's width over its height.  [{ASPECT.bounds}]",
        metavar="LO,HI",
    )
    interpolation: str = _option("bilinear", "How images are resized, antialiased.", choices=INTERPOLATIONS)
    hflip: float = _option(
        0.0, "Probability with which each image is mirrored before mixing.", among=SHARE, metavar="P"
    )
    mode: str = _option(
        _AUTO,
        "One pixel mode for the whole set. auto keeps a grayscale or 16-bit set as it is.",
        choices=(_AUTO, *MODES),
    )
    image_format: str = _option(
        _AUTO,
        "One image format for the whole set. auto: JPEG where most sources are JPEG, else PNG.",
        choices=(_AUTO, *IMAGE_FORMATS),
    )
    quality: int = _option(95, "Of JPEG and WebP; 100 makes WebP lossless.", among=QUALITY, metavar="INT")
    subsampling: str = _option("444", "Of JPEG's colour.", choices=("444", "422", "420"))
    label_smoothing: float = _option(
        0.0, "Share of the dense label that is spread over all classes.", among=PART, metavar="FLOAT"
    )
    dense_labels: str = _option(
        _AUTO,
        f"Write a vector of all classes with each sample. auto: up to {DENSE_LABELS_UP_TO:,} classes.",
        choices=(_AUTO, "always", "never"),
    )
    split: str = _option("train", "Name of the split in file names and card.", metavar="NAME")
    max_pixels: int = _option(
        MAX_PIXELS,
        "An image whose header claims more pixels is skipped before it is decoded.",
        among=Range(1, MOST_PIXELS),
        metavar="INT",
    )
    license: str = _option(
        "", "Licence of the images, for the dataset card, e.g. cc-by-4.0.", metavar="NAME", identity=False
    )
    sidecars: bool = _option(
        False,
        "Write a list of the shards with their counts too, and index files for DALI beside tar shards.",
        flag="--sidecars",
        identity=False,
    )
    shard_size: int = _option(
        1000,
        "Samples a shard at most; a small set is cut finer so that every core has work.",
        among=SHARD_SIZE,
        metavar="INT",
    )
    seed: int = _option(0, "Start of every random draw.", among=SEED, metavar="INT")
    jobs: int | None = _option(
        None,
        "Processes to work with, of which none is without a task.  [default: usable cores]",
        among=JOBS,
        metavar="INT",
        flag="-j/--jobs",
        identity=False,
    )
    backend: str = _option(
        "loky",
        "Engine that runs the tasks. dask, ray and spark are extras: a cluster, or workers on this machine.",
        choices=tuple(ENGINES),
        identity=False,
    )
    address: str = _option(
        "",
        "Where a cluster of --backend runs: tcp://HOST:8786 (dask), auto or ray://HOST:10001, spark://HOST:7077.",
        metavar="URI",
        identity=False,
    )
    slice: str | None = _option(
        None,
        f"Make only every Nth task, the Ith first (I from 0): one process of several.  [N {SLICES.bounds}]",
        metavar="I/N",
        identity=False,
    )
    codec: str = _option(
        _AUTO,
        "auto: turbo where the faster libraries of the extra `fast` are installed.",
        choices=(_AUTO, *CODECS),
    )
    max_failures: str = _option(
        "1%", "Stop when more sources than this are unreadable.", metavar="N|P%", identity=False
    )
    force: bool = _option(False, "Go on though the disk seems too small.", flag="--force", identity=False)
    append: bool = _option(False, "Add a run to a set that is there.", flag="--append", identity=False)
    overwrite: bool = _option(False, "Replace a set that is there.", flag="--overwrite", identity=False)

    def __post_init__(self) -> None:
        for name in ("source", "output"):
            object.__setattr__(self, name, parse_place(getattr(self, name)))
        for item in fields(self):
            if "help" in item.metadata:
                object.__setattr__(self, item.name, checked(item, getattr(self, item.name)))
        if self.copies == 1.0 and self.num_samples is None and not self.pairs:
            object.__setattr__(self, "copies", None)  # what is the default is the default, said or not
        object.__setattr__(self, "size", _canonical_size(self.size))
        for name in ("lam_range", "scale", "aspect"):
            object.__setattr__(self, name, getattr(self, name).replace(" ", ""))
        self._check_names()
        self._check_together()
        parse_strategies(self.strategy, self.mix_option)
        self._check_bounds()
        self._check_effect()
        self.allowed_failures(1)
        self.slice_of_tasks()

    def _check_names(self) -> None:
        if not is_split(self.split) or len(self.split) > _LONGEST_SPLIT or self.split == "all":
            raise UsageError(
                f"--split must be a name of letters, digits and '_', {_LONGEST_SPLIT} at most, with single dots "
                f"between them, and not 'all', but it is '{brief(self.split)}'. It becomes part of file names, e.g. "
                "train."
            )
        if self.license and (not self.license.isprintable() or not self.license.strip() or len(self.license) > 200):
            raise UsageError(
                "--license must be a name on one line, of 200 characters at most, e.g. cc-by-4.0, but it is "
                f"'{brief(self.license)}'."
            )

    def _check_bounds(self) -> None:
        for name, among, example in (("scale", SCALE, "0.2,1"), ("aspect", ASPECT, "3/4,4/3")):
            _check_bounds(name, getattr(self, name), among, example)
        if self.lam_range:
            _check_bounds("lam_range", self.lam_range, SHARE, "0.2,0.8")

    def _check_together(self) -> None:
        if self.copies is not None and self.num_samples is not None:
            raise UsageError("--copies and --num-samples both say how many samples to make. Give one of them.")
        if self.pairs and not self.mixed_samples(1):
            raise UsageError("--pairs asks for no sample at all. It takes lines of class_a,class_b,count.")
        if self.pairs and (self.copies is not None or self.num_samples is not None or self.pairing != "random"):
            raise UsageError(
                "--pairs says how many samples to make of which classes. "
                "Leave --copies, --num-samples and --pairing out."
            )
        if self.pairs and self.num_sources > 2:
            raise UsageError("--pairs is for strategies of two images, but one of those chosen mixes more.")
        if self.slice and self.overwrite:
            raise UsageError("--overwrite in one slice would delete what another has made. Delete the set first.")
        if self.address and self.backend not in CLUSTERS:
            raise UsageError(
                f"--address names a cluster, which --backend {self.backend} does not use. "
                f"Give --backend {', '.join(CLUSTERS)}, or leave --address out."
            )
        if self.append and self.overwrite:
            raise UsageError("--append adds to a set, --overwrite replaces it. Give one of them.")
        if not self.originals and self.mixed_samples(10**6) == 0:
            raise UsageError("There is nothing to make: --no-originals, and no CutMix sample is asked for.")
        if self.mode == "I;16" and self.image_format in ("jpeg", "webp"):
            raise UsageError(f"{self.image_format} cannot hold 16-bit pixels. Give --image-format png or --mode L.")
        if self.image_format == "webp" and self.target and max(self.target) > _LONGEST_WEBP:
            raise UsageError(
                f"WebP holds images of up to {_LONGEST_WEBP:,} px a side. Give --image-format png or jpeg, or a "
                "smaller --size."
            )
        if self.mode == "L" and self.image_format == "webp":
            raise UsageError("WebP has no grayscale. Give --image-format png or jpeg, or --mode RGB.")

    def _check_effect(self) -> None:
        """Refuse settings that nothing would come of: they would look as if they had done something."""
        defaults = {item.name: item.default for item in fields(self)}
        given = {name for name, value in defaults.items() if getattr(self, name) != value}
        own_laws = not any(strategy.uses_law for strategy, _ in self.strategies())
        for names, idle, why in (
            (MIXING, self.mixed_samples(10**6) == 0, "no mixed sample is asked for"),
            ({"alpha", "stratify"}, own_laws, "no strategy that is chosen draws lam from Beta(alpha, alpha)"),
            ({"scale", "aspect"}, self.fit != RandomResizedCrop.name, f"--fit is {self.fit}"),
            ({"label_smoothing"}, self.dense_labels == "never", "there are no dense labels"),
            ({"quality", "subsampling"}, self.image_format == "png", "PNG has none"),
            ({"subsampling"}, self.image_format == "webp", "WebP has none"),
        ):
            if idle and names & given:
                flags = " and ".join(_flag(name) for name in sorted(names & given))
                raise UsageError(f"{flags} would have no effect: {why}. Leave it out.")

    def chosen_options(self) -> str:
        """Return the settings that decide about the bytes and are not the default, for people."""
        words = self.chosen_words()
        if self.pairs:
            words.append(f"--pairs ({sum(quota.count for quota in self.quotas()):,} samples)")
        return " ".join(words)

    def chosen_words(self) -> list[str]:
        """Return the same as words of a command line, `--pairs` left out: the file that it names is no setting."""
        defaults = {item.name: item.default for item in fields(self)}
        words = []
        for name, value in self.identity().items():
            if getattr(self, name) == defaults[name] or name == "pairs":
                continue
            if isinstance(value, bool):
                words.append(_flag(name) if value else f"--no-{name}")
            else:
                words += [
                    word
                    for each in (value if isinstance(value, list) else [value])
                    for word in (_flag(name), _word(each))
                ]
        return words

    @property
    def target(self) -> Size | None:
        """The size of every image, or None where each keeps its own."""
        if self.size == "keep":
            return None
        width, height = self.size.split("x")
        return Size(int(width), int(height))

    @property
    def max_sample_pixels(self) -> int:
        """Pixels of a sample at most: what a run is allowed to make, whoever reads the set has to read."""
        return max(self.max_pixels, self.target.area if self.target else 0)

    @property
    def encoding(self) -> Encoding:
        """How images are encoded; of a resolved configuration."""
        return Encoding(self.image_format, self.quality, self.subsampling)

    @property
    def law(self) -> LamLaw:
        """The law of lam."""
        return LamLaw(self.alpha, self.stratify)

    @property
    def lam_bounds(self) -> tuple[float, float] | None:
        """Between which the base's share of a sample has to lie, if it matters."""
        return _bounds(self.lam_range) if self.lam_range else None

    def make_fit(self) -> Fit:
        """Return the way images are fitted."""
        if self.fit == RandomResizedCrop.name:
            return RandomResizedCrop(_bounds(self.scale) or (0.08, 1.0), _bounds(self.aspect) or (0.75, 4 / 3))
        return FITS[self.fit]()

    def make_pairing(self) -> Pairing:
        """Return the way images are paired."""
        return GivenPairing() if self.pairs else PAIRINGS[self.pairing]()

    def quotas(self) -> tuple[Quota, ...]:
        """Return how many samples of which classes are wanted, where `--pairs` says so."""
        return parse_quotas(self.pairs)

    def strategies(self) -> list[WeightedStrategy]:
        """Return the strategies with their probabilities."""
        return parse_strategies(self.strategy, self.mix_option)

    @property
    def num_sources(self) -> int:
        """Images that one label row has to hold at least: 2, or more where a strategy mixes more."""
        return max(2, *(strategy.sources for strategy, _ in self.strategies()))

    def mixed_samples(self, num_images: int) -> int:
        """Return how many CutMix samples are to be made of so many source images."""
        if self.pairs:
            return sum(quota.count for quota in self.quotas())
        if self.num_samples is not None:
            return self.num_samples
        return round((1.0 if self.copies is None else self.copies) * num_images)

    def allowed_failures(self, num_images: int) -> int:
        """Return how many of so many sources may be unreadable."""
        text = self.max_failures.strip()
        share = _number(text[:-1]) if text.endswith("%") else None
        if share is not None and share in PERCENT:
            return math.ceil(num_images * share / 100)  # one broken image stops no small set
        count = whole_number(text, FAILURES)
        if count is None:
            raise UsageError(
                f"--max-failures must be a count or a percentage like 1% ({FAILURES.bounds}, or {PERCENT.bounds} %), "
                f"but it is '{brief(text)}'."
            )
        return count

    def slice_of_tasks(self) -> tuple[int, int]:
        """Return (I, N): of all tasks this process makes those whose number is I modulo N."""
        if self.slice is None:
            return 0, 1
        first, _, count = self.slice.partition("/")
        of = whole_number(count, SLICES)
        number = whole_number(first, Range(0, of - 1)) if of else None
        if of is None or number is None:
            raise UsageError(
                f"--slice must be I/N with I from 0 to N - 1 and N {SLICES.bounds}, e.g. 0/4, but it is "
                f"'{brief(self.slice)}'."
            )
        return number, of

    def identity(self) -> dict[str, Any]:
        """Return what decides about the bytes, as plain JSON values."""
        values = {item.name: getattr(self, item.name) for item in fields(self) if item.metadata.get("identity")}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def digest(self) -> str:
        """Return the SHA-256 of the identity, in hexadecimal.

        Settings at their default are left out: a later version's new option does not make another run of an old one.
        """
        defaults = {item.name: item.default for item in fields(self)}
        chosen = {name: value for name, value in self.identity().items() if getattr(self, name) != defaults[name]}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()

    def resolved_like(self, other: GenerateConfig) -> GenerateConfig:
        """Return this configuration with its `auto` settings replaced by those of a resolved one."""
        values = {name: getattr(other, name) for name in _AUTO_FIELDS if getattr(self, name) == _AUTO}
        return replace(self, **values)

    def differences(self, other: GenerateConfig) -> list[str]:
        """Return a text for each setting that decides about the bytes and is another one in `other`."""
        mine, theirs = self.identity(), other.identity()
        return [
            f"{_flag(name)} {_show(theirs[name])} there, {_show(mine[name])} now"
            for name in mine
            if mine[name] != theirs[name]
        ]


def _word(value: Any) -> str:
    """Return a value as people write it on a command line: 2 copies, not 2.0, and no digit less than it takes."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _show(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "by default" if value is None or value == "" else _word(value)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def checked(item: Field[Any], value: Any) -> Any:
    """Return a value of an option in its one form.

    Raises
    ------
    UsageError
        If it is none that the option may have.
    """
    flag, kind = _flag(item.name), str(item.type)
    among, choices = item.metadata["among"], item.metadata["choices"]
    if value is None and kind.endswith("| None"):
        return None
    if among is not None:
        if value not in among:
            raise UsageError(f"{flag} must be {among}, but it is {_found(value)}.")
        return value if among.whole else float(value)  # 1 and 1.0 are one identity
    if kind == "bool":
        if not isinstance(value, bool):
            raise UsageError(f"{flag} must be true or false, but it is {_found(value)}.")
        return value
    if kind.startswith("tuple"):
        return _texts(flag, (value,) if isinstance(value, str) else value)
    if type(value) is int:
        value = brief(value)  # size = 224
    if not isinstance(value, str):
        raise UsageError(f"{flag} must be text, but it is {_found(value)}.")
    if choices and value not in choices:
        hint = did_you_mean(brief(value), choices)
        raise UsageError(f"{flag} must be one of {', '.join(choices)}, but it is {_found(value)}.{hint}")
    return value


def _found(value: Any) -> str:
    return f"'{brief(value)}'" if isinstance(value, str) else brief(value)


def _texts(flag: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, tuple | list) or not all(isinstance(value, str) for value in values):
        raise UsageError(f"{flag} must be text or a list of texts, but it is {_found(values)}.")
    return tuple(values)


def _check_bounds(name: str, text: str, among: Range, example: str) -> None:
    bounds = _bounds(text)
    if bounds is None or bounds[0] not in among or bounds[1] not in among or bounds[0] > bounds[1]:
        raise UsageError(
            f"{_flag(name)} must be two numbers {among.bounds}, the smaller first, e.g. {example}, but it is "
            f"'{brief(text)}'."
        )


def _bounds(text: str) -> tuple[float, float] | None:
    """Return two numbers given as LO,HI, where fractions like 3/4 are fine; None if it is not that."""
    low, comma, high = text.partition(",")
    bounds = (_number(low), _number(high))
    return None if bounds[0] is None or bounds[1] is None or not comma else (bounds[0], bounds[1])


def _number(text: str) -> float | None:
    """Return a number or a fraction like 3/4; None for anything else."""
    over, _, under = text.partition("/")
    try:
        return float(over) / float(under or 1)
    except (ValueError, ZeroDivisionError):
        return None


def _canonical_size(text: str) -> str:
    if text == "keep":
        return "keep"
    first, x, second = text.lower().partition("x")
    width = whole_number(first, SIDE)
    height = whole_number(second, SIDE) if x else width
    if width is None or height is None or width * height < 2:
        raise UsageError(
            f"--size must be keep, a side like 224, or WIDTHxHEIGHT like 320x240 (2 pixels at least, sides "
            f"{SIDE.bounds}), but it is '{brief(text)}'."
        )
    return f"{width}x{height}"
