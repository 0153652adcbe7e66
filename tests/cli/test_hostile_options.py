"""Whatever stands behind an option, a command ends soon, with an exit code of its own and a message about the option.

The options are those that click has, and the fields of the configuration: a new one is tried without being named here.
`--slow` tries more of each.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutmix_gen.cli import main
from cutmix_gen.cli.settings import settings_lines
from cutmix_gen.config import GenerateConfig
from cutmix_gen.dataset.plan import Plan
from cutmix_gen.errors import UsageError
from cutmix_gen.mixing.strategies import STRATEGIES
from tests.sets import make_folder

SECONDS = 20
"""That a command on six small images may take, on a machine with other work; most take a tenth of one."""
MEMORY = 1 << 30
"""Bytes by which all of these commands together may raise what the process has held."""


def words(text: str) -> list[str]:
    return text.split()


DIGITS = words("""
0 1 2 3 7 -1 -0 1.5 0.5 1e305 1e308 1e309 1e400 -1e400 1e-320 1e-5000 nan inf -inf 1_000 0x10 1e . +5
2147483648 4294967296 9007199254740992 9223372036854775807 9223372036854775808 18446744073709551616 1000000000
1000000000000
""")
DIGITS += ["", " ", " 5 ", "5\x00", "\u0663", "\u00b2", "\uff13"]  # digits of other scripts among them
DIGITS += [*("9" * length for length in (18, 19, 30, 40, 309, 5000)), "1" + "0" * 80, "0" * 5000 + "3"]
DIGITS += ["0." + "3" * 5000]
WORDS = words("""
" ' \\ %s % {} {0} - -- = : / , ,, a,b 1/0 0/0 1/2/3 x 1x x1 cutmix: :1 cutmix::1 none null true false [] keep auto
../x ~ * s3: :// tcp://:99999 file:// 1/1 0/1 0.5,0.5 1,1 patches ricap fmix class-0
""")
ODD = ["\x00", "a\x00b", "\n", "\r", "\x1b[2J", "\udcff", "\ud800", "a\udcffb", "\u202e", "\u732b"]
LONG = ["://:" * 5000, "s3:x" * 5000, "x" * 300, "x" * 20_000, "[" * 5000, "{" * 5000, "(" * 5000]
TEXTS = ["", " ", *WORDS, *ODD, *LONG]
numbers = st.sampled_from(DIGITS) | st.integers().map(str) | st.floats().map(str)
texts = st.sampled_from(TEXTS) | st.text(max_size=20) | numbers


def joined(sign: str) -> st.SearchStrategy[str]:
    return st.builds(lambda one, two: f"{one}{sign}{two}", numbers, numbers)


def own_options() -> st.SearchStrategy[str]:
    names = sorted({item.name for strategy in STRATEGIES.values() for item in fields(strategy)})
    return st.builds(lambda name, value: f"{name}={value}", st.sampled_from(names), numbers)


def weighted() -> st.SearchStrategy[str]:
    return st.builds(lambda name, value: f"{name}:{value}", st.sampled_from(sorted(STRATEGIES)), numbers)


FORMS = {
    "I/N": joined("/"),
    "LO,HI": joined(",") | st.builds(lambda one, two: f"{one},{two}", joined("/"), joined("/")),
    "keep|N|WxH": joined("x"),
    "KEY=VALUE": own_options(),
    "NAME[:WEIGHT]": weighted(),
    "N|P%": numbers.map("{}%".format),
    "KEY": st.builds("-".join, st.tuples(numbers, numbers, numbers)),
}
"""By what the help calls a value: values that have the form and hostile parts."""

PATHS = ["none", "none.png", "here.png/x.png", "loop", "loop/x.png", "here.png", "folder", "folder.png", "~", ".", ".."]
PATHS += ["", " ", "\x00", "a\x00b.png", "a\udcffb.png", "\ud800.png", "\x1b[2J.html", "file://", "s3:"]
PATHS += ["x" * 300, "x" * 300 + ".png", "x/" * 2000 + "x.png", "x/" * 3000, "a" * 20_000]
SOURCES = [*PATHS, "/dev/null", "/dev/zero", "-"]
"""What is read may be a device."""


class TookTooLongError(BaseException):
    """No `Exception`: the program would take it for one of its own."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def end_well(*arguments: str) -> int:
    """Call the program, and require one of its own exit codes and no word of a bug."""
    with at_most(SECONDS):
        result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code in (0, 1, 2, 3), shown(arguments, result.output)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert "a bug of cutmix-gen" not in result.output, shown(arguments, result.output)
    assert "Traceback" not in result.output, shown(arguments, result.output)
    assert len(result.output) < 10_000 or result.exit_code == 0, shown(arguments, result.output)
    return result.exit_code


