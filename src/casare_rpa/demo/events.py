"""What happens to the jobs on the way: a robot is killed, a job is cancelled, a dead letter is mended and redriven."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casare_rpa.demo.broken import mend
from casare_rpa.demo.errors import PromiseBrokenError
from casare_rpa.infrastructure.queue import JobFilter, JobStatus

if TYPE_CHECKING:
    from uuid import UUID

    from casare_rpa.demo.course import Course
    from casare_rpa.demo.installed import Installed


async def kill_its_robot(course: Course, job_id: UUID) -> str:
    """Kill the robot that runs a job, while it runs it, and return the robot's name.

    Raises:
        PromiseBrokenError: the job was over before; by the database's word nothing was held at the kill.

    """
    robot = await course.until(lambda: _runner(course, job_id), "a robot runs the job that lasts")
    course.fleet.kill(robot)
    running = await course.producer.list_jobs(JobFilter(status=JobStatus.RUNNING), limit=1000)
    held = [job for job in running if job.claimed_by == robot]
    course.screen.step(f"{robot} was killed (SIGKILL) while it held {len(held)} jobs")
    if job_id not in {job.id for job in held}:
        raise PromiseBrokenError(f"{robot} no longer held its job when it was killed")
    return robot


async def cancel_running(course: Course, job_id: UUID, killed: str) -> None:
    """Cancel a job while a robot other than the killed one runs it, and wait until it is cancelled."""

    async def runner() -> str | None:
        robot = await _runner(course, job_id)
        return robot if robot != killed else None

    robot = await course.until(runner, "a living robot runs the job that is to be cancelled")
    if not await course.producer.cancel_job(job_id):
        raise PromiseBrokenError("the job that was to be cancelled had ended already")
    await course.until(lambda: _is(course, job_id, JobStatus.CANCELLED), "the job is cancelled")
    course.screen.step(f"a job was cancelled while {robot} ran it")


async def mend_and_redrive(course: Course, job_id: UUID, broken: Installed) -> None:
    """Wait until the broken distribution is a dead letter, mend it, and put its job back."""
    await course.until(lambda: _is(course, job_id, JobStatus.FAILED), "the broken distribution is a dead letter")
    job = await course.producer.get_job(job_id)
    course.screen.step(f"{broken.title} went to the dead letters: {job.error}")
    mend(broken)
    if await course.producer.redrive_jobs([job_id]) != [job_id]:
        raise PromiseBrokenError(f"{broken.title} could not be redriven")
    course.screen.step(f"{broken.title} was mended and redriven")


async def check_taken_over(course: Course, job_id: UUID, killed: str) -> None:
    """See to it that another robot completed the job which the killed one held.

    Raises:
        PromiseBrokenError: the killed robot's attempt did not run out, or the job was not completed by another.

    """
    job = await course.producer.get_job(job_id)
    attempts = await course.producer.get_attempts(job_id)
    if ("expired", killed) not in {(attempt.outcome, attempt.robot) for attempt in attempts}:
        raise PromiseBrokenError(f"the visibility timeout of what {killed} held never ran out")
    if job.status != JobStatus.COMPLETED or job.claimed_by == killed:
        raise PromiseBrokenError(f"what {killed} held was not completed by another robot: it is {job.status.value}")
    course.screen.step(f"{job.claimed_by} took over what {killed} held, when its visibility timeout had run out")


async def _runner(course: Course, job_id: UUID) -> str | None:
    job = await course.producer.get_job(job_id)
    return job.claimed_by if job.status == JobStatus.RUNNING else None


async def _is(course: Course, job_id: UUID, status: JobStatus) -> bool:
    return await course.producer.get_job_status(job_id) == status
