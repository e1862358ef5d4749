"""Feature tests in YAML: what is read, and one clear error with file and line for each mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from headrace.errors import DataError, DefinitionError, HeadraceError, StoreError
from headrace.testing.feature_tests.yaml_file import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from headrace.testing.feature_tests.case import FeatureTest

HEAD = "tests:\n  - name: shown\n    entity: {user_id: u1}\n    at: 2026-03-01T10:00:00Z\n"


def read(tmp_path: Path, text: str) -> list[FeatureTest]:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    return read_yaml(tmp_path / "a.yaml", "tests/a.yaml")


def row(tmp_path: Path, cell: str) -> Any:
    (found,) = read(tmp_path, f"{HEAD}    events: {{clicks: [{{x: {cell}}}]}}\n    expected: {{v:f: 1}}\n")
    return found.events["clicks"][0]["x"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1), ("-7", -7), ("0.25", 0.25), ("1e3", 1000.0), (".5", 0.5), ("007", 7),
        ("~", None), ("null", None), ("", None), ("true", True), ("False", False), (".inf", float("inf")),
        ("no", "no"), ("on", "on"), ("NO", "NO"), ("12:30", "12:30"), ("2026-03-01", "2026-03-01"),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"), ("'1'", "1"), ('"~"', "~"), ("!!str 12", "12"),
        ("1_000", "1_000"), ("0x1F", "0x1F"), ("[1, [~, a]]", [1, [None, "a"]]), ("{a: {}}", {"a": {}}),
    ],
)  # fmt: skip
def test_words_are_read_as_yaml_1_2_reads_them(tmp_path: Path, written: str, value: object) -> None:
    found = row(tmp_path, written)
    assert found == value
    assert type(found) is type(value)


def test_no_tag_makes_an_object(tmp_path: Path) -> None:
    assert row(tmp_path, "!!python/object/apply:os.system [echo]") == ["echo"]


def test_what_stands_beside_the_tests_holds_for_all(tmp_path: Path) -> None:
    one, other, rows = read(
        tmp_path,
        """view: lately
events: {clicks: [{user_id: u1}]}
entity: {user_id: u1}
at: 2026-03-01
tests:
  - {name: one, expected: {n: 1}}
  - {name: other, expected: {n: 1}, entity: {user_id: u2}}
  - {name: rows, expected: [{user_id: u1, at: 2026-03-02, n: 1}]}
""",
    )
    assert (one.view, one.events, one.entity) == (
        "lately",
        {"clicks": [{"user_id": "u1"}]},
        {"user_id": "u1"},
    )
    assert (other.view, other.entity, other.written) == ("lately", {"user_id": "u2"}, "tests/a.yaml:7")
    assert (rows.view, rows.entity, rows.at) == ("lately", {}, None)


def test_anchors_and_merges(tmp_path: Path) -> None:
    text = f"""{HEAD}    expected: {{v:f: 1}}
    events:
      clicks:
        - &one {{a: 1, b: 2}}
        - *one
        - {{<<: *one, b: 3}}
        - {{<<: [{{c: 4}}, *one]}}
"""
    (found,) = read(tmp_path, text)
    assert found.events["clicks"] == [
        {"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1, "b": 2, "c": 4},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "tests/a.yaml:1: there are no feature tests"),
        ("- a\n", "tests/a.yaml:1: there are no feature tests"),
        ("\ntest: []\n", "tests/a.yaml:2: there are no feature tests"),
        ("tests: {a: 1}\n", "there are no feature tests"),
        ("veiw: a\ntests: []\n", "tests/a.yaml:1: 'veiw' means nothing here"),
        ("tests:\n  - a\n", "tests/a.yaml:2: this is no feature test"),
        ("tests:\n  - {name: a, name: b}\n", "tests/a.yaml:2: 'name' is there twice"),
        ("tests:\n  - [1\n", "tests/a.yaml:3: this is not YAML"),
        ("tests:\n  - {at: 1}\n", "tests/a.yaml:2: A feature test has no name"),
        (HEAD, "tests/a.yaml:2: Nothing is expected"),
        (f"{HEAD}    expect: {{v:f: 1}}\n", "A feature test has no 'expect'. Available: expected"),
        (f"{HEAD}    expected: {{}}\n", "tests/a.yaml:2: Nothing is expected"),
        (f"{HEAD}    expected: {{1: 2}}\n", "tests/a.yaml:2: Nothing is expected by name"),
        (f"{HEAD}    expected: {{v:f: 1}}\n    view: [a]\n", r"view is a text, not \['a'\]"),
        (f"{HEAD}    expected: {{v:f: 1}}\n    events: {{clicks: [{{1: 2}}]}}\n", "of 'clicks' are no list"),
        (f"{HEAD}    expected: 3\n", "what is expected are no rows"),
        (f"{HEAD}    expected: {{v:f: 1}}\n    online: maybe\n", "online is true or false"),
        (f"{HEAD}    expected: {{v:f: 1}}\n    tolerance: -1\n", "-1 is no tolerance"),
        (f"{HEAD}    expected: {{v:f: 1}}\n    events: [1]\n", "events maps names"),
        (f"{HEAD}    expected: {{v:f: 1}}\n    events: {{clicks: {{a: 1}}}}\n", "of 'clicks' are no list"),
        (f"{HEAD}    expected: {{v:f: 1}}\n    view: a\n    service: b\n", "a view or a service, not both"),
        (f"{HEAD}    expected: [{{v:f: 1}}]\n", "say themselves who asks when"),
        ("tests:\n  - {name: a, expected: [{v:f: 1}]}\n", "tests/a.yaml:2: A row .* does not say when"),
        ("tests:\n  - {name: a, expected: {v:f: 1}}\n", "not said when the features are asked"),
        ("tests:\n  - {name: a, at: [2026-03-01], expected: {v:f: 1}}\n", "There are 1 instants"),
        ("tests:\n  - {name: a, at: [1, 2], expected: {v:f: [1]}}\n", "There are 2 instants"),
        ("tests: &a\n  - *a\n", "an anchor holds itself"),
        ("tests:\n  - &a {name: a, x: &b {<<: *a}, <<: *b}\n", "<< merges mappings"),
        ("tests:\n  - {name: a, <<: 3}\n", "<< merges mappings"),
        ("tests:\n  - {[1]: a}\n", "a key is no word"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_and_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DefinitionError, match=words) as caught:
        read(tmp_path, text)
    assert caught.value.message.startswith("tests/a.yaml:")
    assert caught.value.remedy or caught.value.available or caught.value.asked


def test_an_instant_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tests/a\.yaml:2: 'noon' is not an instant"):
        read(tmp_path, "tests:\n  - {name: a, at: noon, expected: {v:f: 1}}\n")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: \x00"])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(DefinitionError, match="is not YAML"):
        read_yaml(tmp_path / "a.yaml", "a.yaml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_yaml(tmp_path / "a.yaml", "a.yaml")


@pytest.mark.parametrize(
    "text", ["x" * 3, "{", "tests: [[[", "&a &a", "*b", "%YAML 9", "---\n---\n", "? a\n? b"]
)
def test_nonsense_is_one_of_our_errors(tmp_path: Path, text: str) -> None:
    with pytest.raises(HeadraceError):
        read(tmp_path, text)
