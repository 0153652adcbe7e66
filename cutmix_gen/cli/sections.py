"""The options of `generate` in groups, and the command that shows them so."""

from __future__ import annotations

import click

from cutmix_gen.cli.wording import option_fields, summary, value_text
from cutmix_gen.mixing.strategies import STRATEGIES, Strategy

SECTIONS = {
    "What to make": ("format", "copies", "num_samples", "originals", "pairs", "split", "shard_size", "seed"),
    "How images are mixed": (
        "strategy",
        "mix_option",
        "alpha",
        "lam_range",
        "stratify",
        "pairing",
    ),
    "How images are fitted": ("size", "fit", "scale", "aspect", "interpolation", "hflip"),
    "How images are stored": ("mode", "image_format", "quality", "subsampling", "codec"),
    "Labels and card": ("dense_labels", "label_smoothing", "license", "sidecars"),
    "A set that is there": ("append", "overwrite"),
    "Running": ("jobs", "backend", "address", "slice", "max_failures", "max_pixels", "force", "dry_run"),
    "Settings and output": ("config_file", "print_config", "as_json", "progress", "quiet", "verbose"),
}
"""Titles, and the parameters under each; every one but --help has its place."""
_LAST = "Settings and output"


class SectionedCommand(click.Command):
    """A command whose help shows its options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each section under its title."""
        params = self.get_params(ctx)
        named = {name for names in SECTIONS.values() for name in names}
        for title, names in SECTIONS.items():
            chosen = [param for name in names for param in params if param.name == name]
            if title == _LAST:
                chosen += [param for param in params if param.name not in named and isinstance(param, click.Option)]
            with formatter.section(title):
                formatter.write_dl([record for param in chosen if (record := param.get_help_record(ctx))])
        with formatter.section("Ways of mixing, with their options (`cutmix-gen strategies` says more)"):
            formatter.write_dl([(name, _summary(strategy)) for name, strategy in STRATEGIES.items()])


def _summary(strategy: type[Strategy]) -> str:
    options = ", ".join(f"{item.name}={value_text(item.default)}" for item in option_fields(strategy))
    return f"{summary(strategy)}{f'  [{options}]' if options else ''}"
