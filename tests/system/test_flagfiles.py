"""Flag files and text of any kind: understood, or refused with one line before anything is done."""

from adversarial_autoencoder import options, priors
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system import flagfiles
from adversarial_autoencoder.system.errors import UserError

import pytest
from small_runs import make_run, open_run

FLAGS = "# Ünï\n--z_dim=4\n"


def parse(*words):
    return options.parse(["part2_aae.py", *words], "", {}, options.define_regularization)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_flag_file_is_utf_8_with_or_without_a_byte_order_mark(encoding, tmp_path):
    (tmp_path / "flags.txt").write_bytes(FLAGS.replace("\n", "\r\n").encode(encoding))
    assert parse(f"--flagfile={tmp_path}/flags.txt").z_dim == 4
    assert parse("-flagfile", f"{tmp_path}/flags.txt", "--z_dim=5").z_dim == 5


@pytest.mark.parametrize(
    "content, told",
    [
        (FLAGS.encode("utf-16"), "is not UTF-8 but UTF-16: byte 0 is 0xff"),
        (FLAGS.encode("latin-1"), "is not UTF-8: byte 2 is 0xdc; save it as UTF-8"),
        (b"--z_dim=4\xff\n", "is not UTF-8: byte 9 is 0xff"),
        (b"--dataset=a\0b\n", r"dataset=a\\x00b holds characters"),
        (b"--z_dim=" + b"1" * 5000, "z_dim"),
        (b"4\n", "'4' is not understood"),
    ],
)
def test_a_flag_file_that_is_not_is_told_in_one_line(content, told, tmp_path):
    (tmp_path / "flags.txt").write_bytes(content)
    with pytest.raises(options.CommandLineError, match=told) as error:
        parse(f"--flagfile={tmp_path}/flags.txt")
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_flag_files_name_others_but_not_themselves(tmp_path):
    (tmp_path / "a.txt").write_text(f"--z_dim=3\n--flagfile={tmp_path}/b.txt\n")
    (tmp_path / "b.txt").write_text("--seed=7\n")
    flags = parse(f"--flagfile={tmp_path}/a.txt")
    assert (flags.z_dim, flags.seed) == (3, 7)
    (tmp_path / "b.txt").write_text(f"--flagfile={tmp_path}/a.txt\n")
    with pytest.raises(options.CommandLineError, match="names itself"):
        parse(f"--flagfile={tmp_path}/a.txt")


def test_a_flag_file_without_end_is_not_read_to_it(tmp_path):
    with open(tmp_path / "large.txt", "wb") as file:
        file.truncate(3 * 2**30)
    for path in ("/dev/zero", tmp_path / "large.txt"):
        with pytest.raises(options.CommandLineError, match="cannot be read: .* larger than 1 MiB"):
            parse(f"--flagfile={path}")


@pytest.mark.parametrize("words", [["--flagfile"], ["--flagfile=/"], ["--flagfile=a\0b"]])
def test_a_flag_file_that_cannot_be_read_is_told(words):
    with pytest.raises(options.CommandLineError, match="flag"):
        parse(*words)


@pytest.mark.parametrize(
    "word",
    [
        "--dataset=a\nb",
        "--dataset=a\u2028b",
        "--dataset=a\0b",
        "--dataset=a\udcffb",
        "--dataset=" + "a" * 300,
        "--results_dir=" + "ä" * 150,
        "--results_dir=" + "a/" * 1500,
        "--run=" + "a" * 30_000,
        "--z_dim=" + "1" * 5000,
        "--z_dim=0x" + "f" * 5000,
        "--z_dim=1000000",
        "--seed=" + "1" * 4000,
        "--learning_rate=" + "1" * 5000,
        "--learning_rate=1e300",
        "--learning_rate=1e-300",
        "--learning_rate_drops=" + "1" * 5000,
        "--prior_stddev=1e300",
        "--prior_stddev=1e-300",
        "--prior_stddev=inf",
        "--noise_stddev=1e300",
        "--n_epochs=99999999999",
        "--generator_rate=1e30",
        "1" * 5000,
    ],
)
def test_absurd_words_are_told_in_one_short_line_that_names_the_flag(word):
    with pytest.raises(options.CommandLineError) as error:
        parse(word)
    line = str(error.value)
    assert "\n" not in line and len(line.encode("utf-8")) < 500
    assert word.lstrip("-").split("=")[0][:20] in line


