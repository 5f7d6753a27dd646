from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

ONE_SKIP_AMONG_TWO = """
    import pytest

    def test_works():
        pass

    @pytest.mark.skip(reason="the moon is full, day 3")
    def test_waits():
        pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run pytest with the plugin over one test module and a list of allowed reasons."""

    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(module: str, *, allowed: str | None = None, strict: str | None = "1") -> pytest.RunResult:
        if strict is None:
            monkeypatch.delenv("CASARE_STRICT_SKIPS", raising=False)
        else:
            monkeypatch.setenv("CASARE_STRICT_SKIPS", strict)
        pytester.makepyprojecttoml("[tool.pytest.ini_options]")
        pytester.makepyfile(test_module=module)
        if allowed is not None:
            pytester.mkdir("tests").joinpath("allowed-skips.txt").write_text(allowed, encoding="utf-8")
        return pytester.runpytest_inprocess("-ra", "-p", "tests.plugins.skips")

    return run


@pytest.mark.parametrize("strict", [None, "", "0"])
def test_skips_pass_where_nobody_asked_to_be_strict(run, strict) -> None:
    result = run(ONE_SKIP_AMONG_TWO, strict=strict)
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_skip_that_is_not_listed_fails_and_says_why(run) -> None:
    result = run(ONE_SKIP_AMONG_TWO, allowed="# The moon cannot be helped.\nthe sun is low\n")
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*does not list: the moon is full, day 3"])


def test_a_skip_whose_reason_begins_as_listed_passes(run) -> None:
    result = run(ONE_SKIP_AMONG_TWO, allowed="# About this file.\n\n# The moon cannot be helped.\nthe moon is full\n")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_skip_from_within_a_test_fails_too(run) -> None:
    result = run("import pytest\ndef test_works(): pass\ndef test_gives_up(): pytest.skip('too dark')")
    result.assert_outcomes(passed=1, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_skipped_module_fails_and_lets_the_others_run(run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_absent="import pytest\npytest.importorskip('no_such_module')\ndef test_never(): pass")
    result = run("def test_works(): pass")
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*does not list: could not import 'no_such_module'*"])


def test_an_expected_failure_is_no_skip(run) -> None:
    result = run("import pytest\n@pytest.mark.xfail(reason='known')\ndef test_fails(): assert False")
    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.OK


def test_a_run_of_allowed_skips_alone_fails(run) -> None:
    result = run("import pytest\ndef test_gives_up(): pytest.skip('too dark')", allowed="# Night.\ntoo dark\n")
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["No test was executed*"])


def test_a_listed_reason_needs_its_comment(run) -> None:
    result = run(ONE_SKIP_AMONG_TWO, allowed="# About this file.\n\nthe moon is full\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*allowed-skips.txt:3: 'the moon is full' needs a comment*"])
