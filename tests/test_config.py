"""Settings: defaults, what the file and the environment say, and one clear error for each mistake."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import sqlalchemy

from headrace.config import find_project, path_of, read_settings, without_password
from headrace.errors import DefinitionError, HeadraceError, StoreError, UnknownNameError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a directory whose name needs care in a URL."""
    directory = (tmp_path / "my ads 100%?").resolve()
    directory.mkdir()
    (directory / "headrace.toml").write_text("")
    return directory


def write(project: Path, text: str) -> None:
    (project / "headrace.toml").write_text(text, encoding="utf-8")


def refused(project: Path, text: str, environ: dict[str, str] | None = None) -> HeadraceError:
    write(project, text)
    with pytest.raises(HeadraceError) as caught:
        read_settings(project, environ or {})
    return caught.value


def test_an_empty_file_gives_every_default(project: Path) -> None:
    settings = read_settings(project, {})
    assert settings.directory == project
    assert settings.project.name == "my ads 100%?"
    assert settings.project.definitions == ("features.py",)
    assert settings.project.timezone == "UTC"
    assert path_of(settings.registry.url) == project / ".headrace" / "registry.db"
    assert sqlalchemy.make_url(settings.registry.url).database == str(project / ".headrace" / "registry.db")
    assert settings.online.url.startswith("lmdb:///")
    assert path_of(settings.online.url) == project / ".headrace" / "online"
    assert (settings.offline.engine, settings.offline.memory, settings.online.fallback) == (
        "local",
        None,
        None,
    )


def test_the_default_url_of_a_plain_directory_reads_as_one_expects(tmp_path: Path) -> None:
    (tmp_path / "headrace.toml").write_text("")
    assert read_settings(tmp_path, {}).registry.url == f"sqlite:///{tmp_path.resolve()}/.headrace/registry.db"


def test_the_file_is_read(project: Path) -> None:
    write(
        project,
        """
        [project]
        name = "ads"
        definitions = ["defs/all.py", "more/*.py"]
        timezone = "Europe/Berlin"
        [registry]
        url = "postgresql://me:secret@host/db"
        [offline]
        engine = "spark"
        memory = "1.5 GB"
        [online]
        url = "redis://cache:6379/2"
        fallback = "lmdb:///copy"
        [serving]
        [monitoring]
        [alerts]
        """,
    )
    settings = read_settings(project, {})
    assert settings.project.name == "ads"
    assert settings.project.definitions == ("defs/all.py", "more/*.py")
    assert settings.project.timezone == "Europe/Berlin"
    assert settings.registry.url == "postgresql://me:secret@host/db"
    assert (settings.offline.engine, settings.offline.memory) == ("spark", 1_500_000_000)
    assert settings.online.url == "redis://cache:6379/2"
    assert settings.online.fallback is not None
    assert path_of(settings.online.fallback) == project / "copy"


def test_short_forms(project: Path) -> None:
    write(project, 'project = "ads"\ndefinitions = "defs.py"\n[offline]\nmemory = 1_000_000\n')
    settings = read_settings(project, {})
    assert (settings.project.name, settings.project.definitions) == ("ads", ("defs.py",))
    assert settings.offline.memory == 1_000_000


def test_the_environment_goes_before_the_file(project: Path) -> None:
    write(project, '[online]\nurl = "redis://file"\n[project]\nname = "file"\n')
    environ = {
        "HEADRACE_ONLINE__URL": "redis://environment",
        "HEADRACE_OFFLINE__MEMORY": "512MiB",
        "HEADRACE_PROJECT__DEFINITIONS": "other.py",
        "HEADRACE_DEBUG": "1",
        "UNRELATED__KEY": "x",
    }
    settings = read_settings(project, environ)
    assert settings.online.url == "redis://environment"
    assert settings.offline.memory == 512 * 2**20
    assert settings.project.name == "file"
    assert settings.project.definitions == ("other.py",)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sqlite:///a/b.db", "{project}/a/b.db"),
        ("sqlite:////a/b.db", "/a/b.db"),
        ("sqlite:///a%20b.db?timeout=3", "{project}/a b.db"),
        ("lmdb:///x", "{project}/x"),
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("redis://host/0", None),
    ],
)
def test_relative_paths_in_urls_are_the_projects(project: Path, written: str, read: str | None) -> None:
    write(project, f'[registry]\nurl = "{written}"\n')
    url = read_settings(project, {}).registry.url
    assert path_of(url) == (None if read is None else Path(read.format(project=project)))
    assert read is not None or url == written
    assert url.endswith("?timeout=3") == written.endswith("?timeout=3")


def test_the_settings_stay_as_they_were_read(project: Path) -> None:
    settings = read_settings(project, {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.project.name = "other"  # type: ignore[misc]
    write(project, '[project]\nname = "later"\n')
    assert settings.project.name == "my ads 100%?"


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("[onlin]\n", "online"),
        ("[online]\nur = 'x'\n", "url"),
        ("[online]\nmemory = '1GB'\n", "[offline] memory"),
        ("timezone = 'UTC'\n", "[project] timezone"),
        ("projct = 'ads'\n", "project"),
        ("[project]\nnme = 'x'\n", "name"),
    ],
)
def test_an_unknown_name_offers_the_nearest(project: Path, text: str, nearest: str) -> None:
    error = refused(project, text)
    assert isinstance(error, UnknownNameError)
    assert str(project / "headrace.toml") in error.message
    assert error.available[0] == nearest
    assert error.remedy