def shown(arguments: tuple[str, ...], output: str) -> str:
    return f"{[each[:80] for each in arguments]}: {output[-1000:]}"


@pytest.fixture(scope="module", autouse=True)
def here(tmp_path_factory) -> Iterator[Path]:
    """Work in a folder with images, a set of them, and what is no file."""
    folder = tmp_path_factory.mktemp("hostile")
    make_folder(folder / "images", per_class=3, classes=2, size=(8, 8))
    before = Path.cwd()
    os.chdir(folder)
    assert end_well("generate", "images", "set", "--backend", "serial") == 0
    (folder / "folder").mkdir()
    (folder / "folder.png").mkdir()
    (folder / "loop").symlink_to("loop")
    (folder / "here.png").write_bytes(b"x")
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    yield
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before < MEMORY


BASES = {
    "generate": ["images", "out", "--backend", "serial", "--slice", "99999/100000"],
    "preview": ["images", "--rows", "1", "--columns", "2"],
    "grid": ["set", "--rows", "1", "--columns", "2"],
    "loader": ["set", "--framework", "torch"],
    "replay": ["set", "0001-001-000000000"],
    "strategies": [],
    "convert": ["set", "converted", "--format", "webdataset"],
    "export": ["set", "exported", "--format", "imagefolder"],
    "completion": ["bash"],
}
"""What a command takes; of the others, the set. `generate` makes no sample: its last slice is empty."""
OTHER_BASES = {"strategies": ["images", "-o", "strategies.png"]}
FIXED = {"help", "verbose", "debug"}


def commands() -> list[tuple[str, list[str]]]:
    return [(name, BASES.get(name, ["set"])) for name in main.list_commands(None)] + list(OTHER_BASES.items())


def values_of(option: click.Parameter) -> st.SearchStrategy[str]:
    """Return values for a parameter, by its type and by what its help calls it."""
    form = option.metavar or option.make_metavar(click.Context(main.get_command(None, "generate")))
    if isinstance(option.type, click.types.FuncParamType | click.Path | click.File):
        return st.sampled_from(PATHS if "-o" in option.opts else SOURCES)
    if isinstance(option.type, click.Choice):
        return texts
    return FORMS[form] | texts if form in FORMS else texts


OPTIONS = [
    pytest.param(name, base, option, id=f"{name} {option.name}")
    for name, base in commands()
    for option in main.get_command(None, name).params
    if isinstance(option, click.Option) and not option.is_flag and option.name not in FIXED
]
ARGUMENTS = [
    pytest.param(name, base, place, id=f"{name} {argument.name}")
    for name, base in commands()
    for place, argument in enumerate(
        each for each in main.get_command(None, name).params if isinstance(each, click.Argument)
    )
    if place < len(base)
]


def is_argument(value: str) -> bool:
    """Tell whether a process can be given a text: any bytes but zero (PEP 383)."""
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


SETTINGS = [item.name for item in fields(GenerateConfig) if item.init]


@pytest.fixture(scope="module")
def examples(request: pytest.FixtureRequest) -> Callable[[int], settings]:
    """Return settings for so many examples, or for fifty times as many."""
    times = 50 if request.config.getoption("--slow") else 1
    return lambda few: settings(max_examples=few * times, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("name", "base", "option"), OPTIONS)
def test_an_option_with_any_value_ends_with_a_message_of_its_own(examples, name, base, option):
    flag = option.opts[0]

    @examples(2 if name == "report" else 6)
    @given(values_of(option).filter(is_argument))
    def run(value: str) -> None:
        end_well(name, *base, f"{flag}={value}" if flag.startswith("--") else f"{flag}{value}")

    run()


