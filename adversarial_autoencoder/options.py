"""The command line that all scripts share, and its checks."""

import copy
import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence

from adversarial_autoencoder import layers, losses, priors
from adversarial_autoencoder.system import flagfiles, screen
from adversarial_autoencoder.system.errors import UserError, one_line
from adversarial_autoencoder.system.flags import (
    Flags,
    boolean,
    choice,
    integer,
    is_given,
    names,
    number,
    string,
)

from absl import flags as absl_flags

# What is done with a run, as opposed to what makes it: not stored with it, free to differ later.
ACTIONS = (
    "train",
    "resume",
    "run",
    "evaluate",
    "epoch",
    "generate",
    "visualize",
    "show",
    "explorer",
    "results_dir",
    "flagfile",
    "undefok",
    "wait",
)

# Data may have moved since: what is given counts, and the data themselves are compared.
WHERE_DATA_LIE = ("dataset", "data_dir")

# What is given counts, since it changes nothing that is trained (--devices: but for rounding).
FREE_TO_CHANGE = (*WHERE_DATA_LIE, "keep_every", "devices", "streaming")

# Flags that all scripts had once, at the value without effect: in the flags.txt of older runs.
FORMER = {"encoder": "deterministic", "pixel_range": "0,1", "code_noise": "0.0"}

FOLDERS = ("results_dir", "run")  # Flags in which `~` is the home folder; data have theirs.

MOST_UNITS = 100_000  # Of a layer.
BELOW_1 = 0.999999


class CommandLineError(UserError):
    """A command line that cannot be understood; scripts exit with 2."""


def parse(
    argv: Sequence[str],
    description: str | None,
    defaults: Mapping[str, object],
    define_more: Callable[[Flags], None] | None = None,
    unused: Sequence[str] = (),
) -> Flags:
    """Reads a script's command line.

    Args:
      argv: the words of the command line, the script's name first.
      description: the script's docstring, shown by `--help`.
      defaults: the script's own defaults of shared flags, for example `{"z_dim": 15}`.
      define_more: defines the flags that only this script has.
      unused: flags without effect in this script, which refuses any value but the default.

    Raises:
      CommandLineError: a word or value that is not understood, by name.
      SystemExit: after `--help`.
    """
    flags = Flags()
    _define_shared(flags)
    if define_more is not None:
        define_more(flags)
    for name in flags:
        flags.shared_defaults[name] = flags[name].default
    for name, default in {"batch_norm_bias": False, **defaults}.items():
        flags.set_default(name, default)
    _read_words(argv, description, flags, unused)
    for name in FOLDERS:
        flags[name].value = expand_home(name, flags[name].value)
    if flags.resume and not flags.train:
        raise CommandLineError("--resume goes on with training: give --train too")
    if flags.epoch and flags.train:
        raise CommandLineError("--epoch loads a run as it was at that epoch: omit --train")
    if flags.train and "prior" in flags and flags.prior in priors.WITH_COMPONENTS:
        # Flag files may hold it: recipes, to which --prior is added, and the flags.txt of runs.
        if any(re.match(r"--?prior_stddev(=|$)", word) for word in argv[1:]):
            message = f"--prior_stddev has no effect on --prior={flags.prior}: omit it"
            raise CommandLineError(message)
    return flags


def parse_own(
    argv: Sequence[str], description: str | None, define: Callable[[Flags], None]
) -> Flags:
    """Reads, as `parse`, the command line of a script that has flags of its own only."""
    flags = Flags()
    define(flags)
    _read_words(argv, description, flags)
    return flags


def _read_words(
    argv: Sequence[str], description: str | None, flags: Flags, unused: Sequence[str] = ()
) -> None:
    """Sets the flags that the command line gives; raises as `parse`."""
    try:
        words = _without_former(flagfiles.expand(argv[1:]), flags)
        words = flagfiles.join_boolean_words(words, flags)
        if {"--help", "-help", "-h", "--helpfull", "--helpshort"} & set(words):
            print(_help(description, flags, unused))
            raise SystemExit(0)
        if stray := flags([argv[0], *words])[1:]:
            raise UserError(
                f"{stray[0][:100]!r} is not understood: every option is a flag such as --z_dim=2 "
                "(--help lists them)"
            )
        for name in flags:
            flagfiles.check_text(name, flags[name].value)
    except absl_flags.Error as error:
        raise CommandLineError(_one_line(error)) from None
    except UserError as error:
        raise CommandLineError(str(error)) from None
    for name in unused:  # A run's flags.txt holds them too, at the script's default.
        if flags[name].value != flags[name].default:
            raise CommandLineError(f"--{name} has no effect in this script: omit it")


