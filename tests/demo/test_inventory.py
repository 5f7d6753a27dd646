"""The inventory is safe to open in a spreadsheet, and written whole or not at all."""

import csv
import io
from dataclasses import replace

import pytest

from casare_rpa.demo import output
from casare_rpa.demo.errors import CannotRunError
from casare_rpa.demo.inventory import Item, neutralize, to_csv

ITEM = Item("sample", "1.0", "MIT", files=2, skipped=1, bytes=12, verified_by="robot-1", attempts=1)


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        "\u00a0=1",
        "\uff1d1",
        " \uff20x",
        '=HYPERLINK("x")',
    ],
)
def test_formulas_are_made_text(cell):
    assert neutralize(cell) == f"'{cell}"
    (row,) = list(csv.DictReader(io.StringIO(to_csv([replace(ITEM, licence=cell)]), newline="")))
    assert row["licence"] == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "MIT", "1.0-1", "a=b", "'=1", "GPL+", "3-clause", " MIT"])
def test_other_text_stays(cell):
    assert neutralize(cell) == cell


def test_sorted_with_a_heading():
    rows = list(csv.reader(io.StringIO(to_csv([replace(ITEM, name=name) for name in ("b", "C", "a")]))))
    assert rows[0] == ["name", "version", "licence", "files", "skipped", "bytes", "verified_by", "attempts"]
    assert [row[0] for row in rows[1:]] == ["a", "b", "C"]
    assert rows[1] == ["a", "1.0", "MIT", "2", "1", "12", "robot-1", "1"]


def test_text_with_commas_quotes_and_lines_comes_back():
    text = 'a, "b"\nc'
    (row,) = list(csv.DictReader(io.StringIO(to_csv([replace(ITEM, licence=text)]), newline="")))
    assert row["licence"] == text


def test_prepare_makes_the_folder_and_removes_what_an_earlier_run_left(tmp_path):
    folder = tmp_path / "a" / "b"
    output.prepare(folder)
    (folder / output.INVENTORY).write_text("old", encoding="utf-8")
    (folder / output.REPORT).write_text("old", encoding="utf-8")
    (folder / "mine.txt").write_text("kept", encoding="utf-8")
    output.prepare(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_write_leaves_the_result_alone(tmp_path):
    output.write(tmp_path / "x.csv", "a\nb\n")
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
    assert (tmp_path / "x.csv").read_bytes() == b"a\nb\n"


def test_where_nothing_can_be_written(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below"):
        with pytest.raises(CannotRunError, match="cannot be written"):
            output.prepare(folder)
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(CannotRunError, match=r"x\.csv cannot be written"):
        output.write(tmp_path / "x.csv", "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "x.csv"]
