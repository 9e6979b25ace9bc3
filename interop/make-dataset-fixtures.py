"""Small Parquet files as other programs write them, for test/data/rows/parquet-rows.test.ts.

    pip install pyarrow && python interop/make-dataset-fixtures.py
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

folder = Path(__file__).parent.parent / "test/fixtures/datasets"
folder.mkdir(parents=True, exist_ok=True)

tasks = pa.table(
    {
        "instruction": [f"what is {i} and {i}?" for i in range(10)],
        "input": [None if i % 2 else "" for i in range(10)],
        "output": [f"it is {2 * i}." for i in range(10)],
        "id": pa.array(range(10), pa.int64()),
    }
)
for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    pq.write_table(tasks, folder / f"tasks-{codec}.parquet", compression=codec, row_group_size=4)

chats = pa.table(
    {
        "messages": [
            [{"role": "user", "content": f"say {word}"}, {"role": "assistant", "content": f"{word}!"}]
            for word in ["hello", "grüße", "bye"]
        ]
    }
)
pq.write_table(chats, folder / "chats.parquet")
