"""The plugin for pytest, in sessions of its own as a user would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")
CONFTEST = 'pytest_plugins = ["casare_rpa.testing.plugin"]\n'
ASYNC = """
    import pytest
    from casare_rpa.infrastructure.queue import JobModel, PgQueuerProducer
    from casare_rpa.testing import drain

    MARK

    async def handler(job):
        return job.payload["n"] + 1

    async def test_on_a_database(casare_config):
        async with PgQueuerProducer(casare_config) as producer:
            await producer.enqueue_job(JobModel(workflow="w", payload={"n": 1}))
        [job] = (await drain(casare_config, handler)).completed
        assert job.result == 2

    async def test_each_has_one_of_its_own(casare_config):
        assert (await drain(casare_config, handler)).attempts == 0

    async def test_in_memory(casare_queue):
        async with casare_queue.producer() as producer:
            await producer.enqueue_job(JobModel(workflow="w", payload={"n": 2}))
        assert [job.result for job in (await drain(casare_queue, handler)).completed] == [3]
"""
PLAIN = """
    import asyncio
    from casare_rpa.infrastructure.queue import JobModel, PgQueuerProducer
    from casare_rpa.testing import drain

    async def enqueue_and_drain(config):
        async with PgQueuerProducer(config) as producer:
            await producer.enqueue_job(JobModel(workflow="w"))
            return await drain(producer, lambda job: job.workflow)

    def test_on_a_database(casare_config, casare_database_url):
        assert casare_config.database_url == casare_database_url
        assert [job.result for job in asyncio.run(enqueue_and_drain(casare_config)).completed] == ["w"]

    def test_where_the_server_is(casare_server):
        print("data in", casare_server.data_dir)

    def test_in_memory(casare_queue, caplog):
        assert caplog.records == []
        assert asyncio.run(drain(casare_queue, print)).attempts == 0
"""


def run_pytest(folder, code, *options, conftest=CONFTEST, **variables):
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    (folder / "test_it.py").write_text(textwrap.dedent(code), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_async_tests_in_each_mode(tmp_path, mode, server_in_conftest):
    mark = "pytestmark = pytest.mark.asyncio" if mode == "strict" else ""
    done = run_pytest(
        tmp_path, ASYNC.replace("MARK", mark), "-o", f"asyncio_mode={mode}", *SCOPE, conftest=server_in_conftest
    )
    assert (done.returncode, "3 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_plain_tests_need_no_plugin_for_async_ones_and_leave_no_server_behind(tmp_path):
    done = run_pytest(tmp_path, PLAIN, "-s", "-p", "no:asyncio")
    assert (done.returncode, "3 passed" in done.stdout) == (0, True), done.stdout + done.stderr
    [data] = re.findall(r"data in (.+)", done.stdout)
    assert not Path(data).exists()


def test_without_programs_of_postgresql_a_test_says_what_to_do(tmp_path):
    done = run_pytest(tmp_path, "def test_it(casare_config): pass", *SCOPE, CASARE_PG_BIN=str(tmp_path))
    assert done.returncode == 1
    assert "Failed: casare_server: CASARE_PG_BIN names" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.fixture
def server_in_conftest(server):
    """A conftest with a server of its own, which is ours: starting one takes its time."""
    return f"""{CONFTEST}
import types, pytest

@pytest.fixture(scope="session")
def casare_server():
    return types.SimpleNamespace(url={server.url!r})
"""
