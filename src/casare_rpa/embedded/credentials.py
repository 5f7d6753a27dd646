"""Where a cluster is reached and with which password: kept beside its data, so that its URL stays the same."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from casare_rpa.embedded.account import Account
from casare_rpa.embedded.errors import EmbeddedPostgresError
from casare_rpa.embedded.files import write_private

USER = "casare"
DATABASE = "postgres"
FILE = "casare.json"


@dataclass(frozen=True)
class Credentials:
    """A port on 127.0.0.1 and the password of the user `casare` there."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """The URL that any PostgreSQL client takes."""
        return f"postgresql://{USER}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{DATABASE}"

    def __repr__(self) -> str:
        return f"Credentials(port={self.port})"

    def save(self, folder: Path, account: Account) -> None:
        """Keep them in `folder`, readable by `account` alone."""
        write_private(folder / FILE, json.dumps(asdict(self)) + "\n", account)

    @classmethod
    def load(cls, folder: Path) -> "Credentials":
        """Return what was saved in `folder`; raises EmbeddedPostgresError when it cannot be understood."""
        path = folder / FILE
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return cls(port=int(kept["port"]), password=str(kept["password"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EmbeddedPostgresError(
                f"{path} must hold the server's port and password as JSON, but cannot be read: {error!r}"
            ) from error
