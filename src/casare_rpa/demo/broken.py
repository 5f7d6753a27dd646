"""Makes a distribution whose RECORD does not fit, and mends it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from casare_rpa.demo.installed import Installed
from casare_rpa.demo.record import encode_digest

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "casare_demo_broken.py"


def make_broken(folder: Path) -> Installed:
    """Make a distribution below `folder`, one file of which was changed after its RECORD was written."""
    metadata = folder / "casare_demo_broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: casare-demo-broken\nVersion: 1.0\nLicense-Expression: 0BSD\n", encoding="utf-8"
    )
    (folder / MODULE).write_text("ANSWER = 42\n", encoding="utf-8")
    made = Installed(metadata.stem, metadata, folder)
    mend(made)
    (folder / MODULE).write_text("ANSWER = 41\n", encoding="utf-8")
    return made


def mend(broken: Installed) -> None:
    """Write the RECORD that fits the files as they are."""
    rows = []
    for file in (broken.root / MODULE, broken.metadata / "METADATA"):
        content = file.read_bytes()
        digest = encode_digest(hashlib.sha256(content).digest())
        rows.append(f"{file.relative_to(broken.root).as_posix()},sha256={digest},{len(content)}\n")
    rows.append(f"{broken.metadata.name}/RECORD,,\n")
    (broken.metadata / "RECORD").write_text("".join(rows), encoding="utf-8")
