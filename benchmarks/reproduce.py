"""What a recipe reaches: trained and measured with several seeds, mean ± standard deviation.

    python benchmarks/reproduce.py --recipe=recipes/part4_semisupervised/default.txt --data_dir=...
    python benchmarks/reproduce.py --all --dry_run      lists all recipes and their minutes

A recipe is a flag file, recipes/<script>/<variant>.txt. Lines `# minutes:`, `# seeds:` and
`# images:` say how long a seed takes and where, which seeds were measured, and which images its
settings were chosen on. --seeds is those seeds. Each has a folder,
`<results_dir>/reproduce/<script>/<variant>/seed_<seed>/`.
`--all` takes every recipe in recipes/, one after the other. `--noevaluate` trains only. All other
flags, such as `--data_dir` or `--n_epochs=1`, go to the script, behind the recipe's.

--record writes what was measured into benchmarks/results.json, where the tables of the pages come
from: `python docs/make_pages.py` then rewrites them, and the recipes' comments.

--jobs=2 trains two seeds side by side, each on half of the processor's cores. Fewer cores add up in
another order, so that figures differ by rounding from those of seeds trained one by one.

Ctrl-C, SIGTERM and SIGHUP stop it when the step is saved. The same command again goes on from
there, as it does after a crash; what is done is not repeated, unless the run or its `metrics.json`
was deleted.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import queue
import shlex
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from adversarial_autoencoder import options
from adversarial_autoencoder.runs import run as runs
from adversarial_autoencoder.system import flagfiles, locks, machine
from adversarial_autoencoder.system.errors import UserError
from adversarial_autoencoder.system.files import read_json, write_atomically

import results
from absl import flags as absl_flags

ROOT = pathlib.Path(__file__).resolve().parent.parent
ACTIONS = ("train", "evaluate")
FIELDS = ("minutes", "seeds", "images")  # Of a recipe's comments.
NOTED_EVERY = 30  # Seconds after which the time so far is written down, should all be killed.


class Jobs:
    """The processes that run now, each on cores of its own; signals to this one reach them all."""

    def __init__(self, n):
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self.processes, self.received, self.places = [], [], queue.SimpleQueue()
        self.signalled = set()  # Ids of processes; at a second signal scripts end without saving.
        for k in range(n):
            # More jobs than cores share them.
            self.places.put(set(cores[k::n] or cores) if n > 1 else None)

    def run(self, command, lock, meanwhile):
        """Runs a command to its end, calling `meanwhile` now and then; returns its exit code."""
        cores = self.places.get()
        # In a session of its own Ctrl-C does not reach it twice, from the terminal and from here:
        # at the second signal scripts end without saving.
        kept = {} if os.name == "nt" else {"pass_fds": [lock.fileno()]}
        process = subprocess.Popen(command, start_new_session=True, **kept)
        self.processes.append(process)
        with process:
            if cores:
                os.sched_setaffinity(process.pid, cores)
            if self.received and process.pid not in self.signalled:  # It came before the start.
                process.send_signal(self.received[0])
            while process.poll() is None:
                meanwhile()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(NOTED_EVERY)
        self.processes.remove(process)
        self.places.put(cores)
        return process.returncode

    @contextlib.contextmanager
    def signals_passed_on(self):
        """Sends Ctrl-C, SIGTERM and SIGHUP on to all; `received` lists those that came.

        Under nohup SIGHUP is ignored; Windows has none.
        """

        def pass_on(number, frame):
            self.received.append(number)
            for process in list(self.processes):
                self.signalled.add(process.pid)
                process.send_signal(number)

        numbers = [signal.SIGINT, signal.SIGTERM]
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        previous = {n: signal.signal(n, pass_on) for n in numbers}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


class Seed:
    """One seed's folder: its run, and `reproduce.json`, which tells how far it has come."""

    def __init__(self, number, folder, script, words):
        self.number, self.folder, self.script = number, folder / f"seed_{number}", script
        self.file = self.folder / "reproduce.json"
        self.asked = [script, *words]
        self.command = [sys.executable, str(ROOT / script), *words, f"--seed={number}"]

    def run(self):
        """The newest run, or None; one that was killed before its first checkpoint is none."""
        found = [runs.Run(path.parent) for path in self.folder.glob("*/*/flags.txt")]
        found = [run for run in found if run.newest_step() is not None]
        return max(found, key=lambda run: (run.created(), run.path.name), default=None)

    def notes(self):
        """What was asked for, the minutes that each action took so far, and which are done."""
        if self.run() is None or not self.file.exists():
            return {"asked": self.asked, "minutes": dict.fromkeys(ACTIONS, 0.0), "done": []}
        notes = read_json(self.file, notes_of)
        if notes["asked"] != self.asked:
            differing = sorted({*notes["asked"]} ^ {*self.asked}) or ["their order"]
            raise UserError(
                f"{self.folder} was asked for with other flags than now, which differ in "
                f"{shlex.join(differing)}: delete it, or give another --results_dir"
            )
        return notes

    def complete(self, evaluate, results_dir, jobs):
        """Trains and measures, as far as that is not done."""
        if jobs.received:
            return
        with runs.saving(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / "lock", "wb")
        with lock:
            try:  # Held by the training too, and so where that alone is left after a crash.
                locks.lock(lock)
            except OSError as error:
                if error.errno not in locks.TAKEN:
                    raise
                raise UserError(f"{self.folder} is in use: stop that process, or wait") from None
            notes, run = self.notes(), self.run()
            if "train" not in notes["done"]:
                old_run = run and ["--resume", f"--run={run.path}"]
                self.call(
                    jobs, lock, notes, "train", *(old_run or [f"--results_dir={self.folder}"])
                )
                run = self.run()
            if jobs.received:
                return
            if evaluate and not ("evaluate" in notes["done"] and run.metrics.exists()):
                # The classifier that measures is kept in there, for all seeds and recipes.
                results = f"--results_dir={results_dir}"
                self.call(jobs, lock, notes, "evaluate", f"--run={run.path}", results)

    def call(self, jobs, lock, notes, action, *words):
        """Runs the script, writing down how long that takes."""
        command = [*self.command, f"--{action}", *words]
        print(f"\nSeed {self.number}: {shlex.join(command)}", flush=True)
        start, before = time.monotonic(), notes["minutes"][action]

        def note():
            notes["minutes"][action] = before + (time.monotonic() - start) / 60
            with runs.saving(self.folder):
                write_atomically(self.file, json.dumps(notes, indent=2) + "\n")

        code = jobs.run(command, lock, note)
        notes["done"] += [action] * (code == 0)
        note()
        if code != 0 and not jobs.received:
            message = f"seed {self.number}: {self.script} ended with exit code {code}, see above"
            raise UserError(f"{message}; the same command again goes on with what was saved")


