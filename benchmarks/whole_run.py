"""What a whole training run of part 3 takes: seconds to the first steps, and peak memory.

    python benchmarks/whole_run.py --dataset=mnist --data_dir=...

The flags are those of part 3; two epochs and the pictures are done, in a process of their own.
"""

import pathlib
import resource
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def has_log(results):
    """Whether the first line of the log is there, written after 50 steps."""
    return any(log.stat().st_size for log in pathlib.Path(results).glob("*/*/log/log.txt"))


def main(words):
    with tempfile.TemporaryDirectory() as results:
        command = [sys.executable, str(ROOT / "part3_style_content.py"), "--train", "--n_epochs=2"]
        command += [*words, f"--results_dir={results}"]
        start = time.perf_counter()
        process = subprocess.Popen(command)
        while process.poll() is None and not has_log(results):
            time.sleep(0.01)
        to_training = time.perf_counter() - start
        if process.wait():
            sys.exit(process.returncode)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1024**3
    print(f"From command to 50 steps done: {to_training:.1f} s")
    print(f"Peak memory: {peak:.2f} GiB")


if __name__ == "__main__":
    main(sys.argv[1:])
