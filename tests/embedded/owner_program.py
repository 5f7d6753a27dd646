"""A program that owns a server: it says where the server is, and then does what it reads.

Usage: owner_program.py ARGUMENTS, the arguments of EmbeddedPostgres as JSON.
"""

import json
import os
import signal
import sys
import time

from casare_rpa.embedded import EmbeddedPostgres, EmbeddedPostgresError


def main() -> None:
    arguments = json.loads(sys.argv[1])
    fork = arguments.pop("fork", None)
    say(starting=os.getpid())
    if arguments.pop("exit_without_stop", False):
        server = EmbeddedPostgres(**arguments)
        server.start()
        say(data_dir=str(server.data_dir))
        return
    try:
        with EmbeddedPostgres(**arguments) as server:
            signal.signal(signal.SIGINT, say_interrupted)
            child = fork_child(fork) if fork else None
            say(
                url=server.url, data_dir=str(server.data_dir), bin_dir=str(server.bin_dir), uid=os.getuid(), child=child
            )
            follow_orders()
    except EmbeddedPostgresError as error:
        say(error=str(error))
    say(stopped=True)


def follow_orders() -> None:
    while sys.stdin.readline().strip() not in {"stop", ""}:
        pass


def say_interrupted(*_: object) -> None:
    os.write(1, b'{"interrupted": true}\n')  # print may be at work just now


def fork_child(then: str) -> int:
    pid = os.fork()
    if pid == 0 and then == "leave":
        sys.exit()  # through the with statement of its parent
    if pid == 0:
        time.sleep(600)  # until the test ends it
        os._exit(0)
    if then == "leave":
        os.waitpid(pid, 0)
    return pid


def say(**words: object) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main()