def test_the_home_folder_is_meant_by_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    flags = parse("--results_dir=~/x", "--run=~/x/y")
    assert (flags.results_dir, flags.run) == (f"{tmp_path}/x", f"{tmp_path}/x/y")
    with pytest.raises(options.CommandLineError, match="--results_dir=~nobody_here/x"):
        parse("--results_dir=~nobody_here/x")


@pytest.mark.parametrize(
    "content, told",
    [
        (b"", "names no model"),
        (b"\n\n", "names no model"),
        (b"# model: Autoencoder\n--z_dim=\xff\n", r"flags.txt is not UTF-8: byte \d+ is 0xff"),
        (b"# model: Autoencoder\nz_dim=3\n", "damaged: z_dim=3 is no flag"),
        (b"# model: Autoencoder\n--z_dim=\0\n", "z_dim"),
        (b"# model: Autoencoder\n--flagfile=/dev/zero\n", "damaged: a run's flags name no other"),
        (b"# model: Autoencoder\n -flagfile /dev/zero\n", "damaged: a run's flags name no other"),
    ],
)
def test_a_damaged_flags_txt_of_a_run_is_told_in_one_line(content, told, tmp_path, data):
    run = make_run(tmp_path, data)
    run.flagfile.write_bytes(content)
    with pytest.raises(UserError, match=told) as error:
        open_run(results=tmp_path)
    assert "\n" not in str(error.value) and str(run.flagfile) in str(error.value)
    assert not isinstance(error.value, options.CommandLineError)


# A fuzzer of the command line.

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

NAMES = sorted({*parse()} - {"flagfile"})
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(repr),
    st.integers(0, 6000).map(lambda n: "9" * n),
    st.sampled_from(["0x1f", "1_000", "1e5", "٣", "", "+1", " 2 ", "-0", "1,2", "2,1", "nan"]),
)
TEXTS = st.one_of(
    st.text(st.characters(codec=None, categories=None), max_size=20),
    st.sampled_from(["true", "False", "gaussian", "swiss_roll", "mse", *priors.NAMES, "~", "~x"]),
    st.integers(0, 3000).map(lambda n: "n" * n),
)
WORDS = st.one_of(
    st.tuples(st.sampled_from(NAMES), NUMBERS | TEXTS).map(lambda pair: f"--{pair[0]}={pair[1]}"),
    st.sampled_from(NAMES).map(lambda name: f"--{name}"),
    st.sampled_from(NAMES).map(lambda name: f"--no{name}"),
    NUMBERS,
    TEXTS,
)


def check(words):
    """Understood, so that its flag file means the same; or refused with one short line."""
    try:
        flags = parse(*words)
    except options.CommandLineError as error:
        assert "\n" not in str(error) and len(str(error)) < 700
        return
    except SystemExit as end:  # After --help.
        assert end.code == 0
        return
    lines = options.to_flagfile(flags)
    text = "\n".join(lines)
    assert text.encode().decode().splitlines() == lines
    again = parse()
    options.adopt(again, lines, "flags.txt")
    assert options.to_flagfile(again) == lines
    assert len(runs.folder_name(flags, "Model")) < 255


@hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)
@hypothesis.given(st.lists(WORDS, max_size=4))
def test_any_command_line_is_understood_or_refused(words):
    check(words)


@pytest.mark.slow
@hypothesis.settings(
    max_examples=3_000,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@hypothesis.given(st.lists(WORDS, max_size=6))
def test_any_of_many_command_lines_is_understood_or_refused(words):
    check(words)


@pytest.mark.slow
@hypothesis.settings(max_examples=1_500, deadline=None, database=None)
@hypothesis.given(st.binary(max_size=200) | st.lists(WORDS).map("\n".join).map(str))
def test_any_flag_file_is_understood_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.txt"
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    path.write_bytes(content)
    check([f"--flagfile={path}"])
    try:
        assert all(isinstance(line, str) for line in flagfiles.read_lines(path))
    except UserError as error:
        assert "\n" not in str(error)
