"""Starting: `import headrace` over a bare interpreter, and `headrace --help`."""

from __future__ import annotations

from bench.experiment import Experiment, Goal, Side, Size

CALLS = 10


def experiments(_size: Size) -> tuple[Experiment, ...]:
    """The same at every size."""
    bare = Side("python", "bench.startup:bare", calls=CALLS)
    imported = Side("import headrace", "bench.startup:imported", calls=CALLS, ours=True)
    helped = Side("headrace --help", "bench.startup:helped", calls=CALLS, ours=True)
    return (
        Experiment(
            "startup",
            "`import headrace` over a bare interpreter; `headrace --help`",
            (bare, imported, helped),
            (
                Goal("at first", imported.name, 0.15, (bare.name,), over=True),
                Goal("must end", imported.name, 0.05, (bare.name,), over=True),
                Goal("at first", helped.name, 0.4),
                Goal("must end", helped.name, 0.2),
            ),
        ),
    )
