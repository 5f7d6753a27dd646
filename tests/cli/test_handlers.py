"""What `casare work` makes of ``MODULE:FUNCTION``: a handler for a consumer, or a complaint."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from casare_rpa.cli.handlers import load_handler
from casare_rpa.infrastructure.queue import JobModel, PgQueuerConsumer

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import PgQueuerProducer, QueueConfig
    from tests.cli.conftest import Casare

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _in_their_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "robots", raising=False)


@pytest.mark.parametrize(
    ("function", "status", "left"),
    [
        ("robot", "COMPLETED", "object 7"),
        ("robot.work", "COMPLETED", "method 7"),
        ("part", "COMPLETED", "part 7"),
        ("hidden", "COMPLETED", "hidden 7"),
        ("fail", "PENDING", "ValueError: the system was down"),
        ("refuse", "FAILED", "BusinessError: bad data \x1b[31m"),
        ("leave", "PENDING", "LeftProgram: the function raised SystemExit(3)"),
        ("leave_async", "PENDING", "LeftProgram: the function raised SystemExit(3)"),
        ("stop_iteration", "PENDING", "RuntimeError: coroutine raised StopIteration"),
    ],
)
async def test_how_functions_end(
    producer: PgQueuerProducer, config: QueueConfig, function: str, status: str, left: Any
) -> None:
    job_id = await producer.enqueue_job(JobModel(workflow="w", payload={"n": 7}, retry_delay=1000))
    handler = load_handler(f"robots:{function}")
    async with PgQueuerConsumer(config, "robot-1") as consumer:
        called = asyncio.Event()

        async def handle(job: JobModel) -> Any:
            try:
                return await handler(job)
            finally:
                called.set()

        working = asyncio.create_task(consumer.run(handle))
        async with asyncio.timeout(10):
            await called.wait()
        await consumer.stop()
        await working
    job = await producer.get_job(job_id)
    assert job.status.value == status
    assert job.attempt == 1
    shown = job.result if status == "COMPLETED" else (job.error or "").splitlines()[0]
    assert shown == left


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("no_such_module:f", f'there is no module "no_such_module", neither in {HERE} nor installed'),
        ("robots.deeper:f", 'there is no module "robots.deeper"'),
        ("robots:no_such", 'there is no "no_such" in the module "robots"'),
        ("robots:robot.no_such", 'there is no "robot.no_such" in the module "robots"'),
        ("robots:number", '"robots:number" is no function: it is of type int'),
        ("robots:takes_nothing", '"takes_nothing" must take one argument, the job: it is takes_nothing() -> '),
        ("robots:takes_two", '"takes_two" must take one argument'),
        ("unfinished:f", 'the module "unfinished" cannot be imported: SyntaxError: '),
        ("needy:f", "the module \"needy\" cannot be imported: No module named 'absent'"),
        ("leaving:f", 'the module "leaving" cannot be imported: SystemExit: 3'),
        (".relative:f", 'the module ".relative" cannot be imported: TypeError'),
        ("robots:", '"robots:" is not MODULE:FUNCTION'),
        (":f", '":f" is not MODULE:FUNCTION'),
    ],
)
async def test_no_function(
    casare: Casare, database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str, complaint: str
) -> None:
    for name, text in (("unfinished", "def f(:"), ("needy", "import absent"), ("leaving", "raise SystemExit(3)")):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert complaint in (await casare("work", target)).complaint(2)
