from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from cutmix_gen.shards.rows import FIELDS, Row, Rows

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def test_rows_have_the_fields_of_the_table_in_its_order():
    names = [field.name for field in FIELDS]
    assert [field.name for field in fields(Rows)] == names
    assert list(Row._fields) == names


def test_the_readme_names_every_field():
    table = README.partition("A row of a Parquet shard has:\n\n")[2].partition("\n\n")[0]
    named = "".join(line.split("|")[1] for line in table.splitlines()[2:])
    assert all(f"`{field.name}`" in named for field in FIELDS)
