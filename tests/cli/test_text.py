"""Text of strangers does not reach the terminal as it is."""

from __future__ import annotations

import unicodedata

import pytest

from casare_rpa.cli.text import shortened, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("invoices", "invoices"),
        ("büro 東京 [bold]", "büro 東京 [bold]"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("invoice\u202egpj.exe", "invoice\\u202egpj.exe"),
        ("\u2028\u200b\ufeff", "\\u2028\\u200b\\ufeff"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_control_or_format_character_of_unicode_gets_through() -> None:
    dangerous = [chr(n) for n in range(0x110000) if unicodedata.category(chr(n)) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert len(dangerous) > 2000
    assert visible("".join(dangerous)).isascii()


def test_shortened() -> None:
    assert shortened("short", 10) == "short"
    assert shortened("first line\nsecond", 100) == "first line…"
    assert shortened("x" * 20, 10) == "x" * 9 + "…"
    assert shortened("", 10) == ""
