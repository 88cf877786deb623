"""What somebody sees who starts SManager with a Python that is too old for it."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, SECONDS

OLD = [f"{path}/bin/python" for path in Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*")]
NAMES = ("python2", "python2.7", *(f"python3.{minor}" for minor in range(4, 11)))
OLD += [path for path in map(shutil.which, NAMES) if path and "/shims/" not in path]  # pyenv's run those above


def run(python: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-B", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )


@pytest.mark.parametrize(
    ("program", "start"),
    [("smanager", "import smanager.cli"), ("smanager", "import smanager.__main__"), ("tshell", "import tshell")],
)
def test_one_line_says_which_is_needed(program: str, start: str) -> None:
    result = run(sys.executable, "-c", f"import sys; sys.version_info = (3, 10, 4, 'final', 0); {start}")
    said = f"{program} needs Python 3.11 or newer, and this is Python "
    assert (result.returncode, result.stderr.startswith(said), result.stderr.count("\n")) == (1, True, 1)


def test_any_python_can_read_the_files_that_say_so() -> None:
    """Python 2 and all of 3: no f-strings, no annotations, nothing from __future__."""
    for name in ("smanager.py", "smanager/__init__.py"):
        for node in ast.walk(ast.parse((ROOT / name).read_text(), feature_version=(3, 4))):
            assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr)
            assert not isinstance(node, ast.FunctionDef) or not (node.returns or node.args.args[0].annotation)
            assert not isinstance(node, ast.ImportFrom) or node.module != "__future__"


def test_the_client_alone_says_so_in_the_first_line_that_an_older_python_cannot_read() -> None:
    source = (ROOT / "tshell.py").read_text()
    docstring, *imports, check = next(
        ast.parse(source).body[: number + 1]
        for number, node in enumerate(ast.parse(source).body)
        if not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom)
    )
    assert isinstance(docstring, ast.Expr)
    assert imports
    assert isinstance(check, ast.Match)  # new in Python 3.10
    assert "tshell needs Python 3.11 or newer" in source.splitlines()[check.lineno - 1]


@pytest.mark.parametrize("python", [path for path in dict.fromkeys(OLD) if Path(path).exists()])
def test_with_the_old_pythons_of_this_machine(python: str) -> None:
    version = run(python, "-c", "import sys; print(sys.version.split()[0])").stdout.strip()
    if not version or tuple(map(int, version.split(".")[:2])) >= (3, 11):
        pytest.skip("not there, or new enough")
    for arguments in (["smanager.py"], ["-m", "smanager"]):
        result = run(python, *arguments)
        assert result.stderr == f"smanager needs Python 3.11 or newer, and this is Python {version}\n"
    assert "tshell needs Python 3.11 or newer" in run(python, "tshell.py").stderr