@pytest.mark.parametrize(("name", "base", "place"), ARGUMENTS)
def test_an_argument_of_any_form_ends_with_a_message_of_its_own(examples, name, base, place):
    @examples(6)
    @given((st.sampled_from(PATHS) | FORMS["KEY"]).filter(is_argument))
    def run(value: str) -> None:
        end_well(name, *base[:place], *base[place + 1 :], "--", value)

    run()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
scalars |= st.sampled_from([10**80, -(10**400), 10**4000, 2**63, b"x", Path("x"), {1}, object])
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2))
values |= st.just([[[[[[[["x"]]]]]]]]) | st.lists(texts, max_size=3)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_any_value_is_one_that_a_plan_can_be_made_of_or_refused(examples, name):
    item = next(item for item in fields(GenerateConfig) if item.name == name)
    form = FORMS.get(item.metadata.get("metavar"), values)

    @examples(60)
    @given(values | form | form.map(lambda value: [value]))
    def run(value: object) -> None:
        config = made_or_refused(name, value)
        if config is not None:
            assert GenerateConfig(source="x", output="y", **config.identity()).digest() == config.digest()
            Plan(config, 7, 1, 0).task(0)
            config.make_pairing(), config.chosen_options()
            list(settings_lines(config))

    run()


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(
    "value", [10**5000, [10**5000], [[10**5000]], {"x": 10**5000}], ids=["number", "list", "lists", "table"]
)
def test_a_number_that_python_does_not_write_is_refused_in_words(name, value):
    assert made_or_refused(name, value) is None


def made_or_refused(name: str, value: object) -> GenerateConfig | None:
    with at_most(SECONDS):
        try:
            return GenerateConfig(**{"source": "images", "output": "out"} | {name: value})
        except UsageError as error:
            message = str(error)
    assert len(message) < 2000
    return None


TOML = [
    *DIGITS,
    "[[[[1]]]]",
    "[" * 5000,
    "{a=1}",
    "1979-05-27",
    "07:32:00",
    "true",
    '"x"',
    "'x'",
    '""',
    '"""\nx"""',
    "[]",
]
TOML += ['["x", 1]', '["cutmix:1e308", "patches:1e308"]', "0b1", "0o7", "nan", "-inf", '"\\ud800"', '"\x00"', "1e400"]


def test_a_file_of_settings_with_anything_in_it_ends_with_a_message_of_its_own(examples, here):
    names = [*SETTINGS, "a.b", '"a b"', "", "x" * 1000, "copies.a"]
    lines = st.builds(lambda name, value: f"{name} = {value}", st.sampled_from(names), st.sampled_from(TOML) | texts)
    toml = st.lists(lines, max_size=3).map("\n".join)
    facts = st.dictionaries(st.sampled_from(names), values.filter(is_json), max_size=3)
    records = facts.map(lambda config: json.dumps({"config": config}))
    records |= st.sampled_from(
        ["{", "[" * 10**5, '{"config": ' * 5000, '{"config": {"seed": 1e400}}', "{}", '{"config": 1}']
    )

    @examples(150)
    @given((toml | records).map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=50))
    def run(data: bytes) -> None:
        (here / "run.toml").write_bytes(data)
        end_well("generate", *BASES["generate"], "--config", "run.toml", "--print-config")

    run()


def is_json(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):  # numbers of 5,000 digits are tried as TOML
        return False
    return True


def test_a_file_of_pairs_with_anything_in_it_ends_with_a_message_of_its_own(examples, here):
    names = st.sampled_from(["class-0", "class-1", "class-2", '"class-0"', '"', "\r", "x" * 200_000, "\x00"]) | texts
    lines = st.builds(lambda base, donor, count: f"{base},{donor},{count}", names, names, numbers) | texts
    lines |= st.builds("class-0,class-1,{}".format, numbers)

    @examples(80)
    @given(st.lists(lines, max_size=3).map(lambda some: "\n".join(some).encode(errors="surrogatepass")) | st.binary())
    def run(data: bytes) -> None:
        (here / "pairs.csv").write_bytes(data)
        end_well("generate", *BASES["generate"], "--pairs", "pairs.csv")

    run()
