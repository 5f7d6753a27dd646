"""Makes distributions as an installer leaves them, written independently of the code that verifies them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from casare_rpa.demo.audit import Order, audit

if TYPE_CHECKING:
    from pathlib import Path

METADATA = "Metadata-Version: 2.4\nName: sample\nVersion: 1.0\nLicense-Expression: MIT\n"


def digest_of(content: bytes, algorithm: str = "sha256") -> str:
    return base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).decode().rstrip("=")


def row(name: str, content: bytes) -> str:
    return f"{name},sha256={digest_of(content)},{len(content)}"


@dataclass
class Distribution:
    """A distribution in `root`/lib; tests change its files, its `rows` or its `about`, then write and audit it."""

    root: Path
    files: dict[str, bytes] = field(
        default_factory=lambda: {"sample/__init__.py": b"ANSWER = 42\n", "sample/data": b""}
    )
    about: str | None = METADATA
    rows: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = [row(name, content) for name, content in self.files.items()]
        self.rows.append("sample-1.0.dist-info/RECORD,,")

    @property
    def lib(self) -> Path:
        return self.root / "lib"

    @property
    def metadata(self) -> Path:
        return self.lib / "sample-1.0.dist-info"

    def write(self, *, record: bool = True) -> Distribution:
        self.metadata.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = self.lib / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if self.about is not None:
            (self.metadata / "METADATA").write_text(self.about, encoding="utf-8")
        if record:
            (self.metadata / "RECORD").write_text("".join(f"{row}\n" for row in self.rows), encoding="utf-8")
        return self

    def audit(self) -> dict[str, Any]:
        return audit(Order(metadata=self.metadata, root=self.root), Event())