def parse(argv):
    """Returns the flags of this script, and the words that are passed on."""
    flags = options.Flags()
    flags.set_gnu_getopt()
    options.string(flags, "recipe", None, "the flag file")
    options.boolean(flags, "all", False, "every recipe in recipes/")
    options.boolean(flags, "dry_run", False, "say what would be trained, and train nothing")
    absl_flags.DEFINE_list("seeds", None, "the seeds; omitted: the recipe's", flag_values=flags)
    options.string(flags, "results_dir", "Results", "where the seeds' folders are made")
    options.boolean(flags, "evaluate", True, "measure the runs")
    options.boolean(flags, "record", False, "write the figures into benchmarks/results.json")
    options.integer(flags, "jobs", 1, "seeds trained side by side", most=1000)
    try:
        words = flags(flagfiles.join_boolean_words(argv, flags), known_only=True)[1:]
    except (absl_flags.Error, OSError, ValueError) as error:
        raise options.CommandLineError(" ".join(str(error).split())) from None
    if {"--help", "-help", "-h"} & {*words}:
        print((__doc__ or "").strip())  # `python -OO` drops docstrings.
        raise SystemExit(0)
    flags.results_dir = options.expand_home("results_dir", flags.results_dir)
    if flags.all == bool(flags.recipe):
        message = "give --recipe=..., a flag file such as those in recipes/, or else --all"
        raise options.CommandLineError(message)
    if flags.seeds is not None:
        flags.seeds = seed_numbers(flags.seeds)
    for word in words:
        name = word.lstrip("-").partition("=")[0].removeprefix("no")
        if name in ("seed", *options.ACTIONS):
            raise options.CommandLineError(f"{word} is not passed on: each seed is given its own")
    return flags, words


