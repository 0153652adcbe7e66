"""The configuration of a run: every option of `generate` once, checked at the edge, with a digest as its identity."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from dataclasses import dataclass, field, fields, replace
from typing import Any

from cutmix_gen.codecs import CODECS, IMAGE_FORMATS, INTERPOLATIONS, MAX_PIXELS, MODES, MOST_PIXELS, Encoding
from cutmix_gen.errors import UsageError, did_you_mean
from cutmix_gen.execute import CLUSTERS, ENGINES
from cutmix_gen.geometry import FITS, Fit, RandomResizedCrop
from cutmix_gen.layout import is_split
from cutmix_gen.masks import STRATEGIES, LamLaw, WeightedStrategy, parse_strategies
from cutmix_gen.pairing import PAIRINGS, GivenPairing, Pairing
from cutmix_gen.quotas import Quota, parse_quotas
from cutmix_gen.records import Size
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.storage import Place, parse_place

DENSE_LABELS_UP_TO = 1000
"""Classes up to which `--dense-labels auto` writes dense vectors: 4 KB a sample."""

MIXING = frozenset({"strategy", "mix_option", "alpha", "stratify", "lam_range", "pairing", "hflip"})
"""Fields that are about mixed samples alone."""

_AUTO = "auto"
_AUTO_FIELDS = ("mode", "image_format", "codec", "dense_labels")


def _option(  # noqa: PLR0913  a declaration reads better flat
    default: Any,
    text: str,
    *,
    choices: Collection[str] | None = None,
    metavar: str | None = None,
    flag: str | None = None,
    identity: bool = True,
) -> Any:
    """Declare an option.

    The command line makes its option of it, and the digest takes the field in if it decides about the bytes
    (`identity`).
    """
    metadata = {"help": text, "choices": choices, "metavar": metavar, "flag": flag, "identity": identity}
    return field(default=default, metadata=metadata)


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
        metavar="FLOAT",
    )
    num_samples: int | None = _option(None, "CutMix samples in all, instead of --copies.", metavar="INT")
    originals: bool = _option(
        True,
        "Write the originals too, in the same schema, with one-hot labels.",
        flag="--originals/--no-originals",
    )
    strategy: tuple[str, ...] = _option(
        ("cutmix",),
        f"Way of mixing: {', '.join(STRATEGIES)}. May be repeated; a sample's strategy is drawn by weight.",
        metavar="NAME[:WEIGHT]",
    )
    alpha: float = _option(1.0, "The share of the base is drawn from Beta(alpha, alpha).", metavar="FLOAT")
    mix_option: tuple[str, ...] = _option(
        (), "A strategy's own parameter, e.g. grid=4 for patches. May be repeated.", metavar="KEY=VALUE"
    )
    lam_range: str = _option("", "Only samples whose base owns a share between these two.", metavar="LO,HI")
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
        "Size of every image. keep: the base image's own size, the donor fitted to cover it.",
        metavar="keep|N|WxH",
    )
    fit: str = _option("center-crop", "How an image reaches the size.", choices=tuple(FITS))
    scale: str = _option(
        "0.08,1", "Of random-resized-crop: bounds of the crop's share of the image's area.", metavar="LO,HI"
    )
    aspect: str = _option(
        "3/4,4/3", "Of random-resized-crop: bounds of the crop's width over its height.", metavar="LO,HI"
    )
    interpolation: str = _option("bilinear", "How images are resized, antialiased.", choices=INTERPOLATIONS)
    hflip: float = _option(0.0, "Probability with which each image is mirrored before mixing.", metavar="P")
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
    quality: int = _option(95, "Of JPEG and WebP, 1 to 100; 100 makes WebP lossless.", metavar="INT")
    subsampling: str = _option("444", "Of JPEG's colour.", choices=("444", "422", "420"))
    label_smoothing: float = _option(0.0, "Share of the dense label that is spread over all classes.", metavar="FLOAT")
    dense_labels: str = _option(
        _AUTO,
        f"Write a vector of all classes with each sample. auto: up to {DENSE_LABELS_UP_TO:,} classes.",
        choices=(_AUTO, "always", "never"),
    )
    split: str = _option("train", "Name of the split in file names and card.", metavar="NAME")
    max_pixels: int = _option(
        MAX_PIXELS,
        "An image whose header claims more pixels is skipped before it is decoded.",
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
        1000, "Samples a shard at most; a small set is cut finer so that every core has work.", metavar="INT"
    )
    seed: int = _option(0, "Start of every random draw.", metavar="INT")
    jobs: int | None = _option(
        None,
        "Processes to work with.  [default: usable cores]",
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
        "Make only every Nth task, the Ith first (I from 0): one process of several.",
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
        for name in ("strategy", "mix_option", "pairs"):
            value = getattr(self, name)
            object.__setattr__(self, name, (value,) if isinstance(value, str) else tuple(value))
        for name in ("copies", "alpha", "hflip", "label_smoothing"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else float(value))  # 1 and 1.0 are one identity
        object.__setattr__(self, "size", _canonical_size(self.size))
        if self.copies == 1.0 and self.num_samples is None and not self.pairs:
            object.__setattr__(self, "copies", None)  # what is the default is the default, said or not
        object.__setattr__(self, "max_failures", str(self.max_failures))
        for name in ("lam_range", "scale", "aspect"):
            object.__setattr__(self, name, getattr(self, name).replace(" ", ""))
        self._check_choices()
        self._check_numbers()
        self._check_together()
        parse_strategies(self.strategy, self.mix_option)
        self._check_bounds()
        self._check_effect()
        self.allowed_failures(1)
        self.slice_of_tasks()

    def _check_choices(self) -> None:
        for item in fields(self):
            choices = item.metadata.get("choices")
            value = getattr(self, item.name)
            if choices and value not in choices:
                raise UsageError(
                    f"{_flag(item.name)} must be one of {', '.join(choices)}, but it is '{value}'."
                    f"{did_you_mean(str(value), choices)}"
                )

    def _check_numbers(self) -> None:
        copies = 1.0 if self.copies is None else self.copies
        for name, ok, expected in (
            ("copies", math.isfinite(copies) and copies >= 0, "a number from 0 up"),
            ("num_samples", self.num_samples is None or self.num_samples >= 0, "a whole number from 0 up"),
            ("alpha", math.isfinite(self.alpha) and self.alpha > 0, "a number above 0"),
            ("hflip", 0 <= self.hflip <= 1, "a probability from 0 to 1"),
            ("quality", 1 <= self.quality <= 100, "a whole number from 1 to 100"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "a number from 0 to below 1"),
            ("shard_size", self.shard_size >= 3, "at least 3, so that every image of a shard has a partner"),
            ("max_pixels", 1 <= self.max_pixels <= MOST_PIXELS, f"a whole number from 1 to {MOST_PIXELS:,}"),
            ("seed", 0 <= self.seed < 2**63, "a whole number from 0 to 2^63 - 1"),
            ("jobs", self.jobs is None or self.jobs >= 1, "at least 1"),
        ):
            if not ok:
                raise UsageError(f"{_flag(name)} must be {expected}, but it is {getattr(self, name)}.")
        for item in fields(self):
            value = getattr(self, item.name)
            if str(item.type).startswith("int") and value is not None and type(value) is not int:
                raise UsageError(f"{_flag(item.name)} must be a whole number, but it is {value!r}.")
            if str(item.type) == "bool" and type(value) is not bool:
                raise UsageError(f"{_flag(item.name)} must be true or false, but it is {value!r}.")
        if not is_split(self.split) or self.split == "all":
            raise UsageError(
                f"--split must be a name of letters, digits and '_', with single dots between them, and not 'all', "
                f"but it is '{self.split}'. It becomes part of file names, e.g. train."
            )

        if self.license and (not self.license.isprintable() or not self.license.strip()):
            raise UsageError(f"--license must be a name on one line, e.g. cc-by-4.0, but it is {self.license!r}.")

    def _check_bounds(self) -> None:
        for name, low, high, example in (
            ("scale", 0.0, 1.0, "0.2,1"),
            ("aspect", 0.0, 100.0, "3/4,4/3"),
            ("lam_range", 0.0, 1.0, "0.2,0.8"),
        ):
            bounds = _bounds(getattr(self, name)) if getattr(self, name) or name != "lam_range" else (low, high)
            if bounds is None or not low <= bounds[0] <= bounds[1] <= high or (name != "lam_range" and bounds[0] == 0):
                raise UsageError(
                    f"{_flag(name)} must be two numbers from {low:g} to {high:g}, the smaller first, e.g. {example}, "
                    f"but it is '{getattr(self, name)}'."
                )

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

    def quotas(self) -> list[Quota]:
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
        try:
            if text.endswith("%"):
                share = float(text[:-1])
                if 0 <= share <= 100:
                    return math.ceil(num_images * share / 100)  # one broken image stops no small set
            elif int(text) >= 0:
                return int(text)
        except ValueError:
            pass  # the one message below serves every wrong form
        raise UsageError(f"--max-failures must be a count or a percentage like 1%, but it is '{text}'.")

    def slice_of_tasks(self) -> tuple[int, int]:
        """Return (I, N): of all tasks this process makes those whose number is I modulo N."""
        if self.slice is None:
            return 0, 1
        first, _, count = self.slice.partition("/")
        if first.isdecimal() and count.isdecimal() and int(first) < int(count):
            return int(first), int(count)
        raise UsageError(f"--slice must be I/N with I from 0 to N - 1, e.g. 0/4, but it is '{self.slice}'.")

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


def _bounds(text: str) -> tuple[float, float] | None:
    """Return two numbers given as LO,HI, where fractions like 3/4 are fine; None if it is not that."""
    try:
        low, high = (_number(part) for part in text.split(","))
    except (ValueError, ZeroDivisionError):
        return None
    return low, high


def _number(text: str) -> float:
    over, _, under = text.partition("/")
    return float(over) / float(under or 1)


def _canonical_size(text: str | int) -> str:
    if text == "keep":
        return "keep"
    width, x, height = str(text).lower().partition("x")
    if width.isdecimal() and (height.isdecimal() or not x):
        target = Size(int(width), int(height or width))
        if min(target.width, target.height) >= 1 and target.area >= 2 and max(target.width, target.height) <= 16384:
            return f"{target.width}x{target.height}"
    raise UsageError(
        f"--size must be keep, a side like 224, or WIDTHxHEIGHT like 320x240 (2 pixels at least, sides up to 16384), "
        f"but it is '{text}'."
    )
