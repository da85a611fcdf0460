"""Takes out one mechanism at a time, in a copy of the tree, and demands that its named tests then fail.

    python tests/mutants/run.py [NAME ...]

Each ``NAME.patch`` beside this file is a unified diff that opens with

    # takes out: what is missing then
    # must fail: tests/path.py::test_name [more, or more such lines]

First the named tests must pass on an untouched copy; then each patch has to make each of its tests fail
by what they find: a test that cannot even start proves nothing.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2
PATIENCE_SECONDS = 600
PATIENCE_SECONDS_A_TEST = 60
# A test that ends so has met a broken patch, not a missing mechanism.
NO_PROOF = re.compile(r"^(\w+\.)*(ImportError|ModuleNotFoundError|NameError|SyntaxError|IndentationError)\b")


@dataclass(frozen=True)
class Mutant:
    """A patch and what it says of itself."""

    name: str
    patch: Path
    takes_out: str
    must_fail: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """How one test ended: passed, failed or skipped, in which phase, and the first line of why."""

    test: str
    when: str
    outcome: str
    message: str


@dataclass(frozen=True)
class Run:
    """How each test of one pytest run ended, its exit status, and the last of what it printed."""

    ended: list[Ended]
    status: int
    output: str

    def of(self, test: str) -> list[Ended]:
        """The ends of a named test: itself, its parameters, and what a class or file holds."""
        inner = (f"{test}[", f"{test}::")
        return [end for end in self.ended if end.test == test or end.test.startswith(inner)]

    def uncollected(self) -> list[Ended]:
        """The files that could not even be imported."""
        return [end for end in self.ended if end.when == "collect"]


class MutantError(Exception):
    """A patch cannot be judged; the sentence says why."""


def main(names: Sequence[str]) -> int:
    """Judge the named mutants, or all of them; 0 when every one was killed."""
    with tempfile.TemporaryDirectory(prefix="ledgertide-mutants-") as folder:
        try:
            mutants = _chosen(names)
            _prove_baseline(Path(folder), mutants)
        except MutantError as error:
            print(error)
            return 1
        with ThreadPoolExecutor(AT_ONCE) as pool:
            verdicts = list(pool.map(lambda mutant: _judge(Path(folder), mutant), mutants))
    killed = sum(verdicts)
    print(f"{killed} of {len(mutants)} mutants killed")
    return 0 if killed == len(mutants) else 1


def read_mutant(patch: Path) -> Mutant:
    """Read a patch's opening lines; raises MutantError when one is missing."""
    text = patch.read_text()
    takes_out = re.search(r"^# takes out: (.+)$", text, re.MULTILINE)
    must_fail = " ".join(re.findall(r"^# must fail: (.+)$", text, re.MULTILINE)).split()
    if not takes_out or not must_fail:
        raise MutantError(f"{patch.name} does not open with '# takes out: …' and '# must fail: …'.")
    return Mutant(patch.stem, patch, takes_out[1], tuple(must_fail))


def _chosen(names: Sequence[str]) -> list[Mutant]:
    patches = {patch.stem: patch for patch in sorted(Path(__file__).parent.glob("*.patch"))}
    unknown = [name for name in names if name not in patches]
    if unknown or not patches:
        raise MutantError(
            f"There is no mutant {', '.join(unknown)}; there are: {', '.join(patches) or 'none'}."
        )
    return [read_mutant(patches[name]) for name in names or patches]


def _prove_baseline(folder: Path, mutants: Iterable[Mutant]) -> None:
    tests = sorted({test for mutant in mutants for test in mutant.must_fail})
    started = time.monotonic()
    run = _run_tests(_copy_tree(folder / "untouched"), tests, "-n", str(min(AT_ONCE, len(tests) - 1)))
    flaws = [f"{end.test}: {end.outcome}: {end.message}" for end in run.ended if end.outcome != "passed"]
    flaws += [f"{test}: was not run" for test in tests if not run.of(test)]
    if flaws or run.status != 0:
        raise MutantError("\n".join(["Nothing can be judged: without any patch", *flaws, run.output]))
    seconds = time.monotonic() - started
    print(f"baseline  {len(run.ended)} tests pass on an untouched copy ({seconds:.1f} s)", flush=True)


def _judge(folder: Path, mutant: Mutant) -> bool:
    started = time.monotonic()
    try:
        verdict, why = "killed", _failures(folder, mutant)
    except MutantError as error:
        verdict, why = "SURVIVED", str(error)
    seconds = time.monotonic() - started
    print(f"{verdict:<9} {mutant.name} ({mutant.takes_out}): {why} ({seconds:.1f} s)", flush=True)
    return verdict == "killed"


def _failures(folder: Path, mutant: Mutant) -> str:
    """The first line of what each named test found; raises MutantError when one of them found nothing."""
    copy = _copy_tree(folder / mutant.name)
    applied = subprocess.run(
        ["git", "apply", "--recount", str(mutant.patch)],
        cwd=copy,
        check=False,
        capture_output=True,
        text=True,
    )
    if applied.returncode != 0:
        raise MutantError(f"the patch does not apply: {applied.stderr.strip().splitlines()[0]}")
    run = _run_tests(copy, mutant.must_fail, "-p", "no:xdist")
    shutil.rmtree(copy, ignore_errors=True)
    if run.status not in (0, 1) and not run.uncollected():
        raise MutantError(f"pytest could not run (exit status {run.status})\n{run.output}")
    return "; ".join(_finding(test, run) for test in mutant.must_fail)


def _finding(test: str, run: Run) -> str:
    failed = [end for end in run.of(test) if end.outcome == "failed"]
    for end in failed:
        if end.when == "call" and not NO_PROOF.match(end.message):
            return f"{end.test.rpartition('::')[2]}: {end.message}"
    if broken := failed or run.uncollected():
        raise MutantError(f"{test} broke without proof: {broken[0].message}")
    raise MutantError(f"{test} did not fail\n{run.output}")


def _copy_tree(target: Path) -> Path:
    """Copy what git tracks or would track, as it stands in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def _run_tests(copy: Path, tests: Sequence[str], *options: str) -> Run:
    """Run tests of a copied tree with our own Python.

    The editable install points at the original, so the copy goes first on the path, for the tests
    and for what they start; the witness checks that this was so.
    """
    notes = copy.with_name(f"{copy.name}.jsonl")
    environment = os.environ | {
        "PYTHONPATH": str(copy),
        "MUTANTS_NOTES": str(notes),
        "TURNS_FOLDER": str(copy.parent),  # a test that has to be alone is so among all copies
    }
    patience = PATIENCE_SECONDS + PATIENCE_SECONDS_A_TEST * len(tests)
    command = [sys.executable, "-m", "pytest", "-p", "tests.mutants.witness", "-p", "no:cacheprovider", "-q"]
    try:
        ran = subprocess.run(
            [*command, "--no-header", "--tb=short", *options, *tests],
            cwd=copy,
            env=environment,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patience,
        )
    except subprocess.TimeoutExpired:
        raise MutantError(f"its tests did not end within {patience} s") from None
    output = "\n".join(ran.stdout.strip().splitlines()[-15:])
    lines = notes.read_text().splitlines() if notes.exists() else []
    return Run([Ended(**json.loads(line)) for line in lines], ran.returncode, output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
