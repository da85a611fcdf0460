"""The judge of the mutants is strict, and each patch still fits the code it takes a mechanism out of."""

import subprocess
import sys
from pathlib import Path

from tests.mutants.run import read_mutant

ROOT = Path(__file__).parent.parent

FENCE = "def may_write(ours, current):\n    return ours == current\n"
TESTS = (
    "import os, subprocess, sys\n"
    "from room.fence import may_write\n\n"
    "def test_a_stale_run_writes_nothing():\n    assert not may_write(1, 2)\n\n"
    "def test_a_process_of_ours_has_it_too():\n"
    "    code = 'from room.fence import may_write; print(may_write(1, 2))'\n"
    "    answer = subprocess.check_output([sys.executable, '-c', code], cwd='/', text=True)\n"
    "    assert answer == 'False\\n'\n\n"
    "def test_a_run_writes():\n    assert may_write(2, 2)\n\n"
    "def test_that_fails_anyhow():\n    assert 1 == 2\n"
)


def patch_to(line: str, *tests: str) -> str:
    named = " ".join(f"tests/test_fence.py::{test}" for test in tests)
    return (
        f"# takes out: the fence\n# must fail: {named}\n"
        "--- a/room/fence.py\n+++ b/room/fence.py\n@@ -1,2 +1,2 @@\n"
        f" def may_write(ours, current):\n-    return ours == current\n+    {line}\n"
    )


def judge(tree: Path, patches: dict[str, str]) -> tuple[int, str]:
    """Judge these patches in a project of one room, as `make mutants` does in ours."""
    files = {
        "pyproject.toml": '[tool.importlinter]\nroot_packages = ["room"]\n',
        "room/__init__.py": "",
        "room/fence.py": FENCE,
        "tests/__init__.py": "",
        "tests/test_fence.py": TESTS,
        "tests/mutants/__init__.py": "",
        "tests/mutants/run.py": (ROOT / "tests/mutants/run.py").read_text(),
        "tests/mutants/witness.py": (ROOT / "tests/mutants/witness.py").read_text(),
        **{f"tests/mutants/{name}.patch": text for name, text in patches.items()},
    }
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tree, check=True)
    command = [sys.executable, "tests/mutants/run.py"]
    ran = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)
    return ran.returncode, ran.stdout + ran.stderr


STALE, PROCESS, FRESH = (
    "test_a_stale_run_writes_nothing",
    "test_a_process_of_ours_has_it_too",
    "test_a_run_writes",
)


def test_a_mutant_is_killed_when_every_named_test_fails_here_and_in_what_it_starts(tmp_path: Path) -> None:
    status, said = judge(tmp_path, {"fence": patch_to("return True", STALE, PROCESS)})

    assert status == 0
    assert f"killed    fence (the fence): {STALE}: assert not True; {PROCESS}: " in said
    assert "1 of 1 mutants killed" in said


def test_a_mutant_survives_when_a_named_test_does_not_fail_by_what_it_finds(tmp_path: Path) -> None:
    status, said = judge(
        tmp_path,
        {
            "noticed": patch_to("return True", STALE),
            "missed": patch_to("return True", STALE, FRESH),
            "nonsense": patch_to("return nobody_knows_this", STALE),
            "unreadable": patch_to("return (", STALE),
            "misfit": patch_to("return True", STALE).replace("-    return ours", "-    return mine"),
        },
    )

    assert status == 1
    assert f"SURVIVED  missed (the fence): tests/test_fence.py::{FRESH} did not fail" in said
    assert (
        f"SURVIVED  nonsense (the fence): tests/test_fence.py::{STALE} broke without proof: NameError" in said
    )
    assert f"SURVIVED  unreadable (the fence): tests/test_fence.py::{STALE} broke without proof: " in said
    assert "SURVIVED  misfit (the fence): the patch does not apply" in said
    assert "1 of 5 mutants killed" in said


def test_nothing_is_judged_when_a_named_test_does_not_pass_without_a_patch(tmp_path: Path) -> None:
    status, said = judge(tmp_path, {"fence": patch_to("return True", STALE, "test_that_fails_anyhow")})

    assert status == 1
    assert "test_that_fails_anyhow: failed: assert 1 == 2" in said
    assert "killed" not in said


def test_nothing_is_judged_when_a_named_test_does_not_exist(tmp_path: Path) -> None:
    status, said = judge(tmp_path, {"fence": patch_to("return True", "test_that_nobody_wrote")})

    assert status == 1
    assert "test_that_nobody_wrote: was not run" in said


def test_each_patch_names_tests_that_exist_and_still_applies() -> None:
    flaws = []
    for patch in sorted((ROOT / "tests/mutants").glob("*.patch")):
        for test in read_mutant(patch).must_fail:
            file, _, function = test.partition("::")
            name = function.rpartition("::")[2].partition("[")[0]
            if f"def {name}(" not in (ROOT / file).read_text():
                flaws.append(f"{patch.name}: no {test}")
        command = ["git", "apply", "--check", "--recount", str(patch)]
        applied = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
        if applied.returncode != 0:
            flaws.append(f"{patch.name}: {applied.stderr}")

    assert flaws == []
