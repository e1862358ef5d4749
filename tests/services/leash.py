"""Runs a server that cannot outlive the test run, however that ends.

    python leash.py STOP_SIGNAL GRACE_SECONDS USER COMMAND...

The tests hold the other end of standard input. When it closes, because they are done or because they were
killed, the server gets STOP_SIGNAL, and SIGKILL after GRACE_SECONDS. USER is `-`, or the account that the
server runs under.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(stop: str, grace: str, user: str, command: list[str]) -> int:
    """Run the command until it ends or standard input closes; its exit status is ours."""
    account = {} if user == "-" else {"user": user, "group": _group_of(user), "extra_groups": []}
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, **account)

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


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4], sys.argv[4:]))
