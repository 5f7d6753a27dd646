"""Every file is held to what RECORD says of it, and RECORD to what it may say."""

import os
from pathlib import Path

import pytest

from casare_rpa.infrastructure.queue import BusinessError
from tests.demo.distribution import Distribution, digest_of, row

ANSWER = b"ANSWER = 42\n"


@pytest.fixture
def sample(tmp_path: Path) -> Distribution:
    return Distribution(tmp_path)


def refused(sample: Distribution) -> str:
    with pytest.raises(BusinessError) as caught:
        sample.audit()
    return str(caught.value)


def test_what_verifies_is_counted(sample):
    sample.rows.append("sample/__pycache__/gone.cpython-311.pyc,,")
    assert sample.write().audit() == {
        "name": "sample",
        "version": "1.0",
        "licence": "MIT",
        "files": 2,
        "skipped": 2,
        "bytes": 12,
    }


def test_one_changed_byte_is_found(sample):
    sample.write()
    (sample.lib / "sample/__init__.py").write_bytes(b"ANSWER = 43\n")
    assert refused(sample) == "sample/__init__.py was changed: its sha256 is not the one in RECORD"


def test_an_appended_byte_is_found(sample):
    sample.write()
    (sample.lib / "sample/data").write_bytes(b"x")
    assert refused(sample) == "sample/data has 1 bytes, but RECORD says 0"


def test_a_hash_decides_where_no_size_is_given(sample):
    sample.rows[0] = f"sample/__init__.py,sha256={digest_of(b'other')},"
    sample.write()
    assert "sample/__init__.py was changed" in refused(sample)
    sample.rows[0] = f"sample/__init__.py,sha256={digest_of(ANSWER)},"
    assert sample.write().audit()["files"] == 2


def test_a_file_larger_than_a_chunk(sample):
    sample.files = {"sample/large": os.urandom(3_000_001)}
    sample.__post_init__()
    assert sample.write().audit()["bytes"] == 3_000_001
    with (sample.lib / "sample/large").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    assert "sample/large was changed" in refused(sample)


def test_a_missing_file(sample):
    sample.write()
    (sample.lib / "sample/data").unlink()
    assert refused(sample) == "sample/data is missing: RECORD lists it"


def test_a_folder_in_place_of_a_file(sample):
    sample.write()
    (sample.lib / "sample/data").unlink()
    (sample.lib / "sample/data").mkdir()
    assert refused(sample) == "sample/data is listed in RECORD as a file, but is none"


def test_no_record(sample):
    sample.write(record=False)
    assert "sample-1.0.dist-info has no RECORD" in refused(sample)


def test_a_record_that_lists_nothing(sample):
    sample.rows = ["sample-1.0.dist-info/RECORD,,"]
    sample.write()
    assert "lists no file with a hash" in refused(sample)


@pytest.mark.parametrize(
    "malformed",
    [
        "sample/data",
        "sample/data,sha256=abc",
        "sample/data,sha256=abc,1,1",
        ",sha256=abc,1",
        "sample/data,sha256,1",
        "sample/data,sha256=,1",
        "sample/data,sha256=abc,one",
        "sample/data,sha256=abc,-1",
        'sample/data,"sha256',
    ],
)
def test_a_malformed_row_is_named(sample, malformed):
    sample.rows.insert(1, malformed)
    sample.write()
    message = refused(sample)
    assert "sample-1.0.dist-info/RECORD" in message
    assert "malformed" in message or "cannot be read" in message
    if "cannot be read" not in message:
        assert "line 2" in message


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha224", "shake_128", "crc32", "SHA256"])
def test_a_weak_or_unknown_hash_is_refused(sample, algorithm):
    sample.rows[0] = f"sample/__init__.py,{algorithm}=abc,12"
    sample.write()
    assert f"must be sha256 or better, not '{algorithm}'" in refused(sample)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512", "blake2b"])
def test_a_better_hash_is_taken(sample, algorithm):
    sample.rows[0] = f"sample/__init__.py,{algorithm}={digest_of(ANSWER, algorithm)},12"
    assert sample.write().audit()["files"] == 2


def test_bytes_that_are_no_text(sample):
    sample.write()
    (sample.metadata / "RECORD").write_bytes(b"caf\xe9,sha256=abc,1\n")
    assert "RECORD cannot be read" in refused(sample)


def test_a_script_beside_the_library_belongs_to_it(sample):
    script = sample.root / "bin" / "sample"
    script.parent.mkdir()
    script.write_bytes(b"#!/bin/sh\n")
    sample.rows.append(row("../bin/sample", b"#!/bin/sh\n"))
    assert sample.write().audit()["files"] == 3


@pytest.mark.parametrize("name", ["../../outside", "../lib/../../outside", "..\\..\\outside", "ABSOLUTE"])
def test_a_path_out_of_the_installation_is_refused(tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret")
    sample = Distribution(tmp_path / "installation")
    sample.rows.append(row(str(outside) if name == "ABSOLUTE" else name, b"secret"))
    sample.write()
    assert f"leads out of {sample.root}" in refused(sample)


def test_a_name_that_only_begins_like_the_installation_is_outside(tmp_path):
    (tmp_path / "installation-2").mkdir()
    (tmp_path / "installation-2" / "file").write_bytes(b"secret")
    sample = Distribution(tmp_path / "installation")
    sample.rows.append(row("../../installation-2/file", b"secret"))
    sample.write()
    assert "leads out of" in refused(sample)


def test_backslashes_of_windows(sample):
    sample.rows[0] = row("sample\\__init__.py", b"ANSWER = 42\n")
    assert sample.write().audit()["files"] == 2
    (sample.lib / "sample/__init__.py").write_bytes(b"ANSWER = 43\n")
    assert "sample\\__init__.py was changed" in refused(sample)


@pytest.mark.skipif(os.name == "nt", reason="a backslash is no letter there")
def test_a_backslash_in_a_name(sample):
    sample.files = {"sample\\__init__.py": b"x"}
    sample.__post_init__()
    assert sample.write().audit()["files"] == 1


def test_a_name_with_a_comma(sample):
    sample.files = {"a,b.py": b"x"}
    sample.rows = [row('"a,b.py"', b"x")]
    assert sample.write().audit()["files"] == 1