def seed_numbers(words):
    """Returns seeds from their words; raises CommandLineError where these are no seeds."""
    numbers = [int(word) for word in words if word.strip().isdecimal()]
    if not numbers or len({*numbers}) < len(words):
        raise options.CommandLineError(f"--seeds={','.join(words)}: give some like 0,1,2")
    return numbers


def script_of(recipe):
    """Returns the script that the recipe's folder names, relative to the project."""
    name = recipe.resolve().parent.name
    for path in (f"{name}.py", f"experiments/{name}.py"):
        if (ROOT / path).is_file():
            return path
    raise UserError(f"{recipe}: no script {name}.py; a recipe is recipes/<script>/<variant>.txt")


def read_recipe(path, words):
    """Returns the recipe's script, its flags with `words` behind them, and its fields.

    They are read once: a recipe that is edited while seeds are trained does not mix them.
    """
    try:
        lines = flagfiles.read_lines(pathlib.Path(path))
        words = flagfiles.expand([f"--flagfile={path}", *words])
    except UserError as error:
        raise options.CommandLineError(f"the recipe {path} cannot be read: {error}") from None
    comments = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    parted = [comment.partition(":") for comment in comments]
    fields = {name: value.strip() for name, _, value in parted if name in FIELDS}
    return script_of(path), words, fields | {"title": comments[0] if comments else ""}


def notes_of(found):
    """Returns what `Seed.notes` returns, from what was parsed."""
    return {
        "asked": [str(word) for word in found["asked"]],
        "minutes": {action: float(found["minutes"][action]) for action in ACTIONS},
        "done": [action for action in ACTIONS if action in found["done"]],
    }


def without_data(words):
    """Returns the words but for those that say where data lie."""
    words, kept = iter(words), []
    for word in words:
        name, equals, _ = word.lstrip("-").partition("=")
        if not word.startswith("-") or name not in options.WHERE_DATA_LIE:
            kept.append(word)
        elif not equals:
            next(words, None)  # Its value stands behind it.
    return kept


def check_alike(seeds):
    """Raises UserError where data or defaults have changed between one seed and another."""
    free = ("--seed=", *(f"--{name}=" for name in options.WHERE_DATA_LIE))  # Data have a checksum.
    first, *others = ({*seed.run().flagfile.read_text().splitlines()} for seed in seeds)
    for seed, lines in zip(seeds[1:], others, strict=True):
        differing = [line for line in sorted(first ^ lines) if not line.startswith(free)]
        if differing:
            message = (
                f"{seed.folder} was not trained like {seeds[0].folder}: {'; '.join(differing)}"
            )
            raise UserError(f"{message}; delete one of them, or omit it from --seeds")


def mean_and_stddev(values):
    """`mean ± standard deviation`, the sample's (n - 1); a single value is given as it is."""
    mean = f"{statistics.fmean(values):.4g}"
    return f"{mean} ± {statistics.stdev(values):.2g}" if len(values) > 1 else mean


