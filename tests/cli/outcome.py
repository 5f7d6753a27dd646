"""How a run of `casare` ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """Exit code, stdout and stderr of one run."""

    code: int
    out: str
    err: str

    def check(self) -> Outcome:
        """Fail on what no run may show."""
        assert "Traceback" not in self.out + self.err
        assert not any(character in self.out + self.err for character in "\x1b\x9b\x07\x00")
        assert self.err == "" or self.err.startswith("casare: "), self.err
        return self

    def done(self) -> str:
        """Return stdout of a run that must have succeeded."""
        assert self.code == 0, self.err
        return self.out

    def json(self) -> Any:
        """Return what stdout of a run that must have succeeded holds as JSON, and nothing else."""
        assert self.err == ""
        return json.loads(self.done())

    def complaint(self, code: int) -> str:
        """Return the one line of a run that must have failed with this exit code, without its beginning."""
        assert (self.code, self.out) == (code, ""), self
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("casare: ").rstrip("\n")
