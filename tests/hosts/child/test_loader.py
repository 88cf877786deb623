"""A services file that cannot be imported: the error names its type, its message and the file's own line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from smanager.hosts.child.errors import LoadError
from smanager.hosts.child.loader import load, report


@pytest.fixture(autouse=True)
def _unchanged_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "modules", sys.modules.copy())


def error_of(path: Path) -> str:
    with pytest.raises(LoadError) as caught:
        load(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x = 1\ny = = 2\n", "line 2: SyntaxError: invalid syntax"),
        ("if True:\nx = 1\n", "line 2: IndentationError: expected an indented block after 'if' statement on line 1"),
        ("\nimport no_such_module\n", "line 2: ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f():\n    raise OSError('no\\ndisk')\nf()\n", "line 2: OSError: no disk"),
        ("import sys\nsys.exit('out')\n", "line 2: SystemExit: out"),
        ("import json\n\njson.loads('{')\n", "line 3: JSONDecodeError: Expecting property name"),
        ("x = compile('= 1', 'generated', 'exec')\n", "line 1: SyntaxError: invalid syntax"),
        ("raise SyntaxError('of its own')\n", "line 1: SyntaxError: of its own"),
        ("raise SyntaxError('of its own', (__file__, None, None, None))\n", "SyntaxError: of its own"),
    ],
)
def test_the_line_is_the_last_one_of_the_file_itself(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "broken_services.py"
    path.write_text(text)
    assert error_of(path).startswith(error)


def test_an_error_in_another_module_is_at_the_line_that_imports_it(tmp_path: Path) -> None:
    (tmp_path / "broken_helper.py").write_text("\n\ny = = 2\n")
    path = tmp_path / "importing_services.py"
    path.write_text("x = 1\nimport broken_helper\n")
    assert error_of(path) == "line 2: SyntaxError: invalid syntax"


def test_an_error_in_a_package_is_at_its_own_modules_line(tmp_path: Path) -> None:
    package = tmp_path / "packaged_services"
    package.mkdir()
    (package / "__init__.py").write_text("from packaged_services import inner\n")
    (package / "inner.py").write_text("\n\ny = = 2\n")
    assert error_of(package) == "line 3: SyntaxError: invalid syntax"


@pytest.mark.parametrize(
    ("name", "error"),
    [("json.py", "a module named json already exists; rename the file"), ("notes.txt", "not a Python file")],
)
def test_a_file_that_cannot_be_a_module_is_said_without_a_line(tmp_path: Path, name: str, error: str) -> None:
    path = tmp_path / name
    path.write_text("")
    if name.endswith(".py"):
        assert error_of(path) == error


def test_classes_are_services_of_the_file_that_defines_them(tmp_path: Path) -> None:
    path = tmp_path / "several_services.py"
    path.write_text(
        "import abc\nfrom smanager import Program, SService\n"
        "class _Base(SService): pass\n"
        "class Abstract(SService, abc.ABC):\n    @abc.abstractmethod\n    def cmd_x(self): ...\n"
        "class Second(_Base): pass\nclass First(_Base): name = 5\nAgain = Second\n"
    )
    classes = load(path)
    assert [service.__name__ for service in classes] == ["Second", "First"]
    described = report(classes)
    assert described["problems"] == ["line 8: First: TypeError: its name is 5, and should be text"]
