import importlib
import re
import subprocess
import sys

from adversarial_autoencoder import options, training
from adversarial_autoencoder.system.errors import UserError

import pytest
from conftest import ROOT

SCRIPTS_THAT_REFUSE_SOME = (
    "classifier",
    "disentangling_factors",
    "label_regularized_aae",
    "variational_style",
)


def parse(*words, **defaults):
    return options.parse(
        ["part2_aae.py", *words], "About.", defaults, options.define_regularization
    )


@pytest.mark.parametrize(
    "words, trains",
    [
        ([], False),
        (["--train"], True),
        (["--train", "True"], True),
        (["--train", "False"], False),
        (["--train", "false", "--z_dim=3"], False),
        (["--train=false"], False),
        (["--notrain"], False),
    ],
)
def test_train_means_what_it_says(words, trains):
    assert parse(*words).train is trains


@pytest.mark.parametrize(
    "words, told",
    [
        (["True"], "True"),
        (["--train", "maybe"], "maybe"),
        (["z_dim=3"], "z_dim=3"),
        (["--zdim=3"], "zdim"),
        (["--z_dim=0"], "z_dim"),
        (["--z_dim=two"], "z_dim"),
        (["--learning_rate=-0.1"], "learning_rate"),
        (["--learning_rate=nan"], "learning_rate"),
        (["--beta1=1"], "beta1"),
        (["--noise_stddev=-0.1"], "is not a number in the range [0, 1000000.0]"),
        (["--n_images=-1"], "n_images"),
        (["--prior_stddev=0"], "prior_stddev"),
        (["--prior=banana"], "banana"),
        (["--precision=float8"], "float8"),
        (["--learning_rate_drops=30,20"], "learning_rate_drops"),
        (["--learning_rate_drops=soon"], "learning_rate_drops"),
        (["--flagfile=nowhere.txt"], "nowhere.txt"),
        (["--resume"], "--train"),
    ],
)
def test_what_is_not_understood_is_named_in_one_line(words, told):
    with pytest.raises(options.CommandLineError) as error:
        parse(*words)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_standard_deviation_is_refused_with_a_prior_that_has_none(tmp_path):
    told = "--prior_stddev has no effect on --prior=swiss_roll: omit it"
    for words in (["--prior_stddev=1"], ["-prior_stddev", "5"]):
        assert parse("--train", *words).prior_stddev in (1, 5)
        with pytest.raises(options.CommandLineError, match=told):
            parse("--train", "--prior=swiss_roll", *words)
    # In a flag file it may stand for another prior.
    (tmp_path / "recipe.txt").write_text("--prior=gaussian\n--prior_stddev=1\n")
    parse("--train", f"--flagfile={tmp_path}/recipe.txt", "--prior=swiss_roll")


def test_a_script_has_defaults_of_its_own():
    assert parse(z_dim=15).z_dim == 15
    assert parse("--z_dim=4", z_dim=15).z_dim == 4


def test_flag_files_repeat_a_run(tmp_path):
    flags = parse("--z_dim=4", "--learning_rate_drops=2,3", "--seed=7", "--train")
    flagfile = tmp_path / "flags.txt"
    flagfile.write_text("# a comment\n" + "\n".join(options.to_flagfile(flags)))
    again = parse(f"--flagfile={flagfile}")
    assert (again.z_dim, again.learning_rate_drops, again.seed) == (4, ["2", "3"], 7)
    assert not again.train
    assert options.to_flagfile(again) == options.to_flagfile(flags)


@pytest.mark.parametrize("script", SCRIPTS_THAT_REFUSE_SOME)
def test_a_runs_flags_repeat_it_in_a_script_that_refuses_some(script, tmp_path, monkeypatch):
    main, parsed = importlib.import_module(f"experiments.{script}").main, []
    monkeypatch.setattr(training, "main", lambda model_class, flags: parsed.append(flags))
    main([script, "--train", "--seed=7"])
    lines = options.to_flagfile(parsed[0])
    (tmp_path / "flags.txt").write_text("\n".join(lines))
    main([script, "--train", f"--flagfile={tmp_path}/flags.txt"])
    assert options.to_flagfile(parsed[1]) == lines


def test_a_stored_runs_flags_are_taken_over():
    stored = options.to_flagfile(parse("--z_dim=4", "--prior_stddev=2"))
    flags = parse("--show")
    options.adopt(flags, stored, "flags.txt")
    assert (flags.z_dim, flags.prior_stddev, flags.show) == (4, 2.0, True)


def test_a_flag_that_contradicts_the_stored_run_is_named():
    stored = options.to_flagfile(parse("--z_dim=4"))
    options.adopt(parse("--z_dim=4"), stored, "flags.txt")
    with pytest.raises(UserError, match="--z_dim=5 contradicts .* --z_dim=4"):
        options.adopt(parse("--z_dim=5"), stored, "flags.txt")


def test_auto_does_not_contradict_the_data_it_came_to():
    flags = parse("--dataset=auto")
    options.adopt(flags, ["--dataset=glyphs"], "flags.txt")
    assert flags.dataset == "glyphs"


