import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from trained import same_bits

import flaxdigits
from flaxdigits.data.digits import Digits
from flaxdigits.errors import TrainingInterrupted
from flaxdigits.runs import Run
from flaxdigits.training import feed
from flaxdigits.training.config import TrainConfig
from flaxdigits.training.devices import make_mesh
from flaxdigits.training.examples import Examples
from flaxdigits.training.feed import ResidentFeed, StreamedFeed, make_feed

PLAIN = TrainConfig(added_pictures=0)
COUNT, BATCH = 1000, 96  # 11 batches, the last of 40


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch):
    monkeypatch.setattr(feed, "CHUNK", 300)  # 3 batches


@pytest.fixture
def mapped(mnist_train, tmp_path):
    """The training set, its images memory-mapped from a file."""
    path = tmp_path / "images"
    path.write_bytes(mnist_train.images.tobytes())
    return Digits(np.memmap(path, np.uint8, mode="r").reshape(-1, 28, 28), mnist_train.labels)


@pytest.fixture
def rows():
    return np.arange(0, 2 * COUNT, 2, dtype=np.int32)


def batches(source, order, step):
    """The digits of each step from this one on, as the compiled loop takes them."""
    found = []
    for chunk in source.chunks(order, step):
        for at in range(step, chunk.end):
            found.append(tuple(map(np.asarray, source.take(chunk.arrays, at, BATCH))))
        step = chunk.end
    return found


@pytest.mark.parametrize("step", [0, 1, 3, 10])
def test_both_feeds_give_the_same_batches_from_any_step_on(step, mnist_train, mapped, rows):
    mesh = make_mesh("cpu", BATCH)
    order = np.random.default_rng(0).permutation(COUNT).astype(np.int32)
    whole = batches(ResidentFeed(Examples(mnist_train, rows, PLAIN), rows, BATCH, mesh), order, step)
    chunks = batches(StreamedFeed(Examples(mapped, rows, PLAIN), rows, BATCH, mesh), order, step)
    assert len(whole) == len(chunks) == 11 - step
    for (images, labels), (streamed, their_labels) in zip(whole, chunks, strict=True):
        np.testing.assert_array_equal(images, streamed)
        np.testing.assert_array_equal(labels, their_labels)


def test_more_digits_than_fit_are_streamed(mnist_train, rows, monkeypatch):
    config, mesh = TrainConfig(batch_size=BATCH), make_mesh("cpu", BATCH)
    examples = Examples(mnist_train, rows, PLAIN)
    assert isinstance(make_feed(examples, rows, config, mesh), ResidentFeed)
    monkeypatch.setattr("flaxdigits.training.devices.MEMORY_OF_CPU", COUNT * 784 - 1)
    assert isinstance(make_feed(examples, rows, config, mesh), StreamedFeed)
    assert isinstance(make_feed(examples, rows, config.changed(streaming="off"), mesh), ResidentFeed)


@pytest.mark.slow
def test_a_streamed_training_ends_in_the_same_weights_and_may_be_resumed_without_streaming(mnist_train, tmp_path):
    digits = mnist_train[:2000]
    config = TrainConfig(hidden=(16,), batch_size=BATCH, epochs=2, device="cpu", streaming="off")
    streamed = config.changed(streaming="on")
    whole, chunks, stopped = (tmp_path / name for name in ("whole", "chunks", "stopped"))
    list(flaxdigits.fit(digits, config, whole))
    list(flaxdigits.fit(digits, streamed, chunks))
    steps = [0]
    watch = {"on_progress": lambda progress: steps.append(progress.step), "should_stop": lambda: steps[-1] >= 4}
    with pytest.raises(TrainingInterrupted):
        list(flaxdigits.fit(digits, streamed, stopped, **watch))
    assert steps[-1] < 24  # of 48
    TrainConfig.from_toml(stopped / "config.toml", streaming="off").save(stopped / "config.toml")
    list(flaxdigits.resume(stopped, digits))
    for other in (chunks, stopped):
        assert same_bits(Run(whole), Run(other))


def reads_single_pages(path):
    """Whether the system does not read ahead in a file that is mapped, by the flag that Linux shows."""
    mappings = Path("/proc/self/smaps").read_text().split("VmFlags:")
    return any(str(path) in mapping and " rr " in flags.partition("\n")[0] for mapping, flags in pairwise(mappings))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stream_that_ends_early_leaves_no_threads_and_the_file_as_it_was(mapped, rows, tmp_path):
    before = threading.active_count()
    mesh = make_mesh("cpu", BATCH)
    chunks = StreamedFeed(Examples(mapped, rows, PLAIN), rows, BATCH, mesh).chunks(rows[:COUNT] // 2, 0)
    next(chunks)
    assert reads_single_pages(tmp_path / "images")
    assert threading.active_count() > before
    chunks.close()
    assert not reads_single_pages(tmp_path / "images")
    assert threading.active_count() == before
