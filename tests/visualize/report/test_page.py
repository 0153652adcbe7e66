from __future__ import annotations

import shlex
import sys
import tomllib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import cutmix_gen
from cutmix_gen import GenerateConfig, generate
from cutmix_gen.cli import main
from cutmix_gen.mixing.strategies import STRATEGIES
from cutmix_gen.shards import SHARD_FORMATS
from cutmix_gen.visualize.report import expected_lam as law
from cutmix_gen.visualize.report import sections, write_report
from cutmix_gen.visualize.report.page import page
from tests.sets import make_folder, tree
from tests.visualize.report.hostile import NAMES, hostile_folder

VOID = {"meta", "link", "img", "br"}


@pytest.fixture(autouse=True, scope="module")
def few_draws():
    """Simulate less: how well a law is met is tried elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(law, "_DRAWS", 400)
        patch.setattr(law, "_LEAST_DRAWS", 20)
        yield


class Page(HTMLParser):
    """The elements of a page, and their text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.attributes: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.attributes += [value or "" for _, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(text for tag, text in self.texts if tag != "style").split())

    def texts_in(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def make(root: Path, folder: Path | None = None, **options) -> Path:
    folder = folder or make_folder(root / "images", size=(24, 16))
    generate(GenerateConfig(source=folder, output=root / "out", backend="serial", **options))
    return root / "out"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Page:
    root = tmp_path_factory.mktemp("hostile")
    return Page(page(make(root, hostile_folder(root / "images"), copies=2, max_failures="100%")))


@pytest.mark.parametrize("form", SHARD_FORMATS)
def test_a_set_of_either_format_has_a_page_with_all_sections(tmp_path, form):
    found = Page(page(make(tmp_path, format=form, copies=2)))
    assert found.texts_in("h2") == [
        "Samples by class", "Samples by strategy", "Lam, the share of the base", "Class mass", "Class pairs",
        "Image sizes", "How it was made", "Skipped",
    ]  # fmt: skip
    assert "120 originals and 240 mixed samples of 3 classes" in found.text
    assert "every bar is as high as it should be" in found.text
    assert "24 x 16 pixels" in found.text
    assert "Nothing was skipped." in found.text
    assert len(found.all("img")) == 3 * 4 + 8


def test_the_same_set_gives_the_same_page_and_another_seed_another(tmp_path):
    output = make(tmp_path, strategy=("cutmix", "fmix"))
    assert page(output) == page(output) != page(output, seed=1)


def test_every_strategy_has_its_samples(tmp_path):
    output = make(tmp_path, strategy=tuple(STRATEGIES), copies=3)
    found = Page(page(output))
    assert {f"{name} " for name in STRATEGIES} <= set(found.texts_in("h3"))
    assert len(found.all("img")) == 3 * 4 + 4 * len(STRATEGIES)


def test_hostile_names_stay_text(hostile):
    assert not hostile.all("script")
    assert not hostile.all("b")
    assert all(attributes["src"].startswith("data:image/") for attributes in hostile.all("img"))
    assert not [name for _, attributes in hostile.elements for name in attributes if name.startswith("on")]
    for name in NAMES:
        shown = name.replace("\\", "\\\\").replace("\n", "\ufffd")
        assert shown in hostile.texts_in("bdi"), name
        assert any(shown[:17] in text for text in hostile.texts_in("text")), name


def test_nothing_is_fetched(hostile):
    policy = next(each["content"] for each in hostile.all("meta") if each.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "script" not in policy
    for tag, attributes in hostile.elements:
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    style = " ".join([*hostile.texts_in("style"), *(each.get("style", "") for _, each in hostile.elements)])
    assert "@import" not in style
    assert "url(" not in style.replace("url(#", "")


def test_ids_are_unique_and_what_refers_to_them_finds_them(hostile):
    ids = [attributes["id"] for _, attributes in hostile.elements if "id" in attributes]
    assert max(Counter(ids).values()) == 1
    for tag, attributes in hostile.elements:
        for name in ("aria-labelledby", "href", "xlink:href"):
            value = attributes.get(name, "").removeprefix("#")
            assert not value or value.startswith("data:") or value in ids, (tag, attributes)


def test_it_can_be_read_aloud(hostile):
    assert hostile.all("html")[0]["lang"] == "en"
    assert all(attributes["alt"] for attributes in hostile.all("img"))
    assert all(attributes["scope"] in ("row", "col") for attributes in hostile.all("th"))
    assert len(hostile.all("caption")) == len(hostile.all("table"))
    assert all(each.get("aria-label") or each.get("aria-hidden") for each in hostile.all("svg"))
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in hostile.elements}
    levels = [int(tag[1]) for tag, _ in hostile.elements if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert all(step <= 1 for step in np.diff(levels))


def test_skips_are_listed_with_their_reason(hostile):
    assert "1 source image was skipped" in hostile.text
    assert "plain/<b>broken.jpg" in hostile.texts_in("bdi")
    assert any("no image of a format" in text for text in hostile.texts_in("td"))
    assert "Passed over: 1 not an image by its name." in hostile.text


def test_the_command_makes_the_same_set_again(tmp_path):
    folder = make_folder(tmp_path / "the $(images)", size=(24, 16))
    (folder / "class-0" / "broken.jpg").write_bytes(b"no")
    (folder / "class-1" / "broken.jpg").write_bytes(b"no")
    output = make(
        tmp_path, folder, strategy=("cutmix:2", "patches"), mix_option=("grid=3",), copies=1.5, max_failures="5",
        size="20x18", mode="L", originals=False, seed=3,
    )  # fmt: skip
    (command,) = [text for text in Page(page(output)).texts_in("code") if text.startswith("cutmix-gen generate")]
    words = shlex.split(command)
    assert words[2:4] == [str(folder), str(output)]
    words[3] = str(tmp_path / "again")
    result = CliRunner().invoke(main, [*words[1:], "--backend", "serial"])
    assert result.exit_code == 3, result.output
    assert tree(tmp_path / "again" / "data") == tree(output / "data")


def test_each_run_is_told_with_its_pairs(tmp_path):
    output = make(tmp_path)
    generate(
        GenerateConfig(
            source=tmp_path / "images", output=output, append=True, originals=False, backend="serial",
            pairs=("class_a,class_b,count", "class-0,class-2,9"),
        )
    )  # fmt: skip
    found = Page(page(output))
    commands = [text for text in found.texts_in("code") if text.startswith("cutmix-gen generate")]
    assert [("--append" in text, "--pairs pairs.csv" in text) for text in commands] == [(False, False), (True, True)]
    assert "class-0,class-2,9" in "".join(found.texts_in("code"))


def test_runs_of_other_laws_have_their_part_in_the_law(tmp_path):
    output = make(tmp_path, copies=4, lam_range="0.2,0.3", strategy=("mixup",))
    again = {"source": tmp_path / "images", "output": output, "append": True, "backend": "serial"}
    generate(GenerateConfig(originals=False, copies=4, lam_range="0.8,0.9", strategy=("saliencymix",), **again))
    for seed in (1, 2):
        generate(
            GenerateConfig(originals=False, copies=4, lam_range="0.2,0.3", strategy=("mixup",), seed=seed, **again)
        )
    found = Page(page(output))
    assert "every bar is as high as it should be" in found.text
    assert "400 samples anew" in found.text
    assert found.texts_in("h3")[-4:] == ["Run 1", "Run 2", "Run 3", "Run 4"]


def test_of_many_runs_the_first_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "_RUNS", 1)
    output = make(tmp_path)
    generate(GenerateConfig(source=tmp_path / "images", output=output, append=True, seed=1, backend="serial"))
    found = Page(page(output))
    assert "Run 2" not in found.texts_in("h3")
    assert "1 more runs are left out" in found.text


def test_pairs_of_classes_are_counted(tmp_path):
    output = make(tmp_path, pairs=("class-0,class-2,9", "class-1,class-0,4"))
    found = Page(page(output))
    assert "13 pairs of a base and a donor, 0 of them of one class." in found.text
    cells = [int(text) for tag, text in found.texts if tag == "td" and text.isdecimal()]
    assert any(cells[place : place + 9] == [0, 0, 9, 4, 0, 0, 0, 0, 0] for place in range(len(cells)))


def test_of_many_classes_some_are_shown_and_the_page_says_so(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=2, classes=60, size=(8, 8))
    found = Page(page(make(tmp_path, folder)))
    assert "The 12 largest of 60 classes." in found.text
    assert "the 50 largest; 10 more are left out" in found.text
    assert "The 20 largest classes; 40 more are left out." in Page(page(make(tmp_path / "more", folder, copies=9))).text


def test_few_pairs_of_many_classes_have_no_table_of_zeros(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=1, classes=60, size=(8, 8))
    found = Page(page(make(tmp_path, folder)))
    assert "60 pairs of a base and a donor, 0 of them of one class. They are too few" in found.text
    assert "matrix" not in [each.get("class") for each in found.all("table")]


def test_images_of_several_sizes_are_plotted(tmp_path):
    folder = make_folder(tmp_path / "images", size=(24, 16))
    Image.new("RGB", (60, 30)).save(folder / "class-0" / "other.png")
    found = Page(page(make(tmp_path, folder)))
    assert "60 x 30" in found.texts_in("th")
    assert any("2 sizes" in each.get("aria-label", "") for each in found.all("svg"))


@pytest.mark.parametrize("options", [{"copies": 0}, {"originals": False}, {"dense_labels": "never"}], ids=str)
def test_a_set_of_one_kind_has_a_page_too(tmp_path, options):
    found = Page(page(make(tmp_path, **options)))
    assert ("Class pairs" in found.texts_in("h2")) == (options != {"copies": 0})


def test_an_unfinished_set_shows_what_is_there(tmp_path):
    found = Page(page(make(tmp_path, slice="0/4", shard_size=20)))
    assert "Unfinished:" in found.text
    assert found.all("img")


def test_the_command_line_writes_the_page_and_says_so(tmp_path):
    output = make(tmp_path)
    result = CliRunner().invoke(main, ["report", str(output), "-o", str(tmp_path / "page.html")])
    assert result.exit_code == 0, result.output
    assert f"Wrote {tmp_path / 'page.html'}" in result.output
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page(output)


def test_a_folder_that_is_not_there_is_a_wrong_usage(tmp_path):
    result = CliRunner().invoke(main, ["report", str(make(tmp_path)), "-o", str(tmp_path / "no" / "page.html")])
    assert result.exit_code == 2
    assert "There is no folder" in result.output


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch, missing):
    for name in [name for name in sys.modules if name.startswith("cutmix_gen.visualize.report.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    result = CliRunner().invoke(main, ["report", str(make(tmp_path)), "-o", str(tmp_path / "page.html")])
    assert result.exit_code == 2
    assert 'pip install "cutmix-gen[report]"' in result.output
    assert not (tmp_path / "page.html").exists()


def test_the_page_has_the_name_of_the_set_from_within_too(tmp_path, monkeypatch):
    monkeypatch.chdir(make(tmp_path))
    assert "out: a CutMix training set" in Page(page(Path())).text


def test_all_that_a_page_is_made_of_is_packaged():
    root = Path(cutmix_gen.__file__).parent
    settings = tomllib.loads((root.parent / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["cutmix_gen"]
    packaged = {path for pattern in patterns for path in root.glob(pattern)}
    parts = {path for path in root.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert root / "visualize" / "report" / "page.html" in parts <= packaged


def test_what_is_no_set_has_no_page(tmp_path):
    result = CliRunner().invoke(main, ["report", str(tmp_path), "-o", str(tmp_path / "page.html")])
    assert result.exit_code == 1
    assert "must be a set" in result.output


def test_a_page_has_less_than_three_megabytes(tmp_path):
    folder = make_folder(tmp_path / "images", per_class=4, classes=30, size=(200, 200))
    output = make(tmp_path, folder, strategy=tuple(STRATEGIES), copies=5, image_format="jpeg")
    assert write_report(output, tmp_path / "page.html") == (tmp_path / "page.html").stat().st_size < 3_000_000