def table(columns):
    """A markdown table of figures: `columns` holds them by name, by seed; `–` where one is not."""
    rows = [["measure", "mean ± sd", *(f"seed {seed}" for seed in columns)]]
    rows += [["---"] * len(rows[0])]
    for name in dict.fromkeys(name for figures in columns.values() for name in figures):
        values = [figures.get(name) for figures in columns.values()]
        mean = "–" if None in values else mean_and_stddev(values)
        rows.append([name, mean, *("–" if value is None else f"{value:.4g}" for value in values)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def complete(seeds, flags):
    """Completes the seeds, `--jobs` of them at a time, in their order.

    Raises:
      UserError: that of the first seed that could not be completed.
      SystemExit: after a signal.
    """
    jobs = Jobs(flags.jobs)
    failed = []

    def complete_one(seed):
        if not failed:  # As long as all goes well the next may begin.
            try:
                seed.complete(flags.evaluate, flags.results_dir, jobs)
            except BaseException as error:
                failed.append(error)

    with jobs.signals_passed_on():
        if flags.jobs == 1:
            for seed in seeds:
                complete_one(seed)
        else:
            with concurrent.futures.ThreadPoolExecutor(flags.jobs) as pool:
                list(pool.map(complete_one, seeds))
    if jobs.received:
        print(f"To go on, the same command again: python {shlex.join(sys.argv)}")
        raise SystemExit(128 + jobs.received[0])
    if failed:
        raise failed[0]


def reproduce(recipe, words, flags):
    """Completes the seeds of one recipe, prints their table, and records it where asked to."""
    more = words
    script, words, fields = read_recipe(recipe, words)
    name = f"{pathlib.Path(script).stem}/{recipe.stem}"
    folder = pathlib.Path(flags.results_dir) / "reproduce" / name
    numbers = flags.seeds or seed_numbers(fields.get("seeds", "0,1,2").split(","))
    seeds = [Seed(number, folder, script, words) for number in numbers]
    for seed in seeds:
        seed.notes()  # What does not fit is said now, not after hours.
    complete(seeds, flags)
    check_alike(seeds)

    columns, found = {}, {"data": set(), "commit": set()}
    errors = {}  # Standard errors over test images, of the last seed.
    for seed in seeds:
        metrics = (
            read_json(seed.run().metrics, lambda found: dict(found.items()))
            if flags.evaluate
            else {}
        )
        found["data"].add(metrics.pop("dataset", ""))
        found["commit"].add(metrics.pop("commit", ""))
        errors = {k: v for k, v in metrics.items() if k.endswith("_standard_error")}
        figures = {k: v for k, v in metrics.items() if k not in errors}
        minutes = seed.notes()["minutes"]["train"]
        columns[seed.number] = figures | {"minutes of training": minutes}
    print(f"\n{table(columns)}")
    if flags.evaluate:
        found = {kind: ", ".join(sorted(names)) for kind, names in found.items()}
        print(f"\nData set: {found['data']}. Commit: {found['commit'] or 'unknown'}.")
    if flags.record and flags.evaluate:
        name = shlex.join([name, *without_data(more)])
        found |= {"chosen_on": fields.get("images", ""), "processor": processor(flags.jobs)}
        print(results.record(name, columns, errors, found))


def processor(jobs):
    """Returns on what a seed was trained, such as "2 cores (AVX-512)"."""
    about = machine.machine()
    cores = max(1, about["cpus"] // jobs)
    instructions = {"avx512f": "AVX-512", "avx2": "AVX2"}
    known = [name for flag, name in instructions.items() if flag in about["processor"].split()]
    return f"{cores} core{'s' * (cores > 1)} ({[*known, about['processor']][0]})"


def main(argv):
    flags, words = parse(argv)
    recipes = [flags.recipe]
    if flags.all:
        recipes = sorted((ROOT / "recipes").glob("*/*.txt"))
    for recipe in map(pathlib.Path, recipes):
        if flags.dry_run:
            # What is wrong with it is said before hours of training.
            script, _, fields = read_recipe(recipe, words)
            name = f"{pathlib.Path(script).stem}/{recipe.stem}"
            minutes = fields.get("minutes", "not noted")
            print(f"{name:42}{minutes:50}  {fields['title']}")
        else:
            reproduce(recipe, words, flags)


if __name__ == "__main__":
    options.exit_on_user_error(main)
