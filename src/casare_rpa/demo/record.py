"""Verifies the files of an installed distribution against its RECORD: paths, hashes and sizes, as wheels define it."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from casare_rpa.foundation.errors import BusinessError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHUNK = 1 << 20
"""Bytes read at once."""
WEAKEST_DIGEST = 32
"""Bytes: wheels allow sha256 and better, never md5 or sha1."""


@dataclass(frozen=True)
class Entry:
    """A file that RECORD lists with a hash: its name there, where it lies, and what must be in it."""

    name: str
    path: Path
    algorithm: str
    digest: str
    size: int | None


@dataclass(frozen=True)
class Record:
    """What a RECORD lists: the files to verify, and how many it lists without a hash (itself, bytecode)."""

    entries: Sequence[Entry]
    skipped: int


def read_record(metadata: Path, root: Path) -> Record:
    """Return what the RECORD in the folder `metadata` lists; no file of it may lie outside of the folder `root`.

    Raises:
        BusinessError: there is no RECORD, a row of it is malformed, or a path leads out of `root`; it is named.

    """
    entries: list[Entry] = []
    skipped = 0
    for number, row in _rows(metadata):
        where = f"{metadata.name}/RECORD line {number}"
        if len(row) != 3 or not row[0] or "\0" in row[0]:
            raise BusinessError(f"{where} is malformed: it must read path,hash,size, not {','.join(row)[:200]!r}")
        path = _locate(row[0], metadata.parent, root, where)
        if row[1]:
            entries.append(Entry(row[0], path, *_expectation(row, where)))
        else:
            skipped += 1
    if not entries:
        raise BusinessError(f"{metadata.name}/RECORD lists no file with a hash: nothing can be verified")
    return Record(entries, skipped)


def verify_file(entry: Entry) -> int:
    """Read a file, compare its hash and size with what RECORD says, and return its bytes.

    Raises:
        BusinessError: the file is missing or is not what RECORD says; the message names it.

    """
    digest = hashlib.new(entry.algorithm, usedforsecurity=False)
    size = 0
    try:
        if entry.path.exists() and not entry.path.is_file():
            raise BusinessError(f"{entry.name} is listed in RECORD as a file, but is none")
        with entry.path.open("rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except FileNotFoundError:
        raise BusinessError(f"{entry.name} is missing: RECORD lists it") from None
    if entry.size is not None and size != entry.size:
        raise BusinessError(f"{entry.name} has {size} bytes, but RECORD says {entry.size}")
    if encode_digest(digest.digest()) != entry.digest:
        raise BusinessError(f"{entry.name} was changed: its {entry.algorithm} is not the one in RECORD")
    return size


def encode_digest(digest: bytes) -> str:
    """Return a digest as RECORD writes it: URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _rows(metadata: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with (metadata / "RECORD").open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                yield reader.line_num, row
    except (FileNotFoundError, NotADirectoryError):
        raise BusinessError(f"{metadata.name} has no RECORD: nothing says what its files must be") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise BusinessError(f"{metadata.name}/RECORD cannot be read: {error}") from None


def _locate(name: str, base: Path, root: Path, where: str) -> Path:
    """Return where a listed file lies. Wheels made on Windows may list it with backslashes."""
    path = Path(os.path.normpath(base / name))
    if "\\" in name and not path.exists():
        path = Path(os.path.normpath(base / name.replace("\\", "/")))
    if not path.is_relative_to(os.path.normpath(root)):
        raise BusinessError(f"{where} leads out of {root}: {name!r} is refused")
    return path


def _expectation(row: Sequence[str], where: str) -> tuple[str, str, int | None]:
    _, listed, size = row
    algorithm, equals, digest = listed.partition("=")
    if not equals or not digest:
        raise BusinessError(f"{where} is malformed: a hash must read algorithm=digest, not {listed[:100]!r}")
    if algorithm not in hashlib.algorithms_guaranteed or hashlib.new(algorithm).digest_size < WEAKEST_DIGEST:
        raise BusinessError(f"{where}: a hash must be sha256 or better, not {algorithm[:100]!r}")
    if size and not (size.isascii() and size.isdecimal()):
        raise BusinessError(f"{where} is malformed: a size must be a whole number of bytes, not {size[:100]!r}")
    return algorithm, digest, int(size) if size else None
