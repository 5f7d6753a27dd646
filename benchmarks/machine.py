"""What the figures were found on: they mean nothing without."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.server import Server, query

PACKAGES = (*("asyncpg", "awa-pg", "casare-rpa", "chancy", "oban", "pgqueuer", "procrastinate", "psycopg", "uvloop"),)
NODE_PACKAGES = ("graphile-worker", "pg", "pg-boss")
SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "autovacuum_naptime")
BUSY = 0.3
"""Load for each core before the run, above which it says little."""


def facts(server: Server) -> dict[str, Any]:
    """Return what machine, programs and settings these are, and how busy it is before the run."""
    load = psutil.getloadavg()[0]
    return {
        "cores": psutil.cpu_count(),
        "cpu": _cpu_model(),
        "ram_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "os": platform.platform(),
        "python": platform.python_version(),
        "node": _output("node", "--version"),
        "postgresql": query(server.url, "SHOW server_version")[0][0],
        "settings": {name: query(server.url, f"SHOW {name}")[0][0] for name in SETTINGS},
        "packages": {name: found for name in PACKAGES if (found := _version(name))} | _node_packages(),
        "load_before": round(load, 2),
        "busy_before": load > BUSY * (psutil.cpu_count() or 1),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _node_packages() -> dict[str, str]:
    folder = Path(__file__).parent / "node" / "node_modules"
    files = {name: folder / name / "package.json" for name in NODE_PACKAGES}
    return {
        name: json.loads(path.read_text(encoding="utf-8"))["version"] for name, path in files.items() if path.exists()
    }


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        if names:
            return names[0]
    if platform.system() == "Darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _output(*words: str) -> str | None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True, env=os.environ)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
