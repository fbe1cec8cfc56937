"""Arrays that stay in their file."""

from __future__ import annotations

import numpy as np
import pytest

from napari_vaesr.files.file_array import FileArray


def test_memory_that_runs_out_while_reading_is_not_called_damage(tmp_path):
    class Huge:
        def __getitem__(self, key):
            raise MemoryError

    array = FileArray(tmp_path / "a", Huge, (4, 4), np.dtype("u1"))
    with pytest.raises(MemoryError):
        array[0]
