"""Readers of what people write: settings, pairs of classes; and of recipes, as trainers hand them in."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from cutmix_gen import GenerateConfig, relabel
from cutmix_gen.cli import main
from cutmix_gen.cli.settings import read_settings
from cutmix_gen.dataset.run import quota_plan
from cutmix_gen.generation.decide import New, decide
from cutmix_gen.mixing.pairing import Census
from cutmix_gen.mixing.recipe import parse_recipe
from tests.fuzz.reading import CORPUS, FINE, FOUND, Make, Reader


def settings_reader(name: str) -> Make:
    def make(folder: Path) -> Reader:
        def read(data: bytes) -> str:
            path = folder / name
            path.write_bytes(data)
            command = ["--debug", "generate", "--config", str(path), "--print-config"]
            result = CliRunner().invoke(main, command, catch_exceptions=False)
            if result.exit_code:
                return FOUND
            config = GenerateConfig(source=CORPUS / "sources", output=folder / "out", **read_settings(path))
            return _planned(config)

        return read

    return make


def _planned(config: GenerateConfig) -> str:
    """Do all that follows from settings before anything is made."""
    assert config.digest()
    config.chosen_options()
    ahead = decide(config)
    assert isinstance(ahead, New), "there is no set yet"
    classes, counts = ahead.scanned.classes, ahead.scanned.class_counts
    ahead.plan.locate(ahead.plan.num_shards - 1)
    quotas = quota_plan(ahead.config, classes, Census(counts), 1)
    if quotas.total:
        quotas.rows(0, min(quotas.total, 50))
    return FINE


def pairs_reader(folder: Path) -> Reader:
    def read(data: bytes) -> str:
        path = folder / "pairs.csv"
        path.write_bytes(data)
        command = ["--debug", "generate", "--pairs", str(path), "--print-config"]
        if CliRunner().invoke(main, command, catch_exceptions=False).exit_code:
            return FOUND
        lines = tuple(path.read_text("utf-8-sig").splitlines())
        return _planned(GenerateConfig(source=CORPUS / "sources", output=folder / "out", pairs=lines))

    return read


_HELD = 1 << 22
"""Pixels that may be held: the default takes half a gigabyte of memory, which is what the fuzz looks for."""


def relabel_reader(_folder: Path) -> Reader:
    def read(data: bytes) -> str:
        text = data.decode("utf-8", "surrogateescape")
        recipe = parse_recipe(text, max_held=_HELD)
        recipe.ownership()
        assert recipe.lam_drawn is not None
        assert abs(relabel(text, (0, 0, min(recipe.size.width, 8), 1), max_pixels=_HELD).sum() - 1) < 1e-3
        return FINE

    return read