def test_an_unknown_variable_offers_the_nearest(project: Path) -> None:
    error = refused(project, "", {"HEADRACE_ONLINE__ULR": "redis://x"})
    assert isinstance(error, UnknownNameError)
    assert "HEADRACE_ONLINE__ULR" in error.message
    assert error.available[0] == "HEADRACE_ONLINE__URL"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[project]\nname = 3\n", "[project] name is a text, not 3"),
        ("definitions = []\n", "is a text or a list of texts, not []"),
        ("definitions = ['a.py', 1]\n", "is a text or a list of texts"),
        ("project = ' '\n", "project is a text, not ' '"),
        ("[project]\ntimezone = 'Mars/Base'\n", "IANA time zone"),
        ("[project]\ntimezone = '../etc'\n", "IANA time zone"),
        ("[offline]\nengine = 'flink'\n", '"local" or "spark"'),
        ("[offline]\nmemory = 'lots'\n", "512MB or 4GB"),
        ("[offline]\nmemory = true\n", "512MB or 4GB"),
        ("[offline]\nmemory = -1\n", "512MB or 4GB"),
        ("[offline]\nmemory = '0GB'\n", "512MB or 4GB"),
        ("[registry]\nurl = 'registry.db'\n", "is a URL"),
        ("online = 'redis://x'\n", "Write [online] on a line"),
        ("definitions = 'a.py'\n[project]\ndefinitions = 'b.py'\n", "written twice"),
        ("[project\n", "is not TOML"),
        ("project = 'a'\n[project]\n", "is not TOML"),
    ],
)
def test_a_wrong_value_says_where_it_is_and_what_it_needs(project: Path, text: str, words: str) -> None:
    error = refused(project, text)
    assert isinstance(error, DefinitionError)
    assert str(project / "headrace.toml") in str(error)
    assert words in str(error)


def test_a_wrong_variable_names_the_variable(project: Path) -> None:
    error = refused(project, "", {"HEADRACE_OFFLINE__ENGINE": "flink"})
    assert "HEADRACE_OFFLINE__ENGINE" in error.message


def test_a_password_is_never_shown(project: Path) -> None:
    secret = "hunter2"  # noqa: S105 - a planted one
    assert secret not in str(refused(project, f"[registry]\nurl = '//me:{secret}@host/db'\n"))
    write(project, f"[registry]\nurl = 'postgresql://me:{secret}@host/db'\n")
    settings = read_settings(project, {"HEADRACE_ONLINE__URL": f"redis://:{secret}@host:6379"})
    assert secret not in repr(settings)
    assert without_password(settings.registry.url) == "postgresql://me:***@host/db"
    assert without_password(settings.online.url) == "redis://:***@host:6379"
    assert without_password("lmdb:////a/b") == "lmdb:////a/b"


def test_a_directory_that_is_no_project(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="headrace init") as caught:
        find_project(tmp_path)
    assert str(tmp_path.resolve()) in caught.value.message
    with pytest.raises(StoreError, match="There is no directory"):
        find_project(tmp_path / "nowhere")


def test_a_project_above_is_offered(project: Path) -> None:
    (project / "data").mkdir()
    with pytest.raises(StoreError) as caught:
        find_project(project / "data")
    assert caught.value.available == (str(project),)


def test_a_project_is_found_by_its_directory_its_file_or_a_link(project: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(project)
    assert find_project(project) == find_project(project / "headrace.toml") == find_project(link) == project


def test_a_file_that_is_not_text(project: Path) -> None:
    (project / "headrace.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DefinitionError, match="is not TOML"):
        read_settings(project, {})


def test_the_served_log_is_off_until_it_has_a_place(project: Path) -> None:
    assert read_settings(project, {}).serving.log is None
    write(project, '[serving]\nlog = "served"\nlog_by = ["user_id", "ad_id"]\nlog_retention = "2w"\n')
    serving = read_settings(project, {"HEADRACE_SERVING__LOG_SAMPLE": "0.5"}).serving
    assert (serving.log, serving.log_sample, serving.log_by) == (
        project / "served",
        0.5,
        ("user_id", "ad_id"),
    )
    assert serving.log_retention == 14 * 86_400_000_000
    assert read_settings(project, {"HEADRACE_SERVING__LOG_BY": "a, b"}).serving.log_by == ("a", "b")


@pytest.mark.parametrize(
    "line",
    ["log_sample = 1.5", "log_sample = true", 'log_sample = "all"', 'log_retention = "0d"', "log_by = 3"],
)
def test_settings_of_the_served_log_are_checked(project: Path, line: str) -> None:
    assert line.partition(" ")[0] in str(refused(project, f"[serving]\n{line}\n"))


def test_what_the_environment_says_to_clients_of_streams_is_no_setting_of_ours(project: Path) -> None:
    read_settings(project, {"HEADRACE_KAFKA__SASL_USERNAME": "ads", "HEADRACE_REDIS__PASSWORD": "x"})
