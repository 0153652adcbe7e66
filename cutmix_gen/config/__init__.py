"""The configuration of a run: every option of `generate` once, checked at the edge, with a digest as its identity."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from cutmix_gen.codecs import CODECS, IMAGE_FORMATS, INTERPOLATIONS, MAX_PIXELS, MODES, MOST_PIXELS, Encoding
from cutmix_gen.config.option import checked, flag_of, option
from cutmix_gen.config.values import Failures, is_split, parse_bounds, parse_failures, parse_size, parse_slice
from cutmix_gen.errors import UsageError
from cutmix_gen.execute.engines import CLUSTERS, ENGINES
from cutmix_gen.mixing.fitting import FITS, Fit, RandomResizedCrop
from cutmix_gen.mixing.pairing import PAIRINGS, GivenPairing, Pairing
from cutmix_gen.mixing.quotas import Quota, parse_quotas
from cutmix_gen.mixing.strategies import STRATEGIES, LamLaw, WeightedStrategy, parse_strategies
from cutmix_gen.ranges import (
    ALPHA,
    ASPECT,
    COPIES,
    JOBS,
    PART,
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
)
from cutmix_gen.shapes import Size
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

AUTO = "auto"
AUTO_FIELDS = ("mode", "image_format", "codec", "dense_labels")


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

    format: str = option("parquet", "Shard format.", choices=tuple(SHARD_FORMATS))
    copies: float | None = option(
        None,
        "CutMix samples per source image; 0.5 makes one of every second image.  [default: 1]",
        among=COPIES,
        metavar="FLOAT",
    )
    num_samples: int | None = option(None, "CutMix samples in all, instead of --copies.", among=SAMPLES, metavar="INT")
    originals: bool = option(
        True,
        "Write the originals too, in the same schema, with one-hot labels.",
        flag="--originals/--no-originals",
    )
    strategy: tuple[str, ...] = option(
        ("cutmix",),
        f"Way of mixing: {', '.join(STRATEGIES)}. May be repeated; a sample's strategy is drawn by "
        f"weight.  [{WEIGHT.bounds}]",
        metavar="NAME[:WEIGHT]",
    )
    alpha: float = option(1.0, "The share of the base is drawn from Beta(alpha, alpha).", among=ALPHA, metavar="FLOAT")
    mix_option: tuple[str, ...] = option(
        (), "A strategy's own parameter, e.g. grid=4 for patches. May be repeated.", metavar="KEY=VALUE"
    )
    lam_range: str = option(
        "", f"Only samples whose base owns a share between these two.  [{SHARE.bounds}]", metavar="LO,HI"
    )
    stratify: bool = option(
        False, "Spread the drawn lam evenly over its law within each block: less noise.", flag="--stratify"
    )
    pairing: str = option("random", "Who is mixed with whom.", choices=tuple(PAIRINGS))
    pairs: tuple[str, ...] = option(
        (),
        "CSV file of class_a,class_b,count: exactly so many samples with a base of class_a and a donor of class_b, "
        "instead of --copies.",
        metavar="FILE",
    )
    size: str = option(
        "keep",
        f"Size of every image. keep: the base image's own size, the donor fitted to cover it.  [sides {SIDE.bounds}]",
        metavar="keep|N|WxH",
    )
    fit: str = option("center-crop", "How an image reaches the size.", choices=tuple(FITS))
    scale: str = option(
        "0.08,1",
        f"Of random-resized-crop: bounds of the crop's share of the image's area.  [{SCALE.bounds}]",
        metavar="LO,HI",
    )
    aspect: str = option(
        "3/4,4/3",
        f"Of random-resized-crop: bounds of the crop's width over its height.  [{ASPECT.bounds}]",
        metavar="LO,HI",
    )
    interpolation: str = option("bilinear", "How images are resized, antialiased.", choices=INTERPOLATIONS)
    hflip: float = option(0.0, "Probability with which each image is mirrored before mixing.", among=SHARE, metavar="P")
    mode: str = option(
        AUTO,
        "One pixel mode for the whole set. auto keeps a grayscale or 16-bit set as it is.",
        choices=(AUTO, *MODES),
    )
    image_format: str = option(
        AUTO,
        "One image format for the whole set. auto: JPEG where most sources are JPEG, else PNG.",
        choices=(AUTO, *IMAGE_FORMATS),
    )
    quality: int = option(95, "Of JPEG and WebP; 100 makes WebP lossless.", among=QUALITY, metavar="INT")
    subsampling: str = option("444", "Of JPEG's colour.", choices=("444", "422", "420"))
    label_smoothing: float = option(
        0.0, "Share of the dense label that is spread over all classes.", among=PART, metavar="FLOAT"
    )
    dense_labels: str = option(
        AUTO,
        f"Write a vector of all classes with each sample. auto: up to {DENSE_LABELS_UP_TO:,} classes.",
        choices=(AUTO, "always", "never"),
    )
    split: str = option("train", "Name of the split in file names and card.", metavar="NAME")
    max_pixels: int = option(
        MAX_PIXELS,
        "An image whose header claims more pixels is skipped before it is decoded.",
        among=Range(1, MOST_PIXELS),
        metavar="INT",
    )
    license: str = option(
        "", "Licence of the images, for the dataset card, e.g. cc-by-4.0.", metavar="NAME", identity=False
    )
    sidecars: bool = option(
        False,
        "Write a list of the shards with their counts too, and index files for DALI beside tar shards.",
        flag="--sidecars",
        identity=False,
    )
    shard_size: int = option(
        1000,
        "Samples a shard at most; a small set is cut finer so that every core has work.",
        among=SHARD_SIZE,
        metavar="INT",
    )
    seed: int = option(0, "Start of every random draw.", among=SEED, metavar="INT")
    jobs: int | None = option(
        None,
        "Processes to work with, of which none is without a task.  [default: usable cores]",
        among=JOBS,
        metavar="INT",
        flag="-j/--jobs",
        identity=False,
    )
    backend: str = option(
        "loky",
        "Engine that runs the tasks. dask, ray and spark are extras: a cluster, or workers on this machine.",
        choices=tuple(ENGINES),
        identity=False,
    )
    address: str = option(
        "",
        "Where a cluster of --backend runs: tcp://HOST:8786 (dask), auto or ray://HOST:10001, spark://HOST:7077.",
        metavar="URI",
        identity=False,
    )
    slice: str | None = option(
        None,
        f"Make only every Nth task, the Ith first (I from 0): one process of several.  [N {SLICES.bounds}]",
        metavar="I/N",
        identity=False,
    )
    codec: str = option(
        AUTO,
        "auto: turbo where the faster libraries of the extra `fast` are installed.",
        choices=(AUTO, *CODECS),
    )
    max_failures: str = option("1%", "Stop when more sources than this are unreadable.", metavar="N|P%", identity=False)
    force: bool = option(False, "Go on though the disk seems too small.", flag="--force", identity=False)
    append: bool = option(False, "Add a run to a set that is there.", flag="--append", identity=False)
    overwrite: bool = option(False, "Replace a set that is there.", flag="--overwrite", identity=False)

    # What the texts above say, worked out once.
    target: Size | None = field(init=False, repr=False, compare=False)
    """The size of every image, or None where each keeps its own."""
    fit_method: Fit = field(init=False, repr=False, compare=False)
    """The way images are fitted."""
    lam_bounds: tuple[float, float] | None = field(init=False, repr=False, compare=False)
    """Between which the base's share of a sample has to lie, if it matters."""
    strategies: tuple[WeightedStrategy, ...] = field(init=False, repr=False, compare=False)
    """The strategies with their probabilities."""
    quotas: tuple[Quota, ...] = field(init=False, repr=False, compare=False)
    """How many samples of which classes are wanted, where `--pairs` says so."""
    failures: Failures = field(init=False, repr=False, compare=False)
    """How many sources may be unreadable."""
    task_slice: tuple[int, int] = field(init=False, repr=False, compare=False)
    """(I, N): of all tasks this process makes those whose number is I modulo N."""

    def __post_init__(self) -> None:
        for name in ("source", "output"):
            object.__setattr__(self, name, parse_place(getattr(self, name)))
        for item in fields(self):
            if "help" in item.metadata:
                object.__setattr__(self, item.name, checked(item, getattr(self, item.name)))
        if self.copies == 1.0 and self.num_samples is None and not self.pairs:
            object.__setattr__(self, "copies", None)  # what is the default is the default, said or not
        for name in ("lam_range", "scale", "aspect"):
            object.__setattr__(self, name, getattr(self, name).replace(" ", ""))
        self._parse()
        self._check_names()
        self._check_together()
        self._check_effect()

    def _parse(self) -> None:
        """Note what the texts say: here and nowhere else."""
        target = parse_size(self.size)
        scale = parse_bounds("scale", self.scale, SCALE, "0.2,1")
        aspect = parse_bounds("aspect", self.aspect, ASPECT, "3/4,4/3")
        is_random = self.fit == RandomResizedCrop.name
        for name, value in {
            "size": "keep" if target is None else f"{target.width}x{target.height}",
            "target": target,
            "fit_method": RandomResizedCrop(scale, aspect) if is_random else FITS[self.fit](),
            "lam_bounds": parse_bounds("lam_range", self.lam_range, SHARE, "0.2,0.8") if self.lam_range else None,
            "strategies": tuple(parse_strategies(self.strategy, self.mix_option)),
            "quotas": parse_quotas(self.pairs),
            "failures": parse_failures(self.max_failures),
            "task_slice": parse_slice(self.slice),
        }.items():
            object.__setattr__(self, name, value)

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
        if "@" in self.address:
            raise UsageError(
                f"--address takes no user and no password, but there is one in ...@{self.address.rpartition('@')[2]}. "
                "Give tcp://HOST:PORT, ray://HOST:PORT or spark://HOST:PORT."
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
        own_laws = not any(strategy.uses_law for strategy, _ in self.strategies)
        for names, idle, why in (
            (MIXING, self.mixed_samples(10**6) == 0, "no mixed sample is asked for"),
            ({"alpha", "stratify"}, own_laws, "no strategy that is chosen draws lam from Beta(alpha, alpha)"),
            ({"scale", "aspect"}, self.fit != RandomResizedCrop.name, f"--fit is {self.fit}"),
            ({"label_smoothing"}, self.dense_labels == "never", "there are no dense labels"),
            ({"quality", "subsampling"}, self.image_format == "png", "PNG has none"),
            ({"subsampling"}, self.image_format == "webp", "WebP has none"),
        ):
            if idle and names & given:
                flags = " and ".join(flag_of(name) for name in sorted(names & given))
                raise UsageError(f"{flags} would have no effect: {why}. Leave it out.")

    def chosen_options(self) -> str:
        """Return the settings that decide about the bytes and are not the default, for people."""
        words = self.chosen_words()
        if self.pairs:
            words.append(f"--pairs ({sum(quota.count for quota in self.quotas):,} samples)")
        return " ".join(words)

    def chosen_words(self) -> list[str]:
        """Return the same as words of a command line, `--pairs` left out: the file that it names is no setting."""
        defaults = {item.name: item.default for item in fields(self)}
        words = []
        for name, value in self.identity().items():
            if getattr(self, name) == defaults[name] or name == "pairs":
                continue
            if isinstance(value, bool):
                words.append(flag_of(name) if value else f"--no-{name}")
            else:
                words += [
                    word
                    for each in (value if isinstance(value, list) else [value])
                    for word in (flag_of(name), _word(each))
                ]
        return words

    @property
    def max_sample_pixels(self) -> int:
        """Pixels of a sample at most: what a run is allowed to make, whoever reads the set has to read."""
        return max(self.max_pixels, self.target.area if self.target else 0)

    def within(self, pixels: int) -> tuple[Self, float]:
        """Return this configuration with samples of so many pixels at most, in their shape, to try or to look at.

        And how many times as many pixels its own samples have; where each keeps its size, it stays as it is.
        """
        target = self.target
        if target is None or target.area <= pixels:
            return self, 1.0
        shrunk = math.sqrt(pixels / target.area)
        small = Size(max(int(target.width * shrunk), 1), max(int(target.height * shrunk), 1))
        return replace(self, size=f"{small.width}x{small.height}"), target.area / small.area

    @property
    def law(self) -> LamLaw:
        """The law of lam."""
        return LamLaw(self.alpha, self.stratify)

    def make_pairing(self) -> Pairing:
        """Return the way images are paired."""
        return GivenPairing() if self.pairs else PAIRINGS[self.pairing]()

    @property
    def num_sources(self) -> int:
        """Images that one label row has to hold at least: 2, or more where a strategy mixes more."""
        return max(2, *(strategy.sources for strategy, _ in self.strategies))

    def mixed_samples(self, num_images: int) -> int:
        """Return how many CutMix samples are to be made of so many source images."""
        if self.pairs:
            return sum(quota.count for quota in self.quotas)
        if self.num_samples is not None:
            return self.num_samples
        return round((1.0 if self.copies is None else self.copies) * num_images)

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

    def resolved_like(self, other: ResolvedConfig) -> ResolvedConfig:
        """Return this configuration with its `auto` settings replaced by those of a resolved one."""
        return self.resolved(**{name: getattr(other, name) for name in AUTO_FIELDS if getattr(self, name) == AUTO})

    def resolved(self, **values: str) -> ResolvedConfig:
        """Return this configuration with other values in the place of `auto`."""
        given = {item.name: getattr(self, item.name) for item in fields(self) if item.init}
        return ResolvedConfig(**given | values)

    def differences(self, other: GenerateConfig) -> list[str]:
        """Return a text for each setting that decides about the bytes and is another one in `other`."""
        mine, theirs = self.identity(), other.identity()
        return [
            f"{flag_of(name)} {_show(theirs[name])} there, {_show(mine[name])} now"
            for name in mine
            if mine[name] != theirs[name]
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedConfig(GenerateConfig):
    """A configuration in which nothing is `auto` any more: that of a run.

    Raises
    ------
    UsageError
        As `GenerateConfig` does, and where a setting is `auto`.
    """

    def __post_init__(self) -> None:
        GenerateConfig.__post_init__(self)  # a class with slots is made anew, which `super()` does not know
        for name in AUTO_FIELDS:
            if getattr(self, name) == AUTO:
                raise UsageError(f"{flag_of(name)} of a run must be a choice, but it is {AUTO}.")

    @property
    def encoding(self) -> Encoding:
        """How images are encoded."""
        return Encoding(self.image_format, self.quality, self.subsampling)


def _word(value: Any) -> str:
    """Return a value as people write it on a command line: 2 copies, not 2.0, and no digit less than it takes."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _show(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "by default" if value is None or value == "" else _word(value)