def test_where_the_data_lie_is_remembered_and_may_change():
    stored = ["--dataset=/old/x.npz", "--data_dir=/old"]
    flags = parse()
    options.adopt(flags, stored, "flags.txt")
    assert (flags.dataset, flags.data_dir) == ("/old/x.npz", "/old")
    flags = parse("--dataset=/new/x.npz", "--data_dir=/new")
    options.adopt(flags, stored, "flags.txt")
    assert (flags.dataset, flags.data_dir) == ("/new/x.npz", "/new")


def test_a_stored_flag_of_another_script_is_an_error():
    with pytest.raises(UserError, match="n_clowns"):
        options.adopt(parse(), ["--n_clowns=3"], "flags.txt")


def test_a_flag_that_the_script_no_longer_has_is_passed_over_where_it_had_no_effect(tmp_path):
    former = ["--encoder=deterministic", "--pixel_range=0,1", "--z_dim=4"]
    flags = options.parse(["part1_autoencoder.py"], "About.", {})
    options.adopt(flags, former, "flags.txt")
    assert flags.z_dim == 4
    (tmp_path / "flags.txt").write_text("\n".join(former))
    words = ["part1_autoencoder.py", f"--flagfile={tmp_path}/flags.txt"]
    assert options.parse(words, "About.", {}).z_dim == 4
    with pytest.raises(UserError, match="pixel_range"):
        options.adopt(flags, ["--pixel_range=-1,1"], "flags.txt")
    flags = parse()
    options.adopt(flags, ["--encoder=deterministic"], "flags.txt")  # Part 2 has it.
    assert flags.encoder == "deterministic"


def test_a_flag_newer_than_the_run_is_off_in_it_whatever_the_script_has_now():
    flags = parse(ema_decay=0.99)
    options.adopt(flags, ["--z_dim=4"], "flags.txt")
    assert flags.ema_decay == 0


def test_how_many_checkpoints_are_kept_may_change():
    flags = parse("--keep_every=3")
    options.adopt(flags, ["--keep_every=1"], "flags.txt")
    assert flags.keep_every == 3


def test_help_lists_every_flag_and_its_default(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help", z_dim=15)
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "About." in text
    assert re.search(r"--z_dim +dimensions of the latent code \(default: 15\)", text)
    for name in set(parse()) - {"undefok"}:
        assert re.search(rf"^  --{name} .*(\n {{31}}.*)*\(default:", text, re.MULTILINE), name
    assert max(map(len, text.splitlines())) <= 100


def test_help_lists_flags_in_groups(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    groups = re.findall(r"^(\w.*):$", capsys.readouterr().out, re.MULTILINE)
    assert groups == ["What to do", "Data", "Networks", "Training", "Regularization"]


@pytest.mark.parametrize("later", ["encoder", "pixel_range", "generate", "prior"])
def test_part_1_lists_no_flag_that_only_later_scripts_have(later, capsys):
    with pytest.raises(SystemExit):
        options.parse(["part1_autoencoder.py", "--help"], "About.", {})
    assert f"--{later}" not in capsys.readouterr().out


def test_settings_from_python_are_the_command_line():
    settings = dict(z_dim=3, learning_rate_drops=[2, 5], batch_norm=False, data_dir=None)
    flags = parse(*options.command_line(train=True, **settings)[1:])
    assert flags.train and flags.z_dim == 3 and not flags.batch_norm and flags.data_dir is None
    assert flags.learning_rate_drops == ["2", "5"]
    with pytest.raises(options.CommandLineError, match="n_epoch"):
        parse(*options.command_line(n_epoch=3)[1:])


def test_a_flag_without_effect_in_a_script_is_refused_and_not_listed(capsys):
    def parse_without_z_dim(*words):
        return options.parse(["script", *words], "", {"z_dim": 10}, unused=["z_dim"])

    assert parse_without_z_dim().z_dim == parse_without_z_dim("--z_dim=10").z_dim == 10
    with pytest.raises(options.CommandLineError, match="--z_dim has no effect"):
        parse_without_z_dim("--z_dim=11")
    with pytest.raises(SystemExit):
        parse_without_z_dim("--help")
    assert "--z_dim" not in capsys.readouterr().out


def test_what_is_stored_may_replace_what_was_given():
    flags = parse("--dataset=auto")
    assert "--dataset=glyphs" in options.to_flagfile(flags, dataset="glyphs")
    assert flags.dataset == "auto"


@pytest.mark.parametrize(
    "script", ["part1_autoencoder", "part2_aae", "part3_style_content", "part4_semisupervised"]
)
def test_a_script_prints_one_line_and_exits_with_2(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--train", "now"])
    with pytest.raises(SystemExit) as stop:
        options.exit_on_user_error(importlib.import_module(script).main)
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith(f"{script}: 'now' is not understood")


def test_a_script_that_is_started_by_its_path_does_so_too():
    done = subprocess.run(
        [sys.executable, str(ROOT / "part1_autoencoder.py"), "--train", "now"],
        capture_output=True,
        text=True,
        env={"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""},
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("part1_autoencoder: 'now' is not understood")
    assert "Traceback" not in done.stderr


def test_python_without_docstrings_still_lists_the_flags(capsys):
    with pytest.raises(SystemExit):
        options.parse(["x", "--help"], None, {})
    assert "--z_dim" in capsys.readouterr().out


def test_no_script_relies_on_its_docstring():
    for folder in ("", "experiments", "benchmarks", "docs"):
        for path in (ROOT / folder).glob("*.py"):
            assert "__doc__." not in path.read_text(encoding="utf-8"), path
