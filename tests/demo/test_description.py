"""Name, version and licence, from the better of the places where distributions say them."""

import pytest

from casare_rpa.demo.description import describe
from casare_rpa.infrastructure.queue import BusinessError
from tests.demo.distribution import Distribution

NAMED = "Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n"


def said(folder, about):
    return describe(Distribution(folder, about=about).write().metadata)


@pytest.mark.parametrize(
    ("about", "licence"),
    [
        ("", ""),
        ("License-Expression: MIT\nLicense: BSD\n", "MIT"),
        ("License: BSD\nClassifier: License :: OSI Approved :: MIT License\n", "BSD"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        (
            "Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: Public Domain\n",
            "MIT License; Public Domain",
        ),
        ("License: Copyright X\n  Permission is granted\nClassifier: License :: Y\n", "Y"),
        ("License: Copyright X\n  Permission is granted\n", "Copyright X"),
        ("License: two   words\n", "two words"),
        (f"License: {'long ' * 100}\n", ("long " * 100)[:200]),
    ],
)
def test_licence(tmp_path, about, licence):
    assert said(tmp_path, NAMED + about) == {"name": "sample", "version": "1.0", "licence": licence}


@pytest.mark.parametrize(
    ("about", "message"),
    [
        (None, "sample-1.0.dist-info has no METADATA"),
        ("Version: 1.0\n", "METADATA has no Name"),
        ("Name: sample\n", "METADATA has no Version"),
    ],
)
def test_what_does_not_say_what_it_is(tmp_path, about, message):
    with pytest.raises(BusinessError, match=message):
        said(tmp_path, about)
