import os

import pytest

from flaxdigits import atomic


def test_a_failing_block_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic.replacing(path) as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_block_leaves_nothing_where_there_was_nothing(tmp_path):
    with pytest.raises(ValueError, match="stop"), atomic.replacing(tmp_path / "new.csv") as beside:
        beside.write_text("half")
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_stands_until_the_block_has_ended(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_text("old")
    with atomic.replacing(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_yielded_path_is_in_the_same_folder_with_the_same_suffix(tmp_path):
    # The same folder, since a rename is atomic within one file system only.
    with atomic.replacing(tmp_path / "curves.png") as beside:
        beside.touch()
        assert beside.parent == tmp_path
        assert beside.suffix == ".png"
        assert beside.name != "curves.png"


def test_a_block_that_writes_nothing_does_not_pass_for_a_file(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.replacing(tmp_path / "nothing.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_not_replaced(tmp_path):
    with pytest.raises(IsADirectoryError) as caught, atomic.replacing(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path)


def test_write_text_makes_the_folder_and_writes_utf8(tmp_path):
    path = tmp_path / "runs" / "new" / "note.txt"
    atomic.write_text(path, "größer → 9\n")
    assert path.read_bytes() == "größer → 9\n".encode()


def test_the_content_is_synced_before_it_is_renamed(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *words, name=name, real=real: (calls.append(name), real(*words)))
    atomic.write_text(tmp_path / "a.txt", "x")
    assert calls == ["fsync", "replace", "fsync"]  # the content, the rename, the folder's entry


def test_an_error_of_the_system_names_the_file(tmp_path):
    with pytest.raises(OSError) as caught, atomic.replacing(tmp_path / "digits.csv"):  # noqa: PT011
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "digits.csv")
