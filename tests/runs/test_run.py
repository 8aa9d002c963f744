import dataclasses
import errno
import os
import pathlib
import shutil
import struct
import tempfile

from adversarial_autoencoder import options
from adversarial_autoencoder.runs import checkpoints, finding, machines
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system import files
from adversarial_autoencoder.system.errors import UserError

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import unsearchable
from small_runs import Model, as_nobody, make_run, open_part_2, open_run, state


def test_a_runs_folder_is_named_after_its_settings(tmp_path, data):
    run = make_run(tmp_path, data, "--z_dim=3", "--n_epochs=7")
    time, *settings = run.path.name.rsplit("_", 6)
    assert settings == ["3", "0.001", "100", "7", "0.9", "Autoencoder"]
    assert run.path.parent.name == "Autoencoder"
    assert ":" not in time


def test_opening_a_new_run_writes_nothing(tmp_path):
    open_run("--train", results=tmp_path)
    assert not list(tmp_path.iterdir())


def test_two_runs_never_share_a_folder(tmp_path, data):
    assert len({make_run(tmp_path, data).path for _ in range(5)}) == 5


def test_a_checkpoint_brings_back_model_and_step(tmp_path, data):
    run = make_run(tmp_path, data)
    run.save(state(Model(0.5)), 30)
    model = Model()
    assert run.restore(state(model)) == 30
    assert model.get() == 0.5


def test_only_the_newest_checkpoints_are_kept(tmp_path, data):
    run = make_run(tmp_path, data)
    for step in (1, 20, 3, 100, 40):
        run.save(state(Model()), step)
    assert sorted(os.listdir(run.checkpoints)) == [
        "checkpoint-000000020",
        "checkpoint-000000040",
        "checkpoint-000000100",
    ]


def test_the_best_checkpoint_is_kept_and_loaded_first(tmp_path, data):
    run = make_run(tmp_path, data)
    assert run.best_step() is None
    for step, score in ((1, 0.5), (2, 0.9), (3, 0.7), (4, 0.9), (5, 0.6), (6, 0.8), (7, 0.8)):
        run.save(state(Model(step / 8)), step, score)
    assert run.best_step() == 4  # Of equals, the later.
    model = Model()
    assert run.restore(state(model), best=True) == 4 and model.get() == 4 / 8
    assert run.restore(state(model)) == 7 and model.get() == 7 / 8


def damage(run, step):
    next((run.checkpoints / f"checkpoint-{step:09d}").glob("*.data*")).write_bytes(b"")


def test_a_best_checkpoint_that_is_damaged_gives_way_to_the_next_best(tmp_path, data, capsys):
    run = make_run(tmp_path, data)
    for step, score in ((1, 0.9), (2, 0.7), (3, 0.5)):
        run.save(state(Model(step / 8)), step, score)
    damage(run, 1)
    assert run.restore(state(Model()), best=True) == 2
    assert "checkpoint-000000001 is damaged" in capsys.readouterr().err
    assert run.best_step() == 2


def test_a_score_that_is_no_number_never_wins(tmp_path, data):
    run = make_run(tmp_path, data)
    for step, score in ((1, 0.5), (2, float("nan")), (3, None)):
        run.save(state(Model()), step, score)
    assert run.best_step() == 1 and run.restore(state(Model()), best=True) == 1


def test_a_score_has_the_checksum_of_its_checkpoint(tmp_path, data, capsys):
    run = make_run(tmp_path, data)
    for step, score in ((1, 0.5), (2, 0.9), (3, 0.7)):
        run.save(state(Model()), step, score)
    best = run.checkpoints / "checkpoint-000000002"
    assert sorted(path.name for path in best.iterdir()) == [
        checkpoints.OWNER,
        "checkpoint.data-00000-of-00001",
        "checkpoint.index",
    ]
    file = next(best.glob("*.data*"))
    content = file.read_bytes()
    place = content.index(struct.pack("<f", 0.9))
    file.write_bytes(content[:place] + struct.pack("<f", 0.1) + content[place + 4 :])
    assert run.restore(state(Model()), best=True) == 3
    assert "checkpoint-000000002 is damaged" in capsys.readouterr().err


