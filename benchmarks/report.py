"""What a run has found: figures, ratios of pairs, what was refused, what is missing; as JSON."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


class Key(NamedTuple):
    """What a figure is of."""

    scenario: str
    system: str
    metric: str


@dataclass
class Report:
    """Collects a run's figures. A figure of the same key from another turn is another sample; the row is their median."""

    machine: dict[str, Any] = field(default_factory=dict)
    refused: list[dict[str, str]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    """Systems that cannot run here, and scenarios that a system cannot do ("system: scenario"), each with the reason."""
    ratios: dict[str, float | None] = field(default_factory=dict)
    """The median of each ratio's pairs; None where there is no pair."""
    pairs: dict[str, list[float]] = field(default_factory=dict)
    no_ratio: dict[str, str] = field(default_factory=dict)
    """Why a ratio is None."""
    _samples: dict[Key, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    _ratio_names: dict[tuple[Key, Key], str] = field(default_factory=dict)
    _units: dict[Key, str] = field(default_factory=dict)

    def add(self, scenario: str, system: str, metric: str, value: float, unit: str, turn: int = 0) -> None:
        """Note a figure. `turn` says which round it is of: pairs are made of the same turn's."""
        key = Key(scenario, system, metric)
        self._samples[key][turn] = value
        self._units[key] = unit

    def refuse(self, scenario: str, system: str, why: str) -> None:
        """Note that a run does not count."""
        self.refused.append({"scenario": scenario, "system": system, "why": why})

    def value(self, key: Key) -> float | None:
        """Return the median of a figure's samples, None when there is none."""
        samples = self._samples.get(key)
        return statistics.median(samples.values()) if samples else None

    def set_ratio(self, name: str, above: Key, below: Key) -> None:
        """Note the median of the ratios of the pairs, each of one turn; null with the reason where there is no pair."""
        self._ratio_names[above, below] = name
        ours, theirs = self._samples.get(above, {}), self._samples.get(below, {})
        pairs = [ours[turn] / theirs[turn] for turn in sorted(ours.keys() & theirs.keys()) if theirs[turn]]
        if pairs:
            self.ratios[name], self.pairs[name] = statistics.median(pairs), pairs
        else:
            why = self._why_not(above, ours) or self._why_not(below, theirs) or "no turn has figures of both"
            self.ratios[name], self.no_ratio[name] = None, why

    def compare(self, name: str, scenario: str, other: str) -> None:
        """Note the ratio of our rate to that of another system in a scenario."""
        self.set_ratio(name, Key(scenario, "casare", "rate"), Key(scenario, other, "rate"))

    def ratio_of(self, above: Key, below: Key) -> float | None:
        """Return the ratio that was noted for these figures, under whatever name."""
        return self.ratios.get(self._ratio_names.get((above, below), ""))

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures, in the order in which they first came."""
        return [
            {**key._asdict(), "value": statistics.median(samples.values()), "unit": self._units[key]}
            | ({"samples": list(samples.values())} if len(samples) > 1 else {})
            for key, samples in self._samples.items()
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the whole report; what is `missing` are systems, what they cannot do, and ratios, each with the reason."""
        return {
            "machine": self.machine,
            "rows": self.rows(),
            "ratios": self.ratios,
            "pairs": self.pairs,
            "refused": self.refused,
            "missing": self.missing | self.no_ratio,
        }

    def write(self, path: Path) -> None:
        """Write it to a file, whose folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    def _why_not(self, key: Key, samples: dict[int, float]) -> str | None:
        if samples:
            return None
        if key.system in self.missing:
            return f"{key.system}: {self.missing[key.system]}"
        if (cannot := self.missing.get(f"{key.system}: {key.scenario}")) is not None:
            return f"{key.system}: {cannot}"
        for each in self.refused:
            if (each["scenario"], each["system"]) == (key.scenario, key.system):
                return f"{key.system}, refused: {each['why']}"
        return f"{key.system} was not measured in {key.scenario}"
