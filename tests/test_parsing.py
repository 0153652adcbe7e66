"""JSON and TOML from outside: any bytes are parsed in little memory and time, or refused in words."""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import time
import tomllib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cutmix_gen.parsing import MOST_BYTES, MOST_CONTAINERS, MOST_DEPTH, MOST_DIGITS, ParseError, parse_json, parse_toml

NUMBERS = st.one_of(
    st.integers(-(10**MOST_DIGITS) + 1, 10**MOST_DIGITS - 1), st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(st.characters(exclude_categories=["Cs"]))),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)),
)


@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
@example("1e400, " + "9" * 99, True, None)
@example({"sha256": "3e1234" * 9, "a": "\U0001f600"}, True, None)
@example([{"a": []}] * 99, False, 2)
def test_all_json_of_an_ordinary_kind_is_taken_as_python_takes_it(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert parse_json(text) == parse_json(text.encode()) == parse_json(b"\xef\xbb\xbf" + text.encode()) == value


@settings(max_examples=300)
@given(data=st.one_of(st.binary(), st.text('[]{}",:\\ued8+-.019 \n').map(str.encode)))
def test_any_bytes_are_json_as_python_takes_it_or_refused(data):
    try:
        value = parse_json(data)
    except ParseError:
        return
    assert value == json.loads(data.removeprefix(b"\xef\xbb\xbf"))
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@settings(max_examples=300)
@given(text=st.one_of(st.text(), st.text("a=.\"'[]{}\n#019einf, \\")))
def test_any_text_is_toml_as_python_takes_it_or_refused(text):
    try:
        facts = parse_toml(text)
    except ParseError:
        return
    assert facts == tomllib.loads(text)


REFUSED = {
    "no UTF-8: byte 0xff": [b'"\xff"', '{"a": 1}'.encode("utf-16")],
    "half a character": [b'["\\ud800"]', b'{"\\udcff\\ud800": 1}', '"\ud800"'],
    "nests deeper": [b"[" * 33 + b"]" * 33, b"[" * 900_000, b'{"a":' * 100_000, b'[{"a":' * 40 + b"1" + b"}]" * 40],
    "digits": [b"9" * 5000, b"[-" + b"1" * 33 + b"]", b"0." + b"3" * 10_000_000, b"1e" + b"1" * 5000],
    "beyond any": [b"1e400", b"[-1e+400]", b'{"a": 1.5E999}', b"1e400\n", b"[1e400 ]"],
    "no number of JSON": [b"[NaN]", b"-Infinity", b'{"a": Infinity}'],
    "opening brackets": [b"[" + b"[]," * MOST_CONTAINERS + b"[]]"],
    "the most is": [b" " * (MOST_BYTES + 1)],
    "no JSON": [b"", b"{", b"\0", b'{"a" 1}', b"1 2"],
}


@pytest.mark.parametrize(
    ("words", "number"), [(words, number) for words, each in REFUSED.items() for number in range(len(each))]
)
def test_json_beyond_the_bounds_is_refused_in_words_and_at_once(words, number):
    began = time.process_time()
    with pytest.raises(ParseError, match=words) as caught:
        parse_json(REFUSED[words][number])
    assert len(str(caught.value)) < 200
    assert time.process_time() - began < 0.5


def test_what_is_just_within_the_bounds_is_taken():
    assert parse_json(b"[" * MOST_DEPTH + b"]" * MOST_DEPTH)
    assert parse_json(b"9" * MOST_DIGITS) == 10**MOST_DIGITS - 1
    assert parse_json(b"[1e308, 1e-400, 5e-324]") == [1e308, 0.0, math.ulp(0.0)]
    assert len(parse_json(b"[" + b"[]," * (MOST_CONTAINERS - 2) + b"[]]")) == MOST_CONTAINERS - 1
    assert parse_toml(".".join("a" * (MOST_DEPTH - 1)) + " = 1")


def test_bytes_of_a_file_name_are_let_through_where_they_are_asked_for():
    assert parse_json(b'["\\udcff"]', file_names=True) == ["\udcff"]
    with pytest.raises(ParseError, match="half a character"):
        parse_json(b'["\\ud800"]', file_names=True)


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 100_000 + " = 1",
        "[a" + ".a" * 100_000 + "]",
        "x = {a" + " . a" * 100_000 + " = 1}",
        '"a b"' + '."a b"' * 50_000 + " = 1",
        "'a'" + ".'\"'" * 50_000 + " = 1",
        "x = " + "[" * 100_000,
        "x = " + "{a = " * 100_000,
        "x = " + "9" * 100_000,
        "x = 1e400",
        "x = [nan]",
        "x = {a = -inf}",
        "#" * (1 << 20) + "#",
        "x = " + "[" * 40 + "]" * 40,
        'x = "\\ud800"',
    ],
)
def test_toml_beyond_the_bounds_is_refused_at_once(text):
    began = time.process_time()
    with pytest.raises(ParseError):
        parse_toml(text)
    assert time.process_time() - began < 1


def limited(script: str, data: bytes) -> str:
    """Run a script on data with half a gigabyte of memory; return what it says."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))

    done = subprocess.run(
        [sys.executable, "-c", script], input=data, capture_output=True, check=False, preexec_fn=limit, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("json", b"[" + b"[]," * 6_000_000 + b"1]"),
        ("json", b"[" + b'{"a":1},' * 2_000_000 + b"1]"),
        ("json", b"[" * 20_000_000),
        ("json", b"1" * 20_000_000),
        ("toml", b"a." * 400_000 + b"a = 1"),
        ("toml", b"".join(b"a%d" % n + b".a" * 30 + b" = 1\n" for n in range(4_000))),
    ],
)
def test_no_text_takes_memory_beyond_its_size(kind, data):
    script = f"""if True:
        import sys
        from cutmix_gen.parsing import ParseError, parse_{kind}
        try:
            parse_{kind}(sys.stdin.buffer.read())
        except ParseError as error:
            print("refused:", error)
        else:
            print("parsed")
    """
    assert limited(script, data)