def test_a_checkpoint_without_a_score_inside_is_told_in_one_line(tmp_path, data):
    run = make_run(tmp_path, data)
    folder = run.checkpoints / "checkpoint-000000002"
    state(Model()).write(str(folder / "checkpoint"))
    (folder / "score.txt").write_text("0.9")
    (folder / checkpoints.OWNER).write_text(f"{run.id()} {folder.name}")
    assert run.best_step() is None
    with pytest.raises(UserError, match="made by another"):
        run.restore(state(Model()), best=True)


def test_damaged_checkpoints_do_not_push_out_whole_ones(tmp_path, data):
    run = make_run(tmp_path, data)
    for step in (20, 30, 40, 50):
        run.save(state(Model()), step, keep_every=20)
    for step in (30, 40, 50):
        damage(run, step)
    assert run.restore(state(Model())) == 20
    for step in (25, 30):
        run.save(state(Model(step / 32)), step)
        assert run.newest_step() == step
    model = Model()
    assert run.restore(state(model)) == 30 and model.get() == 30 / 32
    assert run.restore_exactly(state(model), 4, 5) == 20


def test_a_checkpoint_of_other_networks_is_told_in_one_line(tmp_path, data):
    class Larger(Model):
        def __init__(self):
            super().__init__()
            self.more = tf.Variable(1.0)

    run = make_run(tmp_path, data)
    run.save(state(Model()), 10)
    with pytest.raises(UserError, match="does not fit the networks of this version"):
        run.restore(state(Larger()))


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path, data, capsys, damage):
    run = make_run(tmp_path, data)
    run.save(state(Model(0.25)), 10)
    run.save(state(Model(0.5)), 20)
    file = next((run.checkpoints / "checkpoint-000000020").glob("*.data*"))
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "truncate":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "remove":
        file.unlink()
    else:
        for each in file.parent.iterdir():
            each.write_bytes(b"")
    model = Model()
    assert run.restore(state(model)) == 10
    assert model.get() == 0.25
    assert "checkpoint-000000020 is damaged" in capsys.readouterr().err


def test_a_run_without_a_whole_checkpoint_is_an_error(tmp_path, data):
    run = make_run(tmp_path, data)
    with pytest.raises(UserError, match="no checkpoint"):
        run.restore(state(Model()))


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, data, monkeypatch):
    run = make_run(tmp_path, data)
    run.save(state(Model(0.25)), 10)

    def fill_the_disk(folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "flush_to_disk", fill_the_disk)
    with pytest.raises(UserError, match="the disk is full; the checkpoint of step 10 is kept"):
        run.save(state(Model(0.5)), 20)
    model = Model()
    assert run.restore(state(model)) == 10
    assert model.get() == 0.25
    assert not list(run.checkpoints.glob("partial*"))


def test_other_folders_beside_the_checkpoints_do_no_harm(tmp_path, data):
    run = make_run(tmp_path, data)
    run.save(state(Model(0.25)), 10)
    for name in ("checkpoint-best", "checkpoint-000000010.bak"):
        (run.checkpoints / name).mkdir()
    run.save(state(Model(0.5)), 20)
    assert run.newest_step() == 20


def test_a_whole_checkpoint_is_not_taken_away_to_be_saved_again(tmp_path, data, monkeypatch):
    run = make_run(tmp_path, data)
    run.save(state(Model(0.25)), 10)
    monkeypatch.setattr(runs.tf.train.Checkpoint, "write", lambda *args: pytest.fail("written"))
    run.save(state(Model(0.25)), 10)
    assert run.newest_step() == 10


def test_a_run_without_a_checkpoint_does_not_hide_the_one_before(tmp_path, data):
    good = make_run(tmp_path, data)
    good.save(state(Model(0.25)), 10)
    make_run(tmp_path, data)
    assert open_run(results=tmp_path)[0].path == good.path


def test_a_run_that_ended_before_its_first_epoch_does_not_hide_the_one_before(tmp_path, data):
    good = make_run(tmp_path, data)
    good.save(state(Model(0.25)), 10)
    untrained = make_run(tmp_path, data)
    untrained.save(state(Model(0.25)), 0)
    assert open_run(results=tmp_path)[0].path == good.path
    assert open_run("--train", "--resume", results=tmp_path)[0].path == untrained.path


def test_a_folder_that_cannot_be_written_is_named(tmp_path, data):
    (tmp_path / "Results").write_text("a file where the folder should be")
    run, flags = open_run("--train", results=tmp_path / "Results")
    with pytest.raises(UserError, match="Results"):
        run.create("Autoencoder", options.to_flagfile(flags), data)


