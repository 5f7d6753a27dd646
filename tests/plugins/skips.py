"""With `CASARE_STRICT_SKIPS=1`, a skipped test fails unless `tests/allowed-skips.txt` lists its reason.

A test that quietly stops running protects nothing. So a skip that nobody agreed to is reported as a failure, and a run
in which no test was executed fails too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

ALLOWED_SKIPS = Path("tests", "allowed-skips.txt")


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("CASARE_STRICT_SKIPS", "") in {"", "0"}:
        return
    # A whole module may be skipped while tests are collected: refusing that must not keep the others from running.
    config.option.continue_on_collection_errors = True
    config.pluginmanager.register(StrictSkips(read_allowed(config.rootpath / ALLOWED_SKIPS)), "strict-skips")


def read_allowed(path: Path) -> tuple[str, ...]:
    """Read the beginnings of the reasons that may skip a test; none when the file is missing.

    Raises `pytest.UsageError` for a reason without a comment right above it.
    """
    allowed: list[str] = []
    explained = False
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            explained = bool(line)
        elif explained:
            allowed.append(line)
        else:
            raise pytest.UsageError(f"{path}:{number}: {line!r} needs a comment right above it: why may it be skipped?")
    return tuple(allowed)


class StrictSkips:
    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        self.executed = 0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        self._refuse_skip(report)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        self._refuse_skip(report)
        return report

    def _refuse_skip(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped or hasattr(report, "wasxfail"):
            return
        message = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longreprtext
        reason = message.removeprefix("Skipped: ")
        if not reason.startswith(self.allowed):
            report.outcome = "failed"
            report.longrepr = f"skipped for a reason that {ALLOWED_SKIPS} does not list: {reason}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and (not report.skipped or hasattr(report, "wasxfail")):
            self.executed += 1

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.OK and self._nothing_ran(session.config):
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        if self._nothing_ran(config):
            terminalreporter.write_line("No test was executed: that counts as a failure.", red=True)

    def _nothing_ran(self, config: pytest.Config) -> bool:
        return self.executed == 0 and not config.option.collectonly