def command_line(**settings: object) -> list[str]:
    """Returns the command line, as `parse` takes it, that sets these flags: for use from Python.

    A setting that is None is omitted: the flag keeps its default.
    """
    words = [os.path.basename(sys.argv[0])]
    for name, value in settings.items():
        if value is None:
            continue
        value = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
        words.append(f"--{name}={value}")
    return words


def define_regularization(flags: Flags) -> None:
    """Defines the flags of codes that are fitted to a prior, and of the phases that do it."""
    with flags.grouped("Networks"):
        drawn = "gaussian, gated: z is drawn; gated: what it tells has a price"
        choice(flags, "encoder", "deterministic", layers.ENCODERS, drawn)
    with flags.grouped("Regularization"):
        choice(flags, "prior", "gaussian", priors.NAMES, "distribution that the codes should have")
        stddev = "standard deviation of a gaussian or uniform prior in each dimension"
        number(flags, "prior_stddev", 5.0, stddev, least=1e-6)
        rate = "learning-rate multiplier for the discriminator"
        number(flags, "discriminator_rate", 1.0, rate)
        rate = "learning-rate multiplier for the encoder when it fools the discriminator"
        number(flags, "generator_rate", 1.0, rate)
        price = "price of a nat of code, --encoder=gated"
        number(flags, "information_weight", 0.1, f"{price}, from 0.6 of the epochs on")
        number(flags, "information_start", 1.2, f"{price}, at the start")


def define_label(flags: Flags) -> None:
    """Defines how decoder and discriminator get the label."""
    meaning = "feed the label to the discriminator"
    boolean(flags, "conditional_discriminator", True, meaning)
    number(
        flags, "label_scale", 1.0, "factor of the one-hot label in front of the code", least=1e-6
    )


def define_clusters(flags: Flags) -> None:
    """Defines what makes labels up; weights of 0, 0.1 and 0.4 are IMSAT's (Hu et al. 2017)."""
    with flags.grouped("Clusters"):
        own = "give the label hidden layers of its own, which the reconstruction does not train"
        boolean(flags, "own_label_layers", False, own)
        number(
            flags, "label_game_weight", 1.0, "weight of fooling the labels' discriminator", least=0
        )
        number(flags, "entropy_weight", 0.0, "weight of labels that are certain", least=0)
        number(flags, "balance_weight", 0.0, "weight of labels as frequent as others", least=0)


def define_pixel_range(flags: Flags) -> None:
    """Defines the flag of networks whose pixels may also lie in [-1, 1]."""
    meaning = "range of the encoder's input; -1,1: the decoder ends in tanh"
    choice(flags, "pixel_range", "0,1", layers.PIXEL_RANGES, meaning)


def define_virtual_adversarial(flags: Flags) -> None:
    """Defines the flags of virtual adversarial training where it is an option."""
    radius = "radius of the virtual adversarial perturbation; 0: off"
    number(flags, "vat_radius", 0.0, radius, least=0)
    xi = "length of the random step that finds the adversarial direction, the paper's ξ"
    number(flags, "vat_xi", losses.XI, xi, least=1e-6)
    number(flags, "vat_weight", 1.0, "weight of the virtual adversarial loss")


def to_flagfile(flags: Flags, **replaced: object) -> list[str]:
    """Returns the lines of a flag file that makes the same run, in the order of their names.

    Flags that say what to do with a run (`ACTIONS`) are omitted. `replaced` are values in place of
    the flags' own, for example what `--dataset=auto` came to.
    """
    lines = []
    for name in sorted(flags):
        flag = copy.deepcopy(flags[name])
        flag.value = replaced.get(name, flag.value)
        if name not in ACTIONS and flag.value is not None:
            lines.append(flag.serialize())
    return lines


