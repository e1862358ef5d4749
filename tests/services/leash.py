"""Runs a server that cannot outlive the test run, however that ends.

    python leash.py STOP_SIGNAL GRACE_SECONDS USER COMMAND...

The tests hold the other end of standard input. When it closes, because they are done or because they were
killed, the server gets STOP_SIGNAL, and SIGKILL after GRACE_SECONDS. USER is `-`, or the account that the
server runs under.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import threading


def main(stop: str, grace: str, user: str, command: list[str]) -> int:
    """Run the command until it ends or standard input closes; its exit status is ours."""
    server = _start(command, None if user == "-" else user)

    def follow() -> None:
        while os.read(0, 4096):  # nothing is ever sent: it ends when the other end closes
            pass
        server.send_signal(signal.Signals[stop])
        try:
            server.wait(float(grace))
        except subprocess.TimeoutExpired:
            server.kill()

    threading.Thread(target=follow, daemon=True).start()
    return server.wait()


def _start(command: list[str], user: str | None) -> subprocess.Popen[bytes]:
    if user is None:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)
    group = pwd.getpwnam(user).pw_gid
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, user=user, group=group, extra_groups=[])


if __name__ == "__main__":
    _, stop_signal, grace_seconds, account, *words = sys.argv
    sys.exit(main(stop_signal, grace_seconds, account, words))
