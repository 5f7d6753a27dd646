"""Doing something to jobs that are named, or to all that match: first what it would be, then, when that is wanted, the deed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from casare_rpa.cli import arguments
from casare_rpa.cli.confirm import can_ask, confirmed
from casare_rpa.cli.faults import BAD_INPUT, BadInput, CommandFailed
from casare_rpa.cli.output import note, print_json, say
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from casare_rpa.cli.selection import Selection
    from casare_rpa.infrastructure.queue import BulkResult, JobFilter, PgQueuerProducer

    Act = Callable[[PgQueuerProducer, JobFilter, bool], Awaitable[BulkResult]]

_CHUNK = 1000
"""Jobs in one call: a result names no more ids."""
_EXPLAINED = 5


class Verb(NamedTuple):
    """How a deed is called: to be done, done, and the only jobs it can be done to; whether it cannot be undone."""

    infinitive: str
    done: str
    fitting: str
    for_good: bool = False


class How(NamedTuple):
    """What was typed about how to do it."""

    everything: bool
    dry_run: bool
    yes: bool
    as_json: bool


def act_on(verb: Verb, ids: Sequence[str] | None, where: Selection, how: How, act: Act, **everything: Any) -> int:
    """Act on the jobs with these ids, or on all that match, and return the exit code.

    What is named by id is done at once, unless it is `for_good`. For the rest a person is asked first; where there is nobody to
    ask, `--yes` must say so, and else nothing is done.

    Args:
        verb: what is done.
        ids: the jobs; None or empty means those that match.
        where: the filter.
        how: dry run or not, asked or not.
        act: does it, or counts what it would do.
        everything: the filter's keys that mean all jobs this can be done to.

    """
    keys = [arguments.job_id(text) for text in dict.fromkeys(ids or ())]
    if keys and (where.is_given or how.everything):
        raise BadInput(f"name the jobs to {verb.infinitive}, or give a filter, not both")
    if not keys and not where.is_given and not how.everything:
        raise BadInput(
            f"say what to {verb.infinitive}: name jobs by their ids, give a filter such as --queue, or say --all"
        )
    filters = _filters_of(keys) if keys else [where.job_filter(**({} if where.is_given else everything))]
    if not how.dry_run and not how.yes and (verb.for_good or not keys):
        code = _ask_first(verb, filters, act, how)
        if code is not None:
            return code
    result = _do(filters, act, dry_run=how.dry_run)
    _show(verb, result, how, named=bool(keys) and not how.dry_run)
    fitting = set(result.ids)
    if left := [key for key in keys if key not in fitting]:
        raise CommandFailed(ask(lambda producer: _explain(producer, left, verb)))
    return 0


def _filters_of(keys: list[UUID]) -> list[JobFilter]:
    from casare_rpa.infrastructure.queue import JobFilter  # noqa: PLC0415 - help must not wait for it

    return [JobFilter(ids=keys[start : start + _CHUNK]) for start in range(0, len(keys), _CHUNK)]


def _do(filters: list[JobFilter], act: Act, *, dry_run: bool) -> BulkResult:
    async def converse(producer: PgQueuerProducer) -> list[BulkResult]:
        return [await act(producer, where, dry_run) for where in filters]

    results = ask(converse)
    ids = [job_id for result in results for job_id in result.ids]
    return results[0].model_copy(update={"count": sum(result.count for result in results), "ids": ids})


def _ask_first(verb: Verb, filters: list[JobFilter], act: Act, how: How) -> int | None:
    """Say how many it would be; return the exit code if it is not to be done."""
    would = _do(filters, act, dry_run=True)
    if would.count == 0:
        return None  # and nothing will be
    if can_ask():
        if confirmed(f"{would.count} would be {verb.done}. Do it?"):
            return None
        note("nothing was done")
        return 0
    _show(verb, would, how, named=False)
    note("nothing was done: say --yes to do it")
    return BAD_INPUT


def _show(verb: Verb, result: BulkResult, how: How, *, named: bool) -> None:
    if how.as_json:
        print_json(result.model_dump(mode="json"))
        return
    for job_id in result.ids:
        say(str(job_id))
    if not named:
        would = "would be " if result.dry_run else ""
        some = f"; the first {len(result.ids)} are named" if result.count > len(result.ids) else ""
        note(f"{result.count} {would}{verb.done}{some}")


async def _explain(producer: PgQueuerProducer, left: list[UUID], verb: Verb) -> str:
    """Say of jobs that nothing could be done to what they are."""
    from casare_rpa.infrastructure.queue import JobNotFound  # noqa: PLC0415 - help must not wait for it

    words: list[str] = []
    for key in left[:_EXPLAINED]:
        try:
            job = await producer.get_job(key)
        except JobNotFound as error:
            words.append(str(error))
        else:
            words.append(f"job {key} is {job.status.value}, not {verb.fitting}")
    more = f"; and {len(left) - _EXPLAINED} more" if len(left) > _EXPLAINED else ""
    return f"not {verb.done}: {'; '.join(words)}{more}"
