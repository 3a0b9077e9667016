"""A siege of the sandbox, of any length: ``python -m tests.siege --seconds 60 --jobs 2``.

Prints counts of what ran and, for each hit, the seed and the statement: ``--seed`` with that seed
runs it again. Exits with 1 when there was a hit.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import duckdb

from tests.siege import campaign

#: Of hits that look the same, so many are shown.
_SHOWN = 5


def main() -> int:
    """Besiege for the seconds given; return 1 when anything got through."""
    parser = argparse.ArgumentParser(prog="python -m tests.siege", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--calls", action="store_true", help="call every function instead")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="siege-") as folder:
        plans = campaign.numbered(
            options.seed,
            source="calls" if options.calls else "seeds",
            seconds=options.seconds,
            jobs=options.jobs,
        )
        result = campaign.run(Path(folder), plans)
    took = time.monotonic() - started
    alike: Counter[str] = Counter()
    for hit in result.hits:
        alike[kind := ", ".join(trace.split(":")[0] for trace in hit["traces"])] += 1
        if alike[kind] <= _SHOWN:
            print(*campaign.described([hit]), sep="\n")
    slow = [line for line in result.told if not line["traces"]]
    for line in sorted(slow, key=lambda line: -float(line["seconds"]))[:_SHOWN]:
        print(f"{line['seconds']:.1f} s:", *campaign.described([line]))
    counts = ", ".join(f"{result.counts[name]:,} {name}" for name in campaign.VERDICTS)
    print(
        f"DuckDB {duckdb.__version__}: {result.statements:,} statements in {took:.0f} s, "
        f"{result.statements / took:.0f}/s, {result.parse_rate:.0%} parse\n{counts}\n"
        f"{len(result.hits)} hits {dict(alike) or ''}"
    )
    return bool(result.hits)


if __name__ == "__main__":
    sys.exit(main())