def adopt(flags: Flags, lines: Sequence[str], source: str) -> None:
    """Takes over the flags of a stored run, the lines of `to_flagfile`, in place.

    Raises:
      UserError: a flag that was given on the command line contradicts the stored one, or a stored
        flag is unknown or has a bad value.
    """
    if any(re.match(r"--?flagfile\b", line.strip()) for line in lines):
        raise UserError(f"{source} is damaged: a run's flags name no other --flagfile")
    stored = absl_flags.FlagValues()
    for name in flags:
        stored[name] = copy.deepcopy(flags[name])
        stored[name].default = flags.shared_defaults[name]
        stored[name].unparse()
    try:
        lines = [line for line in lines if line and not line.startswith("#")]
        stray = stored([source, *_without_former(lines, flags)])[1:]
    except absl_flags.Error as error:
        raise UserError(f"{source}: {_one_line(error)}") from None
    if stray:
        raise UserError(f"{source} is damaged: {one_line(stray[0], 80)} is no flag")
    for name in sorted(set(stored) - {*ACTIONS}):
        flag, stored_flag = flags[name], stored[name]
        if is_given(flags, name) and flag.value != "auto":
            if name in FREE_TO_CHANGE:
                continue
            if flag.value != stored_flag.value:
                raise UserError(
                    f"{flag.serialize()} contradicts the run, which has {stored_flag.serialize()} "
                    f"({source}): omit the flag, or start a new run"
                )
        flag.value = stored_flag.value


def _without_former(words: Sequence[str], flags: Flags) -> list[str]:
    """Omits flags that this script had once and that have no effect at the value given."""
    former = [f"--{name}={value}" for name, value in FORMER.items() if name not in flags]
    return [word for word in words if word not in former]


def check_prior(flags: Flags) -> None:
    """Checks the prior, where there is one; of a stored run, once its flags are taken over.

    Raises:
      CommandLineError: the prior needs another `--z_dim`, or does not fit a gated encoder.
    """
    if "prior" in flags and flags.encoder == "gated" and flags.prior != "gaussian":
        raise CommandLineError(
            f"--encoder=gated needs --prior=gaussian, which its noise is of, not {flags.prior}"
        )
    if "prior" in flags:
        try:
            priors.make(flags.prior, flags.z_dim)
        except ValueError as error:
            raise CommandLineError(str(error)) from None


