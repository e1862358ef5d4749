from __future__ import annotations

import os
import py_compile
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from headrace.definitions.loading import definition_files, load_definitions, package_of
from headrace.errors import DefinitionError, UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = """
import headrace as hr
from headrace import agg

user = hr.Entity("user", ["user_id"])
clicks = hr.EventSource("clicks", schema={"user_id": "string", "ts": "timestamp"}, timestamp="ts")
views = [
    hr.AggregateView("user_clicks", entity=user, source=clicks, features=[agg.count("n", windows=["7d"])]),
]
_draft = hr.Entity("draft", ["x"])


@hr.on_demand(inputs={"n": "user_clicks:n_7d"})
def doubled(n):
    return 2 * n
"""


def project(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / (name.replace("__", "/", 1) + (".toml" if name == "headrace" else ".py"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return root


def names(root: Path, *named: str) -> list[str]:
    return [str(each.reference) for each in load_definitions(root, list(named) or None)]


def test_what_a_file_holds_at_module_level_and_in_lists(tmp_path: Path) -> None:
    assert names(project(tmp_path, features=FEATURES)) == ["user", "clicks", "user_clicks@1", "doubled@1"]


def test_each_knows_its_line(tmp_path: Path) -> None:
    user = load_definitions(project(tmp_path, features=FEATURES))[0]
    assert user.written == f"{tmp_path / 'features.py'}:5"


def test_two_projects_with_equal_file_names_do_not_meet(tmp_path: Path) -> None:
    one = project(tmp_path / "one", features=FEATURES)
    other = project(tmp_path / "other", features=FEATURES.replace("user", "ad").replace("2 * n", "3 * n"))
    first, second = load_definitions(one), load_definitions(other)
    assert [each.name for each in first] == ["user", "clicks", "user_clicks", "doubled"]
    assert [each.name for each in second] == ["ad", "clicks", "ad_clicks", "doubled"]
    assert (first[-1](1), second[-1](1)) == (2, 3)  # type: ignore[operator]
    assert package_of(one) != package_of(other)
    assert "features" not in sys.modules


def test_a_project_is_read_anew_each_time(tmp_path: Path) -> None:
    root = project(tmp_path, features=FEATURES)
    before = load_definitions(root)[-1]
    project(tmp_path, features=FEATURES.replace("2 * n", "3 * n"))
    after = load_definitions(root)[-1]
    assert (before(1), after(1)) == (2, 3)  # type: ignore[operator]
    assert before != after
    assert not list(tmp_path.rglob("*.pyc"))


def test_bytecode_that_others_left_is_not_trusted(tmp_path: Path) -> None:
    root = project(tmp_path, features=FEATURES)
    path = root / "features.py"
    py_compile.compile(str(path))
    moment = path.stat()
    project(tmp_path, features=FEATURES.replace("2 * n", "3 * n"))
    os.utime(path, ns=(moment.st_atime_ns, moment.st_mtime_ns))
    assert load_definitions(root)[-1](1) == 3  # type: ignore[operator]


def test_packages_of_a_project_may_have_an_init(tmp_path: Path) -> None:
    entities = "import headrace as hr\nuser = hr.Entity('user', ['id'])\n"
    project(
        tmp_path,
        features="from .parts import user\n",
        parts____init__="from .entities import user\n",
        parts__entities=entities,
    )
    assert names(tmp_path) == ["user"]


def test_nothing_is_left_behind_in_the_import_system(tmp_path: Path) -> None:
    before = list(sys.meta_path), list(sys.path)
    load_definitions(project(tmp_path, features=FEATURES))
    with pytest.raises(DefinitionError):
        load_definitions(project(tmp_path, features="1 / 0"))
    assert (sys.meta_path, sys.path) == before


def test_files_of_a_project_import_each_other(tmp_path: Path) -> None:
    entities = "import headrace as hr\nuser = hr.Entity('user', ['id'])\n"
    project(tmp_path, features="from .parts.entities import user\n", parts__entities=entities)
    assert names(tmp_path) == ["user"]
    project(tmp_path, parts__entities=entities.replace("'user'", "'person'"))
    assert names(tmp_path) == ["person"]


SETTINGS = {
    "a file": ('[project]\ndefinitions = "ads.py"', ["ads"]),
    "several": ('[project]\ndefinitions = ["shop.py", "ads.py"]', ["shop", "ads"]),
    "a short form": ('definitions = "shop.py"', ["shop"]),
    "a glob": ('[project]\ndefinitions = "*.py"', ["ads", "shop"]),
    "a directory": ('[project]\ndefinitions = "more"', ["inner"]),
    "one file twice": ('[project]\ndefinitions = ["ads.py", "a*.py"]', ["ads"]),
}


@pytest.mark.parametrize(("settings", "expected"), SETTINGS.values(), ids=SETTINGS)
def test_the_settings_name_the_files(tmp_path: Path, settings: str, expected: list[str]) -> None:
    made = "import headrace as hr\ne = hr.Entity('{}', ['id'])\n"
    project(
        tmp_path,
        ads=made.format("ads"),
        shop=made.format("shop"),
        more__inner=made.format("inner"),
        headrace=settings,
    )
    assert names(tmp_path) == expected
    assert len(definition_files(tmp_path)) == len(expected)


MISTAKES = {
    "no Python": ("x = 1\nuser = hr.Entity(", "features.py:2: this is not Python"),
    "a missing package": (
        "import headrace\nimport no_such_package\n",
        "features.py:2: it cannot be imported: No module named",
    ),
    "a missing name": (
        "from headrace import Entty\n",
        "features.py:1: it cannot be imported: cannot import name 'Entty'",
    ),
    "an error": ("x = 1\n\n1 / 0\n", "features.py:3: loading the definitions failed: ZeroDivisionError"),
    "an exit": ("import sys\nsys.exit(3)\n", "features.py:2: loading the definitions failed: SystemExit: 3"),
    "an unknown option": (
        "import headrace as hr\nhr.Entity('user', joinkeys=['a'])\n",
        "features.py:2: loading the definitions failed: TypeError",
    ),
    "a wrong definition": (
        "import headrace as hr\n\nhr.Entity('user', [])\n",
        "features.py:3: entity 'user': join_keys is empty",
    ),
    "a wrong window": (
        "import headrace as hr\nw = hr.window('5s')\n",
        "features.py:2: The window '5s' is under 12 seconds",
    ),
    "nothing": ("x = 1\n", "features.py: there is no definition in it"),
    "two of one name": (
        "import headrace as hr\na = hr.Entity('user', ['a'])\nb = hr.Entity('user', ['b'])\n",
        "features.py:3: entity 'user': another one of this name is at ",
    ),
}


@pytest.mark.parametrize(("text", "says"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_error_with_file_and_line(tmp_path: Path, text: str, says: str) -> None:
    root = project(tmp_path, features=text)
    with pytest.raises(DefinitionError) as caught:
        load_definitions(root)
    assert caught.value.message.startswith(str(tmp_path))
    assert says in caught.value.message
    assert not [name for name in sys.modules if name.startswith(package_of(root))]


def test_an_unknown_feature_keeps_its_kind_of_error(tmp_path: Path) -> None:
    root = project(tmp_path, features=FEATURES + "\n\nview = views[0]['n_1d']\n")
    with pytest.raises(UnknownNameError, match="There is no feature named 'n_1d'"):
        load_definitions(root)


def test_an_absolute_import_of_a_neighbour_is_explained(tmp_path: Path) -> None:
    root = project(tmp_path, features="from neighbour import user\n", neighbour="user = 1\n")
    with pytest.raises(DefinitionError) as caught:
        load_definitions(root)
    assert caught.value.remedy.startswith("Write `from .neighbour import ...`")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('[project]\ndefinitions = "ads.py"', "There are no definitions at "),
        ('[project]\ndefinitions = "*.sql"', "There are no definitions at "),
        ('[project]\ndefinitions = ""', "definitions is a file or a list of files"),
        ("[project]\ndefinitions = 7", "definitions is a file or a list of files"),
        ("[project]\ndefinitions = []", "definitions is a file or a list of files"),
        ("[project", "it cannot be read"),
        ('[project]\ndefinitions = "headrace.toml"', "cannot hold definitions"),
        ('[project]\ndefinitions = "my-features.py"', "cannot hold definitions"),
        ('[project]\ndefinitions = "../outside.py"', "cannot hold definitions"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: str, says: str) -> None:
    project(tmp_path, outside="x = 1")
    root = project(tmp_path / "project", headrace=settings)
    (root / "my-features.py").write_text("x = 1")
    with pytest.raises(DefinitionError, match=says):
        load_definitions(root)


def test_a_missing_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="There is no project directory"):
        load_definitions(tmp_path / "nowhere")
    with pytest.raises(DefinitionError, match=r"There are no definitions at .*features\.py"):
        load_definitions(tmp_path)
