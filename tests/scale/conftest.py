"""Parquet files of digits, as people have them."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet


@pytest.fixture(scope="session")
def write_digits():
    """Returns a function that writes digits as a Parquet file, with an id, the label and the pixels."""

    def write(path, digits, row_group_size, first_id=0):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = pa.FixedSizeListArray.from_arrays(pa.array(digits.images.reshape(-1)), 784)
        ids = np.arange(first_id, first_id + len(digits))
        table = pa.table({"id": ids, "pixels": pixels, "label": digits.labels})
        parquet.write_table(table, path, row_group_size=row_group_size)
        return path

    return write