def exit_on_user_error(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a script: what the user can put right ends it with one line, not with a traceback.

    Exits with 2 after a `CommandLineError`, with 1 after any other `UserError`.
    """
    script = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    with screen.survive_closed_output():
        try:
            main(sys.argv)
        except UserError as error:
            print(f"{script}: {error}", file=sys.stderr)
            sys.exit(2 if isinstance(error, CommandLineError) else 1)
        except KeyboardInterrupt:  # Outside the training loop, which saves first.
            print(f"{script}: interrupted", file=sys.stderr)
            sys.exit(130)


def _define_shared(flags: Flags) -> None:
    with flags.grouped("What to do"):
        train = "train a new model; otherwise load the newest run and redraw its pictures"
        boolean(flags, "train", False, train)
        boolean(flags, "resume", False, "with --train: continue the newest run to its end")
        evaluate = "measure the run: print a table and write metrics.json to its folder"
        boolean(flags, "evaluate", False, evaluate)
        integer(flags, "epoch", 0, "load this epoch; 0: the best or newest", least=0)
        boolean(flags, "generate", False, "draw a sheet of samples only")
        boolean(flags, "visualize", False, "draw codes and the manifold only (z_dim 2)")
        boolean(flags, "show", False, "open a window with each picture")
        explorer = "weights in the run's explorer.html; none: no such page"
        choice(flags, "explorer", "float16", ("float16", "int8", "none"), explorer)
        string(flags, "run", None, "the run's folder; the newest by default")
        string(flags, "results_dir", "Results", "folder of all runs")
        string(flags, "flagfile", "", "file with one flag per line")
        string(flags, "undefok", "", "names of flags that may be unknown")

    with flags.grouped("Data"):
        known = (
            "auto, mnist, glyphs, a TFDS image data set, an .npz, or a folder of images by class"
        )
        string(flags, "dataset", "auto", known)
        where = "folder of MNIST's .gz files, mnist.npz or TFDS' folders"
        string(flags, "data_dir", None, where)
        integer(flags, "n_images", 0, "train on the first N images; 0: all", least=0)
        streaming = "read training images from disk as they are needed (TFDS, array_record)"
        boolean(flags, "streaming", False, streaming)
        size = "height and width to which images of a folder are resized; 0: as they are"
        integer(flags, "image_size", 0, size, least=0, most=1024)
        behind = "behind transparent images of a folder"
        choice(flags, "ground", "white", ("white", "black"), behind)

    with flags.grouped("Networks"):
        integer(flags, "z_dim", 2, "dimensions of the latent code", most=MOST_UNITS)
        integer(flags, "n_l1", 1000, "units in the first hidden layer", most=MOST_UNITS)
        integer(flags, "n_l2", 1000, "units in the second hidden layer", most=MOST_UNITS)
        boolean(flags, "batch_norm", False, "use batch normalization in the encoder")
        # Runs without this flag have the bias: hence its default here, which `parse` changes.
        bias = "keep the bias before batch normalization, as runs of earlier versions have it"
        boolean(flags, "batch_norm_bias", True, bias)
        dropout = "dropout rate of the hidden layers of all networks"
        number(flags, "dropout", 0.0, dropout, least=0, most=BELOW_1)
        noise = "standard deviation of Gaussian noise on the encoder's input during training"
        number(flags, "noise_stddev", 0.0, noise, least=0)
        initial = "initial weights; normal: N(0, 0.01²)"
        choice(flags, "initializer", "normal", layers.INITIALIZERS, initial)

    with flags.grouped("Training"):
        integer(flags, "n_epochs", 1000, "passes over the training images")
        integer(flags, "batch_size", 100, "images per step, on all devices together")
        choice(flags, "reconstruction_loss", "mse", losses.RECONSTRUCTION, "loss of each pixel")
        number(flags, "learning_rate", 0.001, "Adam's learning rate")
        drops = "epochs after which the learning rate is divided by ten, such as 20,30"
        names(flags, "learning_rate_drops", drops)
        absl_flags.register_validator(
            "learning_rate_drops", _are_epochs, "takes growing epochs such as 20,30", flags
        )
        number(flags, "beta1", 0.9, "Adam's beta1", least=0, most=BELOW_1)
        ema = "decay of the exponential moving average of the weights; 0: off"
        number(flags, "ema_decay", 0.0, ema, least=0, most=BELOW_1)
        seed = "seed of all random draws: the same seed repeats the run"
        integer(flags, "seed", 0, seed, least=0, most=2**63 - 1)
        types = ("float32", "mixed_bfloat16")
        choice(flags, "precision", "float32", types, "data type in which layers compute")
        split = "number of devices to split each batch across; 0: all GPUs, or the CPU as one"
        integer(flags, "devices", 0, split, least=0, most=1024)
        wait = "seconds to wait for the other workers in TF_CONFIG"
        integer(flags, "wait", 300, wait, most=10**6)
        integer(flags, "keep_every", 0, "keep the checkpoint of every N epochs", least=0)


def _are_epochs(words: Sequence[str]) -> bool:
    if not all(word.strip().isdecimal() and len(word) < 10 for word in words):
        return False
    epochs = [int(word) for word in words]
    return all(a < b for a, b in zip([0, *epochs], epochs, strict=False))


def expand_home(name: str, path: str | None) -> str | None:
    """Returns the path that a flag gives, with the home folder in place of `~`.

    Raises:
      CommandLineError: it is the home folder of somebody who is not here.
    """
    expanded = path and os.path.expanduser(path)
    if expanded and expanded.startswith("~"):
        raise CommandLineError(f"--{name}={path}: there is no such user; ./~ means a folder ~")
    return expanded


def _one_line(error: absl_flags.Error) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 300 else f"{line[:150]} … {line[-120:]}"


def _help(description: str | None, flags: Flags, unused: Sequence[str]) -> str:
    lines = [(description or "").strip()]  # `python -OO` drops docstrings.
    omitted = {"undefok", *unused} | ({"generate"} if "prior" not in flags else set())
    for group, own in flags.flags_by_module_dict().items():
        lines += ["", f"{group}:"]
        for flag in own:
            if flag.name in omitted:
                continue
            default = (flag.default_as_str or "none").strip("'")
            lines += textwrap.wrap(
                f"{flag.help} (default: {default})",
                width=100,
                initial_indent=f"  --{flag.name:<26} ",
                subsequent_indent=" " * 31,
            )
    return "\n".join(lines)
