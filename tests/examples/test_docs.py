"""Every code block of the README and the guides is run, in the order in which it is read.

The blocks of a page share one database and one folder. Python blocks share their names, may await, and find `config`,
`producer` and `connection` (asyncpg's) there; one whose first line is a file's name is written to that file.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests.examples.blocks import DOCUMENTS, PAGES, ROOT, blocks_of
from tests.examples.shell import Terminal, terminal
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.examples.blocks import Block

RUN = {"bash", "python", "sql"}
SHOWN = {"text", "mermaid"}
BUILT = {"{eval-rst}", "{sql-functions}", "{toctree}"}
"""What `make docs` turns into text; a warning there fails `make check`."""


def languages(page: Path) -> set[str]:
    return {block.language for block in blocks_of(page)}


@pytest.fixture
async def no_new_roles(connection):
    """Roles belong to the whole server: those that a page makes go with it."""
    before = await roles(connection)
    yield
    await connection.reset()  # a page that failed may have left a transaction open
    for role in await roles(connection) - before:
        await connection.execute(f'DROP OWNED BY "{role}"')
        await connection.execute(f'DROP ROLE "{role}"')


@pytest.mark.usefixtures("no_new_roles")
@pytest.mark.parametrize("page", [page for page in PAGES if languages(page) & RUN], ids=lambda page: page.stem)
async def test_the_blocks_of_a_page_do_what_it_says(
    page, tmp_path, database_url, config, producer, connection, monkeypatch
):
    monkeypatch.setenv("PGQUEUER_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"config": config, "producer": producer, "connection": connection}
    with terminal(tmp_path, database_url) as shell:
        for block in blocks_of(page):
            match block.language:
                case "bash":
                    await asyncio.to_thread(shell.type, block)
                case "sql":
                    await run_sql(connection, block)
                case "python":
                    await run_python(block, names, shell)
        if shell.has_robots:
            await eventually(lambda: all_worked_off(connection), why=f"the robots of {page.name} have done their jobs")
            assert await connection.fetchval("SELECT count(*) FROM pgqueuer.job_history WHERE status = 'COMPLETED'") > 0
        await asyncio.to_thread(shell.close)


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_what_it_is(page):
    known = SHOWN | BUILT | (RUN if page in PAGES else set())
    assert [(block.line, block.language) for block in blocks_of(page) if block.language not in known] == []


def test_something_of_each_kind_is_run():
    assert set().union(*map(languages, PAGES)) >= RUN


async def run_python(block: Block, names: dict[str, Any], shell: Terminal) -> None:
    where = f"{block.page.relative_to(ROOT)}, block at line {block.line}"
    code = compile(block.code, where, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if block.file_name:
        (shell.folder / block.file_name).write_text(block.code, encoding="utf-8")
    elif code.co_flags & inspect.CO_COROUTINE:
        await eval(code, names)  # noqa: S307 - the page's own code is what is tested
    else:
        await asyncio.to_thread(exec, code, names)  # it may block, or have a loop of its own


async def run_sql(connection: asyncpg.Connection, block: Block) -> None:
    try:
        await connection.execute(block.code)
    except asyncpg.PostgresError as error:
        pytest.fail(f"{block.page.name}:{block.line}: {error}\n{block.code}")


async def all_worked_off(connection: asyncpg.Connection) -> bool:
    left: int = await connection.fetchval("SELECT count(*) FROM pgqueuer.jobs WHERE NOT deferred")
    return left == 0


async def roles(connection: asyncpg.Connection) -> set[str]:
    return {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
