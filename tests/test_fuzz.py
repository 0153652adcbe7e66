"""The fuzz of the readers: it finds what it is for, and its quick version finds nothing."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

import pytest

from cutmix_gen.dataset.sealed_json import is_sealed, sealed
from tests.fuzz import mending
from tests.fuzz.child import Job
from tests.fuzz.planted import READERS
from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import fuzz


def job(folder, table="planted", **options) -> Job:
    return Job(folder=str(folder), table=f"tests.fuzz.{table}", **{"names": tuple(READERS), "seed": 0} | options)


def test_each_planted_fault_is_counted_as_what_it_is_and_the_rest_goes_on(tmp_path):
    counts = fuzz(job(tmp_path, inputs=0, seconds=1.0, memory=64 << 20, patience=5.0))
    assert counts.outcomes == {(name, name.partition(",")[0]): 1 for name in READERS}
    assert {name for name, _, _ in counts.faults} == READERS.keys() - {"fine", "skip", "own error"}


def test_what_is_found_is_kept_and_can_be_read_again(tmp_path):
    (found,) = fuzz(job(tmp_path, names=("other",), inputs=0)).faults.values()
    again = fuzz(job(tmp_path, names=("other",), files=(found[0], found[0])))
    assert again.outcomes == {("other", "other"): 2}
    assert "KeyError" in (tmp_path / f"{found[0]}.txt").read_text()


def test_the_same_seed_gives_the_same_inputs(tmp_path):
    inputs = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        fuzz(job(tmp_path / str(number), names=("other",), inputs=9))
        inputs.append((tmp_path / str(number) / "input").read_bytes())
    assert inputs[0] == inputs[1] != TARGETS["pairs"].files()[0]


def test_no_seed_and_no_changed_file_ends_a_reader_otherwise_than_it_should(tmp_path):
    """The quick version of `python -m tests.fuzz`; what it finds can be read again from the files that it names."""
    counts = fuzz(job(tmp_path, "targets", names=tuple(TARGETS), inputs=5))
    assert not counts.faults, (tmp_path / "log.txt").read_text()[-2000:]
    for name, target in TARGETS.items():
        assert sum(count for (one, _), count in counts.outcomes.items() if one == name) == len(target.files()) + 5


@pytest.mark.parametrize("data", [sealed({"a": 1}), b'{"a":1}', b"x", b"", b'{"seal":"7"}', sealed({"a": 1}, 2)])
def test_a_mended_seal_is_a_seal(data):
    assert is_sealed(mending.seal(data))


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_seeds_that_are_small(target):
    files = TARGETS[target].files()
    assert files
    assert max(map(len, files)) < 32_000


def test_no_seed_tells_where_it_was_made():
    texts = [data.decode("latin-1") for target in TARGETS.values() for data in target.files()]
    assert str(Path(__file__).parents[1]) not in "".join(texts)
    assert gettempdir() not in "".join(texts)
