"""Run by a Python that has Feast, not Headrace: Feast's own client asks a server of ours.

    python feast_client.py DIRECTORY URL < questions

A question, a JSON line, is a list of features of one view and one of user ids; an answer is
feature -> values, from Feast's remote online store. What is answered also has to fit Feast's own model of it.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import requests
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.feature_server import OnlineFeaturesResponse
from feast.types import Bool, Float64, Int64, String, UnixTimestamp

SETTINGS = """\
project: shop
registry: registry.db
provider: local
online_store:
  type: remote
  path: {url}
offline_store:
  type: file
entity_key_serialization_version: 3
"""
VIEWS = {
    "newest": {"price": Float64, "ad": Int64, "place": String, "paid": Bool, "seen_at": UnixTimestamp},
    "fresh": {"place": String, "ad": Int64},
    "user_clicks": {"clicks_1d": Int64, "clicks_7d": Int64, "spend_7d": Float64, "dearest_7d": Float64},
}


def main() -> None:
    """Answer every line."""
    home, url = Path(sys.argv[1]), sys.argv[2]
    (home / "feature_store.yaml").write_text(SETTINGS.format(url=url))
    store = FeatureStore(str(home))
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    source = FileSource(path=str(home / "none.parquet"), timestamp_field="ts")
    views = [
        FeatureView(
            name=name,
            entities=[user],
            ttl=timedelta(days=36_500),
            schema=[Field(name=each, dtype=of) for each, of in fields.items()],
            source=source,
            online=True,
        )
        for name, fields in VIEWS.items()
    ]
    store.apply([user, *views])
    for line in sys.stdin:
        features, users = json.loads(line)
        body = {"features": features, "entities": {"user_id": users}}
        sent = requests.post(f"{url}/get-online-features", json=body, timeout=60)
        model = OnlineFeaturesResponse.model_validate(sent.json())
        assert [*model.metadata.feature_names] == ["user_id", *(each.partition(":")[2] for each in features)]
        assert {len(each.statuses) for each in model.results} == {len(users)}
        answer = store.get_online_features(features, [{"user_id": each} for each in users]).to_dict()
        sys.stdout.write(json.dumps(answer, default=str) + "\n")


if __name__ == "__main__":
    main()
