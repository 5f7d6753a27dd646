"""Turns ``MODULE:FUNCTION`` into a handler of jobs."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import importlib
import inspect
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from casare_rpa.cli.arguments import quoted
from casare_rpa.cli.faults import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from casare_rpa.infrastructure.queue import JobModel


class LeftProgram(Exception):
    """A handler called `sys.exit` or the like. That ends its attempt, not the robot."""


class Handler:
    """Runs one function for jobs: an async one in the event loop, any other in a thread for each job.

    A thread cannot be stopped: when its job is cancelled or runs past its time limit, the function goes on unseen.
    """

    def __init__(self, function: Callable[[JobModel], Any]) -> None:
        self._function = function

    async def __call__(self, job: JobModel) -> Any:
        """Return what the function returns.

        Raises:
            LeftProgram: it tried to end the process.
            Exception: whatever else it raises.

        """
        try:
            return await self._call(job)
        except (SystemExit, KeyboardInterrupt) as error:
            raise LeftProgram(f"the function raised {error!r}") from error

    async def _call(self, job: JobModel) -> Any:
        if _is_async(self._function):
            return await self._function(job)
        answer = await _in_thread(self._function, job)
        return await answer if inspect.isawaitable(answer) else answer  # a decorator may hide that it is async


def load_handler(target: str) -> Handler:
    """Import the module, from the current folder too, and return a handler that calls the function in it.

    Raises:
        BadInput: there is no such module or function, it cannot be imported, or it does not take one job.

    """
    module_name, separator, path = target.partition(":")
    if not (separator and module_name and path):
        raise BadInput(f"{quoted(target)} is not MODULE:FUNCTION, such as robots.invoices:handle")
    function = _find(_import(module_name), path, module_name)
    if not callable(function):
        raise BadInput(f"{quoted(target)} is no function: it is of type {type(function).__name__}")
    _check_parameters(function, path)
    return Handler(function)


def _import(name: str) -> object:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise BadInput(f"there is no module {quoted(error.name)}, neither in {folder} nor installed") from error
        raise BadInput(f"the module {quoted(name)} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:
        raise BadInput(f"the module {quoted(name)} cannot be imported: {type(error).__name__}: {error}") from error


def _find(module: object, path: str, module_name: str) -> Any:
    found = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise BadInput(f"there is no {quoted(path)} in the module {quoted(module_name)}") from None
    return found


def _check_parameters(function: Callable[..., Any], path: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # it is written in C and does not tell
        return
    try:
        signature.bind(None)
    except TypeError:
        raise BadInput(f"{quoted(path)} must take one argument, the job: it is {path}{signature}") from None


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def _in_thread(function: Callable[[JobModel], Any], job: JobModel) -> Any:
    """Call the function in a thread that does not keep the process from ending; `asyncio.to_thread` would wait for it."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    outcome: list[Any] = []
    context = contextvars.copy_context()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    def call() -> None:
        try:
            outcome.extend((context.run(function, job), None))
        except BaseException as error:  # noqa: BLE001 - it is raised where the outcome is awaited
            outcome.extend((None, error))
        with contextlib.suppress(RuntimeError):  # the loop has ended and nobody waits any more
            loop.call_soon_threadsafe(end)

    threading.Thread(target=call, name=f"casare job {job.id}", daemon=True).start()
    await ended
    answer, error = outcome
    if error is not None:
        raise error
    return answer