def test_the_newest_run_is_opened_and_its_flags_are_taken_over(tmp_path, data):
    make_run(tmp_path, data, "--z_dim=3")
    newest = make_run(tmp_path, data, "--z_dim=4")
    run, flags = open_run(results=tmp_path)
    assert run.path == newest.path
    assert flags.z_dim == 4


@pytest.mark.parametrize("words", [(), ("--train", "--resume")])
def test_a_prior_is_checked_with_the_z_dim_of_the_stored_run(words, tmp_path, data):
    prior = "--prior=swiss_roll"
    run, flags = open_part_2("--train", prior, results=tmp_path)
    run.create("Adversarial_Autoencoder", options.to_flagfile(flags), data)
    found, flags = open_part_2(prior, *words, results=tmp_path, z_dim=15)
    assert found.path == run.path and flags.z_dim == 2
    with pytest.raises(options.CommandLineError, match="z_dim 15 is odd"):
        open_part_2("--train", prior, results=tmp_path, z_dim=15)


def test_run_opens_the_named_run(tmp_path, data):
    named = make_run(tmp_path, data, "--z_dim=3")
    make_run(tmp_path, data, "--z_dim=4")
    run, flags = open_run(f"--run={named.path}", results=tmp_path)
    assert run.path == named.path
    assert flags.z_dim == 3


@pytest.mark.parametrize("words", [(), ("--train", "--resume")])
def test_no_run_there_is_an_error(tmp_path, words):
    with pytest.raises(UserError, match="there is no run in .*Autoencoder"):
        open_run(*words, results=tmp_path)


def test_a_folder_that_cannot_be_searched_is_told_in_one_line(tmp_path, data):
    run = make_run(tmp_path, data)
    with unsearchable(tmp_path):
        with pytest.raises(UserError, match="Autoencoder cannot be searched .Permission denied."):
            open_run(results=tmp_path)
        with pytest.raises(UserError, match="cannot be searched .Permission denied."):
            open_run(f"--run={run.path}", results=tmp_path)
        with pytest.raises(UserError, match="cannot write .*: permission .* missing; grant it"):
            with runs.saving(run.path):
                raise PermissionError(errno.EACCES, "Permission denied")


def test_a_folder_that_is_no_run_is_an_error(tmp_path):
    with pytest.raises(UserError, match="not a run's folder"):
        open_run(f"--run={tmp_path}", results=tmp_path)


def test_run_without_resume_does_not_train_over_a_run(tmp_path, data):
    run = make_run(tmp_path, data)
    with pytest.raises(UserError, match="--resume"):
        open_run("--train", f"--run={run.path}", results=tmp_path)


def test_a_run_of_another_part_is_an_error(tmp_path, data):
    run = make_run(tmp_path, data)
    with pytest.raises(UserError, match="a run of Autoencoder, not of Supervised"):
        open_run(f"--run={run.path}", name="Supervised", results=tmp_path)


def test_other_data_than_the_runs_are_an_error(tmp_path, data):
    run = make_run(tmp_path, data)
    finding.check_data(run, data)
    shuffled = type(data)(
        data.name, data.train[::-1], data.validation, data.test, data.n_classes, data.class_names
    )
    with pytest.raises(UserError, match="trained on other data: training images .* differ"):
        finding.check_data(run, shuffled)
    renamed = dataclasses.replace(data, class_names=("a", "b", "c"), test=data.test[::-1])
    with pytest.raises(UserError, match="other data: test images .*, names or factors .* differ"):
        finding.check_data(run, renamed)


def test_of_a_run_that_knows_its_training_images_alone_these_are_compared(tmp_path, data, capsys):
    run = make_run(tmp_path, data)
    finding.check_data(run, data)
    assert capsys.readouterr().err == ""
    first = data.fingerprint.split("; ")[0]  # As version 0.1 wrote it.
    run.flagfile.write_text(run.flagfile.read_text().replace(data.fingerprint, first))
    finding.check_data(run, dataclasses.replace(data, test=data.test[::-1]))
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1 and "noted its training images alone" in warning
    with pytest.raises(UserError, match="trained on other data"):
        finding.check_data(run, dataclasses.replace(data, train=data.train[::-1]))


