"""`casare dlq edit`: another payload for a dead letter, from the command line, a file, or the person's editor."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from casare_rpa.cli import arguments
from casare_rpa.cli.confirm import can_ask
from casare_rpa.cli.faults import BadInput, CommandFailed
from casare_rpa.cli.options import Comment, JobId
from casare_rpa.cli.output import note
from casare_rpa.cli.session import ask

if TYPE_CHECKING:
    from casare_rpa.infrastructure.queue import JobModel


def edit(
    job_id: JobId,
    payload: Annotated[
        str | None, typer.Option(metavar="JSON", help="The new payload, a JSON object.", show_default=False)
    ] = None,
    payload_file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read it from a UTF-8 file; - is stdin.", show_default=False)
    ] = None,
    comment: Comment = None,
) -> None:
    """Give a dead letter another payload.

    To redrive it then, for example. On a terminal, without --payload and --payload-file, the editor in VISUAL or EDITOR opens
    it. What was there before stays in the job's actions.
    """
    key = arguments.job_id(job_id)
    if payload is not None or payload_file is not None:
        new = arguments.payload(payload, payload_file)
    elif can_ask():
        letter = ask(lambda producer: producer.get_job(key))
        if letter.dead_letter_reason is None:
            raise CommandFailed(f"job {key} is {letter.status.value}, not a dead letter")
        new = _edited(letter)
        if new == letter.payload:
            note("the payload is as it was: nothing was changed")
            return
    else:
        raise BadInput("give --payload or --payload-file: there is no terminal to edit it on")
    ask(lambda producer: producer.edit_payload(key, new, comment=comment))


def _edited(letter: "JobModel") -> dict[str, Any]:
    """Let the person edit the payload and return what became of it; what cannot be read stays in its file."""
    from casare_rpa.cli.views import pretty  # noqa: PLC0415 - help must not wait for it

    descriptor, name = tempfile.mkstemp(prefix=f"casare-{letter.id}-", suffix=".json")
    file = Path(name)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f"{pretty(letter.payload)}\n")
    _open_editor(file)
    try:
        new = arguments.payload(None, name)
    except BadInput as error:
        raise BadInput(f"{error}; what you wrote is in {file}") from None
    file.unlink()
    return new


def _open_editor(file: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if os.name == "nt" else "vi")
    try:
        code = subprocess.run([*shlex.split(editor, posix=os.name != "nt"), str(file)], check=False).returncode
    except OSError as error:
        raise CommandFailed(f"the editor {arguments.quoted(editor)} cannot be started: {error.strerror}") from None
    if code != 0:
        raise CommandFailed(f"the editor {arguments.quoted(editor)} ended with exit code {code}: nothing was changed")
