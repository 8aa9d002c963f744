"""`benchmarks/reproduce.py`, mostly over a script that pretends to train and takes no time."""

import fcntl
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import part1_autoencoder
import part2_aae
import part3_style_content
import part4_semisupervised
from adversarial_autoencoder import options
from adversarial_autoencoder.system.errors import UserError

import pytest
import reproduce
from conftest import ROOT, SMALL

# Keeps to what reproduce.py relies on: the run's folder, its checkpoints, signals, exit codes.
PRETENDER = """
import json, os, pathlib, signal, sys, time

here = pathlib.Path(__file__).parent
words = dict(word.lstrip("-").partition("=")[::2] for word in sys.argv[1:])
with open(here / "calls.txt", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
mode = (here / "mode.txt").read_text()
seed = int(words["seed"])


def save(step):
    (run / "Saved_models" / f"checkpoint-{step:09d}").mkdir(parents=True, exist_ok=True)


if "train" in words:
    run = pathlib.Path(words["results_dir"], "Fake", str(time.time_ns())) if "run" not in words \\
        else pathlib.Path(words["run"])
    run.mkdir(parents=True, exist_ok=True)
    data = "others" if mode == f"other data for seed {seed}" else "these"
    (run / "flags.txt").write_text(f"# data: {data}\\n--dataset={data}\\n--seed={seed}\\n")
    if mode == "killed unsaved":
        os.kill(os.getpid(), signal.SIGKILL)
    save(0)
    if mode == "wait for the other":
        cores = sorted(os.sched_getaffinity(0))
        (here / f"cores_{seed}.txt").write_text(json.dumps(cores))
        start = time.monotonic()
        while len(list(here.glob("cores_*.txt"))) < 2:
            time.sleep(0.01)
            if time.monotonic() - start > 60:
                sys.exit(1)
    if mode == "wait for a signal":
        received = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: received.append(number))
        (here / "partial").write_text(str(os.getpid()))
        (here / "partial").rename(here / "waiting")
        start = time.monotonic()
        while not received and time.monotonic() - start < 60:
            time.sleep(0.01)
        time.sleep(0.3)
        (here / "received.txt").write_text(json.dumps(received))
        save(5)
        sys.exit(128 + received[0])
    if mode == "fail":
        sys.exit(1)
    save(10)
else:
    metrics = {"dataset": "fake", "commit": "c0ffee", "test_error": [0.1, 0.2, 0.6][seed],
               "test_error_standard_error": 0.5, "classifier_accuracy": 0.9945}
    pathlib.Path(words["run"], "metrics.json").write_text(json.dumps(metrics))
"""


# Starts reproduce.py as a process of its own, its scripts those of the folder given first.
STARTER = f"""
import pathlib, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "benchmarks")!r}]
import reproduce
from adversarial_autoencoder import options
reproduce.ROOT = pathlib.Path(sys.argv.pop(1))
options.exit_on_user_error(reproduce.main)
"""


class Setting:
    """The pretender, a recipe for it, and what was called."""

    def __init__(self, folder):
        self.folder, self.results = folder, folder / "results"
        self.recipe = folder / "recipes" / "fake" / "small.txt"
        self.mode("")
        (folder / "fake.py").write_text(PRETENDER)
        self.recipe.parent.mkdir(parents=True)
        self.recipe.write_text("# A recipe\n# seeds: 0, 1, 2\n--z_dim=3\n")

    def command(self):
        return [sys.executable, "-c", STARTER, str(self.folder), *self.words()[1:]]

    def words(self, *more, seeds="0,1,2"):
        own = [f"--recipe={self.recipe}", f"--results_dir={self.results}", f"--seeds={seeds}"]
        return ["reproduce.py", *own, *more]

    def reproduce(self, *more, seeds="0,1,2"):
        reproduce.main(self.words(*more, seeds=seeds))

    def mode(self, name):
        (self.folder / "mode.txt").write_text(name)

    def calls(self):
        """The words of each call since the last time."""
        path = self.folder / "calls.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def seed(self, number):
        return self.results / "reproduce" / "fake" / "small" / f"seed_{number}"

    def run(self, number):
        (run,) = (path.parent for path in self.seed(number).glob("*/*/flags.txt"))
        return run

    def waiting(self):
        """The id of the process that waits for a signal."""
        return int((self.folder / "waiting").read_text())

    def signal_when_it_waits(self, send):
        self.mode("wait for a signal")
        deadline = time.monotonic() + 120
        while not (self.folder / "waiting").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        send()


