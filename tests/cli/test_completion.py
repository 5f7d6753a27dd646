"""What a shell is told when somebody presses Tab: commands, options, the words an option takes; and how it learns to ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Casare

HEAVY = ("asyncpg", "casare_rpa.infrastructure.queue", "casare_rpa.demo", "rich.table")


@pytest.fixture
def complete(casare: Casare, monkeypatch: pytest.MonkeyPatch):
    """Ask as bash does: the words of the line, and which of them the cursor is on."""

    async def ask(line: str) -> list[str]:
        monkeypatch.setenv("_CASARE_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        return (await casare()).done().splitlines()

    return ask


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("casare ", {"migrate", "doctor", "work", "demo", "queue", "jobs", "dlq"}),
        ("casare j", {"jobs"}),
        ("casare jobs pri", {"priority"}),
        ("casare queue p", {"pause", "purge"}),
        ("casare dlq re", {"redrive", "resolve"}),
        ("casare jobs list --me", {"--metadata"}),
        ("casare dlq redrive --d", {"--dry-run"}),
        ("casare jobs list --status ", {"PENDING", "CLAIMED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"}),
        ("casare jobs list --status c", {"CLAIMED", "COMPLETED", "CANCELLED"}),
        ("casare dlq list --reason ", {"exhausted", "business", "crashed", "in-doubt", "quarantined"}),
        ("casare dlq list --reason in", {"in-doubt"}),
        ("casare jobs submit w --priority ", {"low", "normal", "high", "urgent", "critical"}),
        ("casare jobs priority h", {"high"}),
        ("casare jobs submit w --on-crash ", {"retry", "hold", "fail"}),
        ("casare sing", set()),
    ],
)
async def test_bash(complete, line: str, words: set[str]) -> None:
    assert set(await complete(line)) - {""} == words


def test_it_asks_no_database_and_imports_nothing_heavy() -> None:
    program = f"""
import sys
from casare_rpa.cli import main
code = main([])
sys.exit(code or [name for name in {HEAVY!r} if name in sys.modules] or 0)
"""
    environment = {
        "_CASARE_COMPLETE": "complete_bash",
        "COMP_WORDS": "casare jobs list --status ",
        "COMP_CWORD": "4",
        "PGQUEUER_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
    }
    completed = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, env={**os.environ, **environment}
    )
    assert (completed.returncode, completed.stderr) == (0, "")
    assert "PENDING" in completed.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "pwsh"])
async def test_every_shell_has_a_script(casare: Casare, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert "_CASARE_COMPLETE" in (await casare("--show-completion", shell)).done()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_installed_bash_completes(tmp_path: Path) -> None:
    assert PROGRAM is not None
    home = {**os.environ, "HOME": str(tmp_path), "PATH": f"{os.path.dirname(PROGRAM)}{os.pathsep}{os.environ['PATH']}"}  # noqa: PTH120
    (tmp_path / ".bashrc").touch()
    installed = subprocess.run(
        ["bash", "--norc", "-c", "casare --install-completion; true"],
        env=home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "bash completion installed in" in installed.stdout, installed
    typed = "COMP_WORDS=(casare dlq g); COMP_CWORD=2; _casare_completion casare"
    asked = f"source ~/.bashrc; {typed}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    completed = subprocess.run(["bash", "--norc", "-c", asked], env=home, capture_output=True, text=True, check=True)
    assert completed.stdout == "groups\n", completed
