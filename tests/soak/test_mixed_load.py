"""What `make soak` does for minutes, for some seconds."""

from __future__ import annotations

import pytest

from tests.soak.__main__ import run


@pytest.mark.parametrize("with_redis", [False, True])
def test_no_answer_is_wrong_while_all_changes(*, with_redis: bool) -> None:
    told, wrong = run(6.0, 2, seed=1, with_redis=with_redis, measured=False)
    print(*told, sep="\n")  # noqa: T201
    assert not wrong