def test_an_exported_model_takes_the_place_of_the_one_before(tmp_path, data):
    run = make_run(tmp_path, data)
    run.export({"encoder": Model(0.25).encoder})
    run.export({"encoder": Model(0.5).encoder})
    assert os.listdir(run.checkpoints) == ["encoder.keras"]
    encoder = keras.models.load_model(run.checkpoints / "encoder.keras")
    np.testing.assert_array_equal(encoder.predict(np.ones([1, 3]), verbose=0), [[2.0, 2.0]])


def test_exported_networks_are_loaded_by_name(tmp_path, data):
    run = make_run(tmp_path, data)
    with pytest.raises(UserError, match="encoder.keras cannot be read"):
        run.load()
    run.export({"encoder": Model(0.25).encoder, "decoder": Model(0.5).decoder})
    encoder, decoder = run.load()
    assert encoder.get_weights()[0][0, 0] == 0.25 and decoder.get_weights()[0][0, 0] == 0.5
    (decoder,) = run.load("decoder")
    assert decoder.get_weights()[0][0, 0] == 0.5


def test_a_moved_run_is_still_a_run(tmp_path, data):
    run = make_run(tmp_path, data)
    run.save(state(Model(0.25)), 10)
    moved = pathlib.Path(shutil.move(run.path, tmp_path / "elsewhere"))
    assert open_run(f"--run={moved}", results=tmp_path)[0].restore(state(Model())) == 10


def test_chosen_epochs_are_kept_as_well(tmp_path, data):
    run = make_run(tmp_path, data)
    for step in range(10, 90, 10):
        run.save(state(Model(step / 128)), step, keep_every=20)
    kept = sorted(int(name.split("-")[1]) for name in os.listdir(run.checkpoints))
    assert kept == [20, 40, 60, 70, 80]
    model = Model()
    assert run.restore_exactly(state(model), epoch=4, steps_per_epoch=10) == 40
    assert model.get() == 40 / 128
    with pytest.raises(UserError, match="--epoch=3 was not kept .* epochs 2, 4, 6, 7, 8"):
        run.restore_exactly(state(model), epoch=3, steps_per_epoch=10)
    next((run.checkpoints / "checkpoint-000000040").glob("*.data*")).write_bytes(b"")
    with pytest.raises(UserError, match="checkpoint-000000040 is damaged"):
        run.restore_exactly(state(model), epoch=4, steps_per_epoch=10)


def test_the_newest_run_is_the_one_created_last_whatever_it_is_called(tmp_path, data):
    _, newer = (make_run(tmp_path, data) for _ in range(2))
    newer.path.rename(newer.path.with_name("1999-" + newer.path.name[5:]))
    assert open_run(results=tmp_path)[0].path.name.startswith("1999-")


def test_a_run_whose_name_cannot_be_printed_is_refused_in_one_line(tmp_path, data):
    run = make_run(tmp_path, data)
    run.path.rename(run.path.with_name("a\n\x1b[2Jb"))
    with pytest.raises(UserError, match=r"a\\n\\x1b\[2Jb cannot be printed"):
        open_run(results=tmp_path)


def test_a_clock_that_was_set_back_does_not_hide_the_newest_run(tmp_path, data):
    first = make_run(tmp_path, data)
    text = first.flagfile.read_text()
    first.flagfile.write_text(text.replace(first.created(), "2999-12-31T23:59:59.000000Z"))
    second = make_run(tmp_path, data)
    assert second.created() == "2999-12-31T23:59:59.000001Z"
    assert open_run(results=tmp_path)[0].path == second.path


def make_older(run):
    """As earlier versions left a run: without the lines and the file that they did not know."""
    lines = run.flagfile.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("# created", "# checksum"))]
    run.flagfile.write_text("".join(kept))
    for path in run.checkpoints.glob(f"*/{checkpoints.OWNER}"):
        path.unlink()


