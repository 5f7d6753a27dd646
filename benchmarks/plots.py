"""Pictures of the figures for the documents, as SVG and PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.report import Report

OURS, OTHERS, FLOOR = "#1f6f8b", "#b8c4cc", "#e0a458"


def draw(report: Report, folder: Path, prefix: str) -> list[Path]:
    """Draw the rates of every scenario in which several systems were measured, and those by processes; return the files."""
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and only in the environment of the benchmarks

    mpl.use("Agg")
    rows = [row for row in report.rows() if row["metric"] == "rate"]
    made = []
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        found = {row["system"]: row["value"] for row in rows if row["scenario"] == scenario}
        if len(found) > 1 and not scenario.startswith("processes"):
            made += _bars(scenario, found, folder / f"{prefix}-{scenario.replace(' ', '-')}")
    if processes := [row for row in rows if row["scenario"].startswith("processes")]:
        made += _lines(processes, folder / f"{prefix}-processes")
    return made


def _bars(title: str, values: dict[str, float], path: Path) -> list[Path]:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - see draw

    figure, axes = plt.subplots(figsize=(7, 0.6 + 0.42 * len(values)), layout="constrained")
    names = sorted(values, key=lambda name: values[name])
    colors = [OURS if name == "casare" else FLOOR if name == "floor" else OTHERS for name in names]
    bars = axes.barh(names, [values[name] for name in names], color=colors)
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.set_title(f"{title}: jobs per second", loc="left")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.xaxis.set_visible(False)
    axes.margins(x=0.12)
    return _save(figure, path)


def _lines(rows: list[dict[str, Any]], path: Path) -> list[Path]:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - see draw

    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for system in dict.fromkeys(row["system"] for row in rows):
        points = sorted((int(row["scenario"].split()[1]), row["value"]) for row in rows if row["system"] == system)
        axes.plot(*zip(*points, strict=True), marker="o", label=system, color=OURS if system == "casare" else FLOOR)
    axes.set_title("client processes on one queue: jobs per second", loc="left")
    axes.set_xlabel("processes")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return _save(figure, path)


def _save(figure: Any, path: Path) -> list[Path]:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - see draw

    path.parent.mkdir(parents=True, exist_ok=True)
    made = [path.with_suffix(suffix) for suffix in (".svg", ".png")]
    for each in made:
        figure.savefig(each, dpi=150)
    plt.close(figure)
    return made
