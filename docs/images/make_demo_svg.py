# ruff: noqa: INP001 - a script among pictures
"""Makes demo.svg anew: runs `casare demo` in a terminal of its own and draws what stands on the screen at its end.

python docs/images/make_demo_svg.py
"""

import io
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from fcntl import ioctl
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from termios import TIOCSWINSZ

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 112, 60
PICTURE = Path(__file__).with_name("demo.svg")

_PART = re.compile(r"\x1b\[(?P<arguments>[0-9;?]*)(?P<command>[A-Za-z])|(?P<character>.)", re.DOTALL)
# Without the fonts that a reader's browser would have to fetch from elsewhere.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> None:
    screen = screen_after(run_in_terminal([str(Path(sys.executable).with_name("casare")), "demo"]))
    while not screen[-1]:
        screen.pop()
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text("$ casare demo"))
    for line in screen:
        console.print(Text.from_ansi(line), soft_wrap=True)
    PICTURE.write_text(console.export_svg(title="casare demo", code_format=_FORMAT, unique_id="demo"), encoding="utf-8")


def run_in_terminal(command: list[str]) -> str:
    """Run a command in a new pseudo-terminal and return all that it wrote there."""
    ours, theirs = pty.openpty()
    ioctl(theirs, TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": str(ROWS)}
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
        )
        os.close(theirs)
        written = b""
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:  # the other side was closed
            pass
        if process.wait() != 0:
            sys.exit(f"the demo ended with exit code {process.returncode}:\n{written.decode(errors='replace')}")
    return written.decode()


def screen_after(written: str) -> list[str]:
    """Return the lines that stand on a terminal's screen in the end, with their colours."""
    lines: list[list[tuple[str, str]]] = [[]]
    row, column, colour = 0, 0, ""
    for part in _PART.finditer(written):
        match part["command"], part["character"]:
            case "m", _:
                colour = "" if part["arguments"] in {"", "0"} else colour + part.group()
            case "A", _:
                row = max(0, row - int(part["arguments"] or 1))
            case "K", _:
                lines[row] = []
            case None, "\r":
                column = 0
            case None, "\n":
                row += 1
                lines += [[] for _ in range(row + 1 - len(lines))]
            case None, character:
                cells = lines[row]
                cells += [("", " ")] * (column + 1 - len(cells))
                cells[column] = (colour, character)
                column += 1
    return ["".join(map(painted, groupby(cells, key=itemgetter(0)))) for cells in lines]


def painted(group: tuple[str, Iterable[tuple[str, str]]]) -> str:
    colour, cells = group
    text = "".join(character for _, character in cells)
    return f"{colour}{text}\x1b[0m" if colour else text


main()
