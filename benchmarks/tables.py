"""The report for people, in tables."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

    from benchmarks.report import Report


def show(report: Report, console: Console) -> None:
    """Print the machine, a table for each scenario, the ratios, what was refused and what is missing."""
    console.print(_machine(report.machine))
    for table in _scenarios(report.rows()):
        console.print(table)
    if report.ratios:
        console.print(_ratios(report))
    if report.refused:
        console.print(
            _pairs("Refused", ("where", "why"), [(f"{r['scenario']}, {r['system']}", r["why"]) for r in report.refused])
        )
    if report.missing:
        console.print(_pairs("Missing", ("what", "why"), list(report.missing.items())))


def _machine(machine: dict[str, Any]) -> Table:
    rows = [
        (name, ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value))
        for name, value in machine.items()
    ]
    return _pairs("Machine", ("", ""), rows)


def _scenarios(rows: list[dict[str, Any]]) -> list[Table]:
    """One table for each scenario: a line for each system, a column for each metric."""
    scenarios: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        scenarios[row["scenario"]].append(row)
    return [_scenario(name, found) for name, found in scenarios.items()]


def _scenario(name: str, rows: list[dict[str, Any]]) -> Table:
    metrics = list(dict.fromkeys((row["metric"], row["unit"]) for row in rows))
    table = Table(title=Text(name), title_justify="left")
    table.add_column("system")
    for metric, unit in metrics:
        table.add_column(Text(f"{metric}, {unit}"), justify="right")
    for system in dict.fromkeys(row["system"] for row in rows):
        values = {(row["metric"], row["unit"]): row["value"] for row in rows if row["system"] == system}
        table.add_row(system, *(number(values.get(metric)) for metric in metrics))
    return table


def _ratios(report: Report) -> Table:
    rows = [
        (name, f"- ({report.no_ratio[name]})" if ratio is None else number(ratio))
        for name, ratio in report.ratios.items()
    ]
    return _pairs("Ratios (median of the pairs)", ("ratio", ""), rows)


def _pairs(title: str, columns: tuple[str, str], rows: list[tuple[str, str]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=any(columns))
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def number(value: float | None) -> str:
    """Return a figure with about three digits that say something."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