def test_runs_of_earlier_versions_are_ordered_by_their_names_and_load(tmp_path, data):
    made = [make_run(tmp_path, data) for _ in range(3)]
    for k, run in enumerate(made):
        run.save(state(Model(k / 8)), 10)
    for run in made[:2]:
        make_older(run)
    assert open_run(results=tmp_path)[0].path == made[2].path
    shutil.rmtree(made[2].path)
    found, model = open_run(results=tmp_path)[0], Model()
    assert found.path == made[1].path
    assert found.restore(state(model)) == 10 and model.get() == 1 / 8


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("--seed=0\n", ""),
        lambda text: text.replace("--seed=0\n", "--seed=1\n"),
        lambda text: text + "--seed=1\n",
        lambda text: text[: text.index("# checksum")],
        lambda text: text[: text.index("--seed")],
        lambda text: text.replace("# checksum: ", "# checksum: 0"),
    ],
)
def test_flags_that_were_edited_or_cut_are_refused_in_one_line(change, tmp_path, data):
    run = make_run(tmp_path, data)
    run.flagfile.write_text(change(run.flagfile.read_text()))
    with pytest.raises(UserError, match="is not as the run wrote it .edited or cut.") as told:
        open_run(results=tmp_path)
    assert "\n" not in str(told.value)


def test_flags_with_line_ends_of_another_system_are_the_same(tmp_path, data):
    run = make_run(tmp_path, data)
    run.flagfile.write_bytes(run.flagfile.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert open_run(results=tmp_path)[0].path == run.path


def test_a_checkpoint_of_another_run_is_refused_in_one_line(tmp_path, data):
    run, other = make_run(tmp_path, data), make_run(tmp_path, data, "--seed=1")
    for each in (run, other):
        each.save(state(Model(0.5)), 10)
    foreign = run.checkpoints / "checkpoint-000000020"
    other.save(state(Model(0.5)), 20)
    shutil.copytree(other.checkpoints / foreign.name, foreign)
    for best in (False, True):
        with pytest.raises(UserError, match="checkpoint-000000020 is not of this run: move it"):
            run.restore(state(Model()), best)
    (foreign / checkpoints.OWNER).unlink()
    with pytest.raises(UserError, match="checkpoint-000000020 is not of this run"):
        run.restore_exactly(state(Model()), 2, 10)


def test_a_checkpoint_with_another_step_s_name_is_refused_in_one_line(tmp_path, data):
    run = make_run(tmp_path, data)
    run.save(state(Model(0.5)), 10)
    (run.checkpoints / "checkpoint-000000010").rename(run.checkpoints / "checkpoint-000000040")
    told = "000000040 was saved as checkpoint-000000010: give it its name back"
    with pytest.raises(UserError, match=told):
        run.restore(state(Model()))


@pytest.fixture
def readable(data):
    """A run with a checkpoint, in a folder that everybody may search."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        run = make_run(pathlib.Path(folder), data)
        run.save(state(Model(0.5)), 10)
        yield run


@pytest.mark.parametrize("name", [".", "..", "Saved_models", "flags.txt"])
def test_a_missing_permission_is_told_as_such(name, readable):
    path = (readable.path / name).resolve()
    path.chmod(0)
    results = readable.path.parent.parent
    try:
        for words in ([], [f"--run={readable.path}"]):
            told = pytest.raises(UserError, match="cannot .*Permission denied.*grant")
            with as_nobody(), told as caught:
                open_run(*words, results=results)[0].newest_step()
            assert "\n" not in str(caught.value)
    finally:
        path.chmod(0o755)


@pytest.mark.parametrize("best", [False, True])
def test_a_checkpoint_that_may_not_be_read_is_not_taken_for_a_damaged_one(best, readable):
    readable.checkpoints.chmod(0o777)  # To put it aside would be allowed.
    next(readable.checkpoints.glob("*/*.index")).chmod(0)
    with as_nobody(), pytest.raises(UserError, match="index cannot be read .Permission denied."):
        readable.restore(state(Model()), best)
    assert readable.newest_step() == 10


@pytest.mark.parametrize(
    "content", ["", "null", "7", "[1]", '{"cpus": 2}', "[[]", "[" * 100_000, '["a"]']
)
def test_machines_of_another_shape_are_told_and_written_anew(content, tmp_path, data, capsys):
    run = make_run(tmp_path, data)
    run.machines.write_text(content)
    assert machines.note(run, {"cpus": 2}) is None
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and told.startswith(f"Warning: {run.machines} is damaged (")
    assert machines.note(run, {"cpus": 3}) == "cpus 2 → 3"


def test_what_other_machines_wrote_of_themselves_is_told_in_one_line(tmp_path, data):
    run = make_run(tmp_path, data)
    run.machines.write_text('[{"cpus": "2\\n\\u001b[2J"}]')
    assert machines.note(run, {"cpus": 3}) == r"cpus 2\n\x1b[2J → 3"
