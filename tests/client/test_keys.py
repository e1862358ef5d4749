"""A client says who asks; a server that asks for keys answers it, or tells it no."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import headrace as hr
from headrace.errors import AuthError
from headrace.server.keys import add_key
from tests.server.serving import served
from tests.server.shop import NOW

if TYPE_CHECKING:
    from pathlib import Path

ASK = {"features": ["newest:ad"], "entities": {"user_id": ["u1"]}, "as_of": NOW}


def test_a_client_with_a_key_may_and_others_may_not(shop: Path, tmp_path: Path) -> None:
    project = shutil.copytree(shop, tmp_path / "shop")
    with (project / "headrace.toml").open("a", encoding="utf-8") as file:
        file.write('\n[serving]\nkeys = "keys.toml"\n')
    key = add_key(project / "keys.toml", "model", ["read_online"], [], None)
    with served(project) as server:
        url = str(server.base_url)
        with hr.Client(url, api_key=key) as client, hr.Client(url, token=lambda: key) as bearer:
            assert client.get_online_features(**ASK).to_dict() == bearer.get_online_features(**ASK).to_dict()
            with pytest.raises(AuthError) as no_push:
                client.push("clicks", [{"event_id": "e1"}])
        with hr.Client(url) as nobody, pytest.raises(AuthError, match="valid key"):
            nobody.get_online_features(**ASK)
    assert key not in str(no_push.value.document())
