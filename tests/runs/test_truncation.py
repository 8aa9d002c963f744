"""The log and the events are cut back to the checkpoint from which a run goes on."""

from adversarial_autoencoder.runs import truncation
from adversarial_autoencoder.system.errors import UserError

import pytest
import tensorflow as tf
from small_runs import read_events

LOG = b"step 50, Loss 1\nstep 110, Loss 2\na note\nstep 150, Loss 3\n"


@pytest.mark.parametrize(
    "content, kept",
    [
        (LOG, b"step 50, Loss 1\nstep 110, Loss 2\na note\n"),
        (LOG[:47], LOG[:40]),
        (b"step 50, Loss 1\nstep 100, Lo", b"step 50, Loss 1\n"),
        (b"step 110, Test Accuracy 0.5\n", b""),
        (b"\xff\xfe\n" + LOG[:16], None),
        (LOG[:33], None),
        (b"", None),
    ],
)
def test_lines_behind_the_checkpoint_are_cut(tmp_path, content, kept):
    (tmp_path / "log.txt").write_bytes(content)
    assert truncation.cut_log(tmp_path / "log.txt", 110) == kept


def test_a_log_that_is_gone_is_nothing_to_cut(tmp_path):
    assert truncation.cut_log(tmp_path / "log.txt", 110) is None


def write_events(folder, steps, tag="Loss", suffix=None):
    writer = tf.summary.create_file_writer(str(folder), filename_suffix=suffix)
    for step in steps:
        with writer.as_default(step=step):
            tf.summary.scalar(tag, float(step))
    writer.close()


def test_events_behind_the_checkpoint_and_those_of_the_end_are_cut(tmp_path):
    write_events(tmp_path, [50, 100, 150])
    write_events(tmp_path / "validation", [110, 220])
    write_events(tmp_path, [100], suffix=truncation.EVENTS_OF_END)
    assert not truncation.cut_events(tmp_path, 110)
    assert sorted(read_events(tmp_path)) == [("Loss", 50), ("Loss", 100), ("Loss", 110)]
    assert not (tmp_path / "partial-events").exists()


def test_the_flags_are_found_among_the_events(tmp_path):
    write_events(tmp_path, [0], tag=truncation.FLAGS)
    assert truncation.cut_events(tmp_path, 0)


def test_a_half_written_event_goes_and_whole_ones_stay(tmp_path):
    write_events(tmp_path, [50, 100])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    truncation.cut_events(tmp_path, 110)
    assert read_events(tmp_path) == [("Loss", 50)]


def test_events_that_are_all_kept_are_not_written_again(tmp_path):
    write_events(tmp_path, [50, 100])
    (path,) = tmp_path.iterdir()
    before = path.stat()
    truncation.cut_events(tmp_path, 110)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(tmp_path.iterdir()) == [path]


def test_a_whole_record_that_is_no_event_is_told_in_one_line(tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"no event")
    before = path.read_bytes()
    with pytest.raises(UserError, match="tfevents.1 holds what is no event .*: move it away"):
        truncation.cut_events(tmp_path, 110)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
