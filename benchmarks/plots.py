"""Pictures of the figures for the documents, as SVG and PNG. Colours are told apart also by who sees fewer of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.plan import SHAPES
from benchmarks.report import Key

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.report import Report

OURS, FLOOR, OTHERS, INK = "#0072b2", "#e69f00", "#b3b3b3", "#333333"
WIDTH = 7.0
TITLES = {
    "drain": "Emptying a queue in which jobs wait",
    "fleet": "100 robots x 3 slots, jobs submitted one by one",
} | {
    f"saturation {name}": f"Fed as fast as they are done: {shape.consumers} consumers x {shape.claim}"
    for name, shape in SHAPES.items()
}
LATENCIES = "fleet at common rate"
QUANTILES = {"claim p50": "o", "claim p95": "s", "claim p99": "D"}
STYLE = {"font.size": 10, "svg.hashsalt": "benchmarks", "axes.edgecolor": INK, "axes.titleweight": "bold"}


def draw(report: Report, folder: Path, prefix: str = "") -> list[Path]:
    """Draw the rates of the scenarios in which several systems were measured, those by processes, and a fleet's latencies.

    Returns the files, whose names are the prefix and the scenario's.
    """
    import matplotlib as mpl  # noqa: PLC0415 - heavy, and only in the environment of the benchmarks

    mpl.use("Agg")
    made = []
    with mpl.rc_context(STYLE):
        for scenario, title in TITLES.items():
            found = _by_system(report, scenario, "rate")
            if len(found) > 1:
                labels = {name: label(report, scenario, name, value) for name, value in found.items()}
                made += _bars(title, found, labels, folder / f"{prefix}{scenario.replace(' ', '-')}")
        processes = [row for row in report.rows() if row["scenario"].startswith("processes ")]
        if len({row["scenario"] for row in processes}) > 1:
            made += _lines(processes, folder / f"{prefix}processes")
        latencies = {metric: _by_system(report, LATENCIES, metric) for metric in QUANTILES}
        if len(latencies["claim p50"]) > 1:
            offered = report.value(Key(LATENCIES, next(iter(latencies["claim p50"])), "offered"))
            made += _points(f"{offered or 0:,.0f} jobs/s", latencies, folder / f"{prefix}{LATENCIES.replace(' ', '-')}")
    return made


def label(report: Report, scenario: str, name: str, value: float) -> str:
    """Return a rate and, where the report has the ratio of the pairs, how many times as fast ours is."""
    ratio = report.ratio_of(Key(scenario, "casare", "rate"), Key(scenario, name, "rate"))
    if ratio is None:
        return f"{value:,.0f}"
    return f"{value:,.0f}  ({ratio:.0f}x)" if ratio >= 10 else f"{value:,.0f}  ({ratio:.2f}x)"


def _by_system(report: Report, scenario: str, metric: str) -> dict[str, float]:
    rows = [row for row in report.rows() if (row["scenario"], row["metric"]) == (scenario, metric)]
    return {row["system"]: row["value"] for row in rows}


def _bars(title: str, values: dict[str, float], labels: dict[str, str], path: Path) -> list[Path]:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - see draw

    figure, axes = plt.subplots(figsize=(WIDTH, 1.0 + 0.36 * len(values)), layout="constrained")
    names = sorted(values, key=lambda name: values[name])
    bars = axes.barh(names, [values[name] for name in names], color=[_color(name) for name in names], height=0.68)
    axes.bar_label(bars, [labels[name] for name in names], padding=4, color=INK)
    _head(
        axes,
        title,
        "jobs per second" + ("; in brackets, how many times as fast casare is" if "casare" in values else ""),
    )
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.xaxis.set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, 1.27 * max(values.values()))
    _stress_ours(axes)
    return _save(figure, path)


def _lines(rows: list[dict[str, Any]], path: Path) -> list[Path]:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - see draw

    figure, axes = plt.subplots(figsize=(WIDTH, 3.4), layout="constrained")
    numbers: set[int] = set()
    for system in dict.fromkeys(row["system"] for row in rows):
        points = sorted((int(row["scenario"].split()[1]), row["value"]) for row in rows if row["system"] == system)
        numbers.update(number for number, _ in points)
        marker = "o" if system == "casare" else "s"
        axes.plot(*zip(*points, strict=True), marker=marker, color=_color(system), linewidth=2)
        for number, value in points:
            axes.annotate(f"{value:,.0f}", (number, value), xytext=(0, 7), textcoords="offset points", ha="center")
        axes.annotate(
            system, points[-1], xytext=(10, -3), textcoords="offset points", weight="bold", color=_color(system)
        )
    _head(axes, "Client processes on one queue", "jobs per second of all of them")
    axes.set_xlabel("processes")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(numbers), [str(number) for number in sorted(numbers)])
    axes.minorticks_off()
    axes.set_ylim(0, 1.15 * max(row["value"] for row in rows))
    axes.margins(x=0.12)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    return _save(figure, path)


def _points(offered: str, latencies: dict[str, dict[str, float]], path: Path) -> list[Path]:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - see draw

    last = latencies["claim p99"]
    names = sorted(last, key=lambda name: -last[name])
    figure, axes = plt.subplots(figsize=(WIDTH, 1.4 + 0.36 * len(names)), layout="constrained")
    for number, name in enumerate(names):
        axes.plot(
            [found[name] for found in latencies.values()], [number] * len(latencies), color=_color(name), linewidth=2
        )
    for metric, marker in QUANTILES.items():
        values = [latencies[metric][name] for name in names]
        axes.scatter(
            values,
            names,
            marker=marker,
            c=[_color(name) for name in names],
            s=42,
            edgecolors=INK,
            label=metric[6:],
            zorder=3,
        )
    _head(axes, "From submitted to claimed, by 100 robots", f"milliseconds, at {offered} for all")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.margins(y=0.1)
    legend = axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(QUANTILES), frameon=False, borderaxespad=0)
    for handle in legend.legend_handles:
        handle.set_facecolor("white")
    _stress_ours(axes)
    return _save(figure, path)


def _color(system: str) -> str:
    return {"casare": OURS, "floor": FLOOR}.get(system, OTHERS)


def _head(axes: Any, title: str, what: str) -> None:
    axes.set_title(title, loc="left", pad=22)
    axes.annotate(what, (0, 1), xycoords="axes fraction", xytext=(0, 6), textcoords="offset points", color=INK, size=9)


def _stress_ours(axes: Any) -> None:
    for text in axes.get_yticklabels():
        if text.get_text() == "casare":
            text.set_weight("bold")


def _save(figure: Any, path: Path) -> list[Path]:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - see draw

    path.parent.mkdir(parents=True, exist_ok=True)
    made = [path.parent / f"{path.name}.{kind}" for kind in ("svg", "png")]
    for each in made:
        # Without the date and the program's version, a picture of the same figures is the same file.
        figure.savefig(each, dpi=115, metadata={"Date": None} if each.suffix == ".svg" else {"Software": None})
    plt.close(figure)
    return made
