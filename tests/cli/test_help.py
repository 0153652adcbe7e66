from __future__ import annotations

from collections import Counter

import click
import pytest
from click.testing import CliRunner

from cutmix_gen.cli import main
from cutmix_gen.cli.sections import SECTIONS
from cutmix_gen.mixing.strategies import STRATEGIES


def help_of(*command: str, width: int = 80) -> str:
    return CliRunner().invoke(main, [*command, "--help"], terminal_width=width).output


def test_every_option_of_generate_has_one_section():
    named = Counter(name for names in SECTIONS.values() for name in names)
    options = {param.name for param in main.get_command(None, "generate").params if isinstance(param, click.Option)}
    assert set(named) == options
    assert set(named.values()) == {1}


def test_the_help_of_generate_shows_sections_and_the_ways_of_mixing():
    text = help_of("generate")
    for title in SECTIONS:
        assert f"\n{title}:\n" in text
    for name in STRATEGIES:
        assert f"\n  {name} " in text
    assert "[grid=4, shuffle=false]" in text


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("command", ["", *main.list_commands(None)])
def test_no_line_of_a_help_text_is_wider_than_the_terminal(command, width):
    lines = help_of(*filter(None, [command]), width=width).splitlines()
    assert [line for line in lines if len(line) > width] == []


def test_a_help_text_cuts_no_sentence_short():
    assert "..." not in help_of().partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generat"], "There is no command 'generat'. Did you mean 'generate'?"),
        (["generate", "--copis", "2"], "--copies"),
        (["generate", "a", "b", "--format", "webdatasets"], "Did you mean 'webdataset'?"),
        (["generate", "a", "b", "--strategy", "resizmix"], "Did you mean 'resizemix'?"),
        (["generate", "a", "b", "--strategy", "patches", "--mix-option", "gird=3"], "Did you mean 'grid'?"),
        (["convert", "a", "b", "--format", "parket"], "Did you mean 'parquet'?"),
        (["export", "a", "b", "--format", "imagefolders"], "Did you mean 'imagefolder'?"),
        (["completion", "fsh"], "Did you mean 'fish'?"),
    ],
)
def test_errors_suggest_what_is_near(arguments, message):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.output
