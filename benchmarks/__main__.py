"""The command line: ``python -m benchmarks``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.case import CASES
from benchmarks.cases import load_all
from benchmarks.report import SECTIONS, Section, machine, report
from benchmarks.rounds import run_rounds


def main() -> None:
    """Measure what the command line asks for, print the tables and write them down."""
    options = _options()
    load_all()
    command = f"python -m benchmarks --rows {options.rows} --repeat {options.repeat}"
    if options.only:
        command += f" --only {','.join(section.name for section in options.only)}"
    parts = [
        "# Benchmarks\n",
        f"`{command}`\n",
        f"{machine()}.\n",
        f"Each row is the median of {options.repeat} runs, each in a process of its own, taking "
        "turns with the other rows. The ratios are of time per row, between runs of the same "
        "round. Peak memory is that of the whole process, the interpreter and imports included.\n",
    ]
    print("\n".join(parts))
    for section in options.only or SECTIONS:
        lacking = section.lacking()
        if lacking is None:
            parts.append(_measured(section, options))
        else:
            parts.append(f"{section.title}: left out, {lacking}\n")
        print(parts[-1])
    if options.out:
        options.out.write_text("\n".join(parts), encoding="utf-8")


def _measured(section: Section, options: argparse.Namespace) -> str:
    cases = [case for case in CASES.values() if case.section == section.name]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
        shared = Path(folder) / "shared"
        shared.mkdir()
        trials = run_rounds(cases, options.rows, options.repeat, shared, options.timeout, _tell)
    return report(section, trials)


def _tell(line: str) -> None:
    print(line.strip(), file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="events per run (%(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (%(default)s)")
    names = ",".join(section.name for section in SECTIONS)
    parser.add_argument("--only", type=_sections, help=f"sections, of {names}")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    parser.add_argument(
        "--timeout", type=float, default=1800, help="seconds a single run may take (%(default)s)"
    )
    return parser.parse_args()


def _sections(text: str) -> list[Section]:
    known = {section.name: section for section in SECTIONS}
    try:
        return [known[name] for name in text.split(",")]
    except KeyError as error:
        problem = f"no section {error}. Use some of {','.join(known)}."
        raise argparse.ArgumentTypeError(problem) from error


if __name__ == "__main__":
    main()