@pytest.fixture
def setting(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    return Setting(tmp_path)


def test_the_table_has_mean_and_sample_standard_deviation_and_each_seed(setting, capsys):
    setting.reproduce()
    printed = capsys.readouterr().out
    assert "| measure | mean ± sd | seed 0 | seed 1 | seed 2 |\n| --- | --- | --- |" in printed
    assert "| test_error | 0.3 ± 0.26 | 0.1 | 0.2 | 0.6 |" in printed  # sqrt(0.07) = 0.2646
    assert "| classifier_accuracy | 0.9945 ± 0 | 0.9945 | 0.9945 | 0.9945 |" in printed
    assert "| minutes of training | 0.0" in printed
    assert "standard_error" not in printed
    assert printed.endswith("\nData set: fake. Commit: c0ffee.\n")


def test_one_seed_has_a_value_and_no_deviation(setting, capsys):
    setting.reproduce(seeds="2")
    assert "| test_error | 0.6 | 0.6 |" in capsys.readouterr().out


def test_a_figure_that_not_every_seed_has_has_no_mean():
    assert "| a | – | 1 | – |" in reproduce.table({0: {"a": 1.0}, 1: {"b": 2.0}})


def test_the_script_gets_the_recipe_the_seed_and_the_flags_that_are_passed_on(setting):
    setting.reproduce("--data_dir", "some where", "--n_epochs=1", seeds="1")
    train, evaluate = setting.calls()
    asked = ["--z_dim=3", "--data_dir", "some where", "--n_epochs=1", "--seed=1"]
    assert train == [*asked, "--train", f"--results_dir={setting.seed(1)}"]
    # The classifier that measures is looked for where all seeds find it.
    found = [f"--run={setting.run(1)}", f"--results_dir={setting.results}"]
    assert evaluate == [*asked, "--evaluate", *found]


def test_a_seed_that_is_finished_and_measured_is_not_called_again(setting, capsys):
    setting.reproduce(seeds="0,1")
    assert len(setting.calls()) == 4
    table = capsys.readouterr().out.split("\n\n", 2)[-1]
    setting.reproduce(seeds="0,1")
    assert setting.calls() == []
    assert capsys.readouterr().out.strip() in table
    setting.reproduce()
    assert all("--seed=2" in call for call in setting.calls())


def test_a_seed_that_was_trained_only_is_measured_later_and_after_its_figures_were_deleted(
    setting, capsys
):
    setting.reproduce("--noevaluate", seeds="0")
    assert [call[2] for call in setting.calls()] == ["--train"]
    assert "| minutes of training |" in capsys.readouterr().out
    for _ in range(2):
        setting.reproduce(seeds="0")
        assert [call[2] for call in setting.calls()] == ["--evaluate"]
        (setting.run(0) / "metrics.json").unlink()


def test_figures_that_were_measured_before_the_training_ended_are_measured_again(setting):
    setting.mode("fail")
    with pytest.raises(UserError):
        setting.reproduce(seeds="0")
    (setting.run(0) / "metrics.json").write_text("{}")
    setting.mode("")
    setting.reproduce(seeds="0")
    assert json.loads((setting.run(0) / "metrics.json").read_text())["test_error"] == 0.1


def test_a_seed_whose_script_fails_is_told_and_goes_on_later(setting):
    setting.mode("fail")
    with pytest.raises(UserError, match=r"^seed 0: fake.py ended with exit code 1, see above"):
        setting.reproduce()
    assert len(setting.calls()) == 1
    notes = setting.seed(0) / "reproduce.json"
    content = json.loads(notes.read_text())
    content["minutes"]["train"] += 100
    notes.write_text(json.dumps(content))
    setting.mode("")
    setting.reproduce()
    train = setting.calls()[0]
    assert train[2:] == ["--train", "--resume", f"--run={setting.run(0)}"]
    assert 100 < json.loads(notes.read_text())["minutes"]["train"] < 102


def test_a_run_that_was_killed_before_its_first_checkpoint_does_not_block(setting):
    setting.mode("killed unsaved")
    with pytest.raises(UserError, match="exit code -9"):
        setting.reproduce(seeds="0")
    setting.mode("")
    setting.reproduce("--n_epochs=7", seeds="0")  # Nothing is there to be mixed with.
    assert all("--resume" not in call for call in setting.calls())


def test_of_two_runs_in_a_seed_s_folder_the_one_created_last_counts(tmp_path):
    for name, day in (("b", 1), ("a", 2)):
        run = tmp_path / "seed_0" / "Fake" / name
        (run / "Saved_models" / "checkpoint-000000000").mkdir(parents=True)
        (run / "flags.txt").write_text(f"# created: 2026-01-0{day}T00:00:00.000000Z\n")
    assert reproduce.Seed(0, tmp_path, "fake.py", []).run().path.name == "a"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_signals_are_passed_on_and_the_same_command_goes_on(sent, setting, capsys, monkeypatch):
    def ended_without_being_passed_on(number, frame):
        raise AssertionError

    before = signal.signal(sent, ended_without_being_passed_on)
    monkeypatch.setattr(sys, "argv", setting.words())
    setting.mode("wait for a signal")
    thread = threading.Thread(
        target=setting.signal_when_it_waits, args=[lambda: os.kill(os.getpid(), sent)]
    )
    thread.start()
    with pytest.raises(SystemExit) as stop:
        setting.reproduce()
    thread.join()
    assert signal.signal(sent, before) is ended_without_being_passed_on
    assert stop.value.code == 128 + sent
    assert json.loads((setting.folder / "received.txt").read_text()) == [sent]
    told = f"To go on, the same command again: python {shlex.join(setting.words())}\n"
    assert capsys.readouterr().out.endswith(told)
    assert len(setting.calls()) == 1

    setting.mode("")
    setting.reproduce()
    assert [("--resume" in call, call[1]) for call in setting.calls()] == [
        (True, "--seed=0"),
        (False, "--seed=0"),
        *[(False, "--seed=1")] * 2,
        *[(False, "--seed=2")] * 2,
    ]


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system binds to no cores")
def test_two_jobs_train_side_by_side_on_cores_of_their_own(setting, capsys):
    cores = sorted(os.sched_getaffinity(0))
    setting.mode("wait for the other")
    setting.reproduce("--jobs=2")
    assert "| test_error | 0.3 ± 0.26 | 0.1 | 0.2 | 0.6 |" in capsys.readouterr().out
    assert len(setting.calls()) == 6
    taken = [json.loads((setting.folder / f"cores_{k}.txt").read_text()) for k in (0, 1)]
    if len(cores) > 1:
        assert not set(taken[0]) & set(taken[1])
        assert sorted(taken[0] + taken[1]) == cores
    setting.reproduce("--jobs=2")
    assert not setting.calls()


def test_where_one_of_two_jobs_fails_the_others_are_not_begun(setting):
    setting.mode("fail")
    with pytest.raises(UserError, match="seed [01]: .* exit code 1"):
        setting.reproduce("--jobs=2")
    assert {call[1] for call in setting.calls()} <= {"--seed=0", "--seed=1"}


def test_where_there_is_no_hangup_signal_the_others_are_passed_on(monkeypatch):
    monkeypatch.delattr(signal, "SIGHUP")  # As on Windows.
    jobs = reproduce.Jobs(1)
    with jobs.signals_passed_on():
        os.kill(os.getpid(), signal.SIGTERM)
    assert jobs.received == [signal.SIGTERM]


def test_ctrl_c_in_a_terminal_reaches_the_script_once(setting):
    setting.mode("wait for a signal")
    process = subprocess.Popen(
        setting.command(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    groups = []

    def press_ctrl_c():  # A terminal sends it to all processes of the group.
        groups.append(os.getpgid(setting.waiting()))
        os.killpg(process.pid, signal.SIGINT)

    setting.signal_when_it_waits(press_ctrl_c)
    out, err = process.communicate(timeout=120)
    assert json.loads((setting.folder / "received.txt").read_text()) == [signal.SIGINT]
    assert groups != [process.pid]  # Two signals that come close together are one.
    assert process.returncode == 130
    assert "To go on, the same command again" in out and "Traceback" not in err


def test_other_flags_than_a_seed_was_trained_with_are_refused_before_anything_is_trained(setting):
    setting.reproduce("--n_epochs=1", seeds="1")
    setting.calls()
    with pytest.raises(UserError, match=r"seed_1 was asked .* differ in --n_epochs=1: delete it"):
        setting.reproduce()
    setting.recipe.write_text(setting.recipe.read_text().replace("z_dim=3", "z_dim=4"))
    with pytest.raises(UserError, match="differ in --z_dim=3 --z_dim=4: delete it"):
        setting.reproduce("--n_epochs=1")
    assert setting.calls() == []
    setting.reproduce(f"--results_dir={setting.folder}/others")
    assert len(setting.calls()) == 6


def test_another_comment_is_not_another_recipe(setting):
    setting.reproduce(seeds="0")
    setting.calls()
    setting.recipe.write_text(setting.recipe.read_text() + "\n# Reaches 99%.\n")
    setting.reproduce(seeds="0")
    assert setting.calls() == []


def test_seeds_trained_on_different_data_have_no_mean(setting, capsys):
    setting.mode("other data for seed 1")
    with pytest.raises(UserError, match="seed_1 was not trained like .*: others; # data: these"):
        setting.reproduce()
    assert "mean" not in capsys.readouterr().out
    shutil.rmtree(setting.seed(1))
    setting.mode("")
    setting.reproduce()


def test_a_seed_that_another_process_trains_is_left_alone(setting):
    setting.reproduce(seeds="0")
    setting.calls()
    with open(setting.seed(0) / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="seed_0 is in use"):
            setting.reproduce(seeds="0")
    assert setting.calls() == []


def test_a_training_that_outlives_a_killed_process_keeps_its_seed(setting):
    setting.mode("wait for a signal")
    process = subprocess.Popen(setting.command(), stdout=subprocess.DEVNULL)
    setting.signal_when_it_waits(process.kill)
    process.wait()
    with pytest.raises(UserError, match="seed_0 is in use"):
        setting.reproduce()
    os.kill(setting.waiting(), signal.SIGKILL)
    setting.mode("fail")
    with pytest.raises(UserError, match="was asked for with other flags"):
        setting.reproduce("--n_epochs=7")


def test_all_recipes_are_listed_with_their_minutes_and_nothing_is_trained(tmp_path, capsys):
    reproduce.main(["reproduce.py", "--all", "--dry_run", f"--results_dir={tmp_path}"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        f"{path.parent.name}/{path.stem}" for path in sorted((ROOT / "recipes").glob("*/*.txt"))
    ]
    (part1,) = (line for line in lines if line.startswith("part1_autoencoder/default"))
    assert "8, one core" in part1 and part1.endswith("an autoencoder with a 2-D code")
    assert not any("not noted" in line for line in lines)
    assert not list(tmp_path.iterdir())


def test_one_recipe_or_all_are_asked_for():
    for words in ([], ["--all", "--recipe=recipes/part1_autoencoder/default.txt"]):
        with pytest.raises(UserError, match="or else --all"):
            reproduce.main(["reproduce.py", *words])


def test_a_recipe_in_a_folder_that_names_no_script_is_told(setting):
    setting.recipe = setting.recipe.rename(setting.folder / "small.txt")
    with pytest.raises(UserError, match=r"no script \S+.py; a recipe is recipes/<script>/"):
        setting.reproduce()
    assert not setting.results.exists()


def test_a_script_is_found_in_experiments_as_well(setting):
    (setting.folder / "experiments").mkdir()
    (setting.folder / "fake.py").rename(setting.folder / "experiments" / "fake.py")
    assert reproduce.script_of(setting.recipe) == "experiments/fake.py"


def test_seeds_are_those_of_the_recipe_where_none_are_given(setting, capsys):
    setting.recipe.write_text("# A recipe\n# seeds: 1, 2\n--z_dim=3\n")
    reproduce.main([word for word in setting.words() if not word.startswith("--seeds")])
    assert "| test_error | 0.4 ± 0.28 | 0.2 | 0.6 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, told",
    [
        (["--recipe=nowhere.txt"], "nowhere.txt cannot be read"),
        (["--recipe="], "--recipe"),
        (["--seeds=0,0"], "--seeds=0,0"),
        (["--seeds=0,-1"], "--seeds=0,-1"),
        (["--seeds="], "--seeds="),
        (["--evaluate=maybe"], "maybe"),
        (["--seed=3"], "--seed=3"),
        (["--notrain"], "--notrain"),
        (["--run", "somewhere"], "--run"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_told_in_one_line(
    words, told, setting, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", setting.words(*words))
    with pytest.raises(SystemExit) as end:
        options.exit_on_user_error(reproduce.main)
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("reproduce: ") and told in line
    assert not setting.results.exists()


@pytest.mark.parametrize("recipe", (ROOT / "recipes").rglob("*.txt"), ids=lambda p: p.parent.name)
def test_every_recipe_has_a_script_its_command_and_its_fields(recipe):
    script, words, fields = reproduce.read_recipe(recipe, [])
    assert words and fields.keys() == {"title", *reproduce.FIELDS}
    assert reproduce.seed_numbers(fields["seeds"].split(","))
    command = recipe.read_text().splitlines()[1]
    assert command.startswith(f"# python {script} --train ")
    assert f"--flagfile={recipe.relative_to(ROOT)}" in command.split()


def test_part_1_is_trained_and_measured_and_not_trained_again(npz, tmp_path, capfd):
    recipe = tmp_path / "part1_autoencoder" / "tiny.txt"
    recipe.parent.mkdir()
    recipe.write_text("\n".join(SMALL))
    words = [f"--recipe={recipe}", f"--results_dir={tmp_path}", "--seeds=5", f"--dataset={npz}"]
    reproduce.main(["reproduce.py", *words])
    table = capfd.readouterr().out.split("\n\n")[-2]
    (run,) = (tmp_path / "reproduce/part1_autoencoder/tiny/seed_5/Autoencoder").iterdir()
    error = json.loads((run / "metrics.json").read_text())["reconstruction_mse"]
    assert f"| reconstruction_mse | {error:.4g} | {error:.4g} |" in table
    assert "--seed=5\n" in (run / "flags.txt").read_text()
    assert (run / "Saved_models" / "checkpoint-000000022").is_dir()

    reproduce.main(["reproduce.py", *words])
    assert capfd.readouterr().out.split("\n\n")[-2].strip() == table.strip()
    assert len(list(run.parent.iterdir())) == 1


@pytest.mark.parametrize(
    "script", [part1_autoencoder, part2_aae, part3_style_content, part4_semisupervised]
)
def test_the_series_recipes_leave_no_default_of_ours_in_force(script):
    name = pathlib.Path(script.__file__).stem
    _, words, _ = reproduce.read_recipe(ROOT / "recipes" / name / "series.txt", [])
    given = {word.lstrip("-").partition("=")[0] for word in words}
    missing = [name for name in script.DEFAULTS if not {name, f"no{name}"} & given]
    assert not missing


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"asked": []}', '{"asked": [], "minutes": {}, "done": []}', "[" * 9999],
)
def test_notes_that_cannot_be_read_are_told_in_one_line(text, setting):
    setting.reproduce(seeds="0")
    file = next(setting.results.rglob("reproduce.json"))
    file.write_text(text)
    with pytest.raises(UserError, match="reproduce.json is damaged .*: delete it"):
        setting.reproduce(seeds="0")


@pytest.mark.parametrize("text", ["", "[]", "null"])
def test_figures_that_cannot_be_read_are_told_in_one_line(text, setting):
    setting.reproduce(seeds="0")
    (setting.run(0) / "metrics.json").write_text(text)
    with pytest.raises(UserError, match="metrics.json is damaged .*: delete it"):
        setting.reproduce(seeds="0")


@pytest.fixture
def published(setting, monkeypatch):
    """Returns the entries of a file in place of results.json, by recipe and measure."""
    file = setting.folder / "results.json"
    monkeypatch.setattr(reproduce.results, "FILE", file)
    measures = {"test_error": {"name": "test error", "percent": True}, "other": {"name": "other"}}
    old = {"recipe": "fake/small", "measure": "test_error", "mean": 0.5, "deviation": None}
    old |= {
        "seeds": [7],
        "chosen_on": "validation images",
        "goal": {"at most": 0.2},
        "data": "fake",
    }

    def read(*entries):
        if entries:
            content = {"measures": measures, "results": list(entries)}
            file.write_text(reproduce.results.dump(content))
        found = reproduce.results.load(file)["results"]
        return {(entry["recipe"], entry["measure"]): entry for entry in found}

    read.old = old
    return read


def test_what_was_measured_is_recorded_and_what_was_not_measured_stays(setting, published):
    published(published.old, published.old | {"recipe": "fake/other"})
    setting.reproduce("--record", "--data_dir", "somewhere")
    found = published()
    assert found["fake/other", "test_error"]["mean"] == 0.5 and len(found) == 2
    entry = found["fake/small", "test_error"]
    assert (entry["mean"], entry["deviation"]) == (0.3, 0.26)
    assert entry["values"] == [0.1, 0.2, 0.6] and entry["seeds"] == [0, 1, 2]
    assert entry["commit"] == "c0ffee" and entry["goal"] == {"at most": 0.2}
    assert entry["chosen_on"] == "validation images"


def test_further_flags_make_another_row_and_one_seed_has_the_standard_error(setting, published):
    published(published.old)
    setting.reproduce("--record", "--n_epochs=1", seeds="1")
    found = published()
    assert found["fake/small", "test_error"]["mean"] == 0.5
    entry = found["fake/small --n_epochs=1", "test_error"]
    assert (entry["mean"], entry["deviation"]) == (0.2, 0.5)


def test_figures_of_other_data_do_not_replace_published_ones(setting, published):
    published(published.old | {"data": "mnist"})
    with pytest.raises(UserError, match="fake/small was measured with mnist, not fake"):
        setting.reproduce("--record")
    assert published()["fake/small", "test_error"]["mean"] == 0.5
