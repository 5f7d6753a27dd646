"""Starts a PostgreSQL to try things on, and prints its URL in a line for the shell. Enter or Ctrl-C stops it.

python examples/database.py            its data is thrown away at the end
python examples/database.py FOLDER     its data stays in FOLDER, and the URL stays the same
"""

import contextlib
import sys

from casare_rpa.embedded import EmbeddedPostgres


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    with EmbeddedPostgres(data_dir=folder) as server:
        print(f"export PGQUEUER_DATABASE_URL={server.url}", flush=True)
        print("Enter or Ctrl-C stops it.", file=sys.stderr)
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            input()


main()
