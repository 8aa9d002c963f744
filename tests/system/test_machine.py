"""The commit of the source is found, and what its processor is slow at."""

import os
import pathlib
import shutil
import subprocess

from adversarial_autoencoder.system import machine

import pytest
import tensorflow as tf
from conftest import ROOT

X86 = "processor\t: 0\nflags\t\t: fpu sse avx2 fma{}\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd{}\n"


@pytest.mark.skipif(not shutil.which("git"), reason="git is not here")
def test_the_commit_is_that_of_the_package_source(tmp_path, monkeypatch):
    where = pathlib.Path(machine.__file__).relative_to(ROOT)
    (tmp_path / where).parent.mkdir(parents=True)
    (tmp_path / where).touch()
    monkeypatch.setattr(machine, "__file__", str(tmp_path / where))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.hooksPath=/dev/null")
        command = ["git", *who, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=clean, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init")
    assert machine.commit_of_source() == ""  # Nothing is committed yet.
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert len(commit) == 40
    assert machine.commit_of_source() == commit
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))  # As within a hook.
    assert machine.commit_of_source() == commit

    # Installed below the repository, the package is not what was committed there.
    (tmp_path / "venv" / where).parent.mkdir(parents=True)
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "venv" / where))
    assert machine.commit_of_source() == ""


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert machine.commit_of_source() == ""


@pytest.mark.parametrize(
    "text, known",
    [
        (X86.format(""), False),
        (X86.format(" avx512_bf16"), True),
        (X86.format(" amx_bf16 amx_tile"), True),
        (ARM.format(""), False),
        (ARM.format(" bf16"), True),
        ("processor : 0\n", None),
        (None, None),
    ],
)
def test_a_processor_tells_of_its_bfloat16_units(text, known, tmp_path, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    assert machine.multiplies_bfloat16(str(path)) is known
    line = machine.slow_precision("mixed_bfloat16", str(path))
    assert (line is not None) == (known is False)
    assert line is None or "\n" not in line and "benchmarks/train_step.py" in line
    assert machine.slow_precision("float32", str(path)) is None


def test_with_a_gpu_the_processor_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    path = tmp_path / "cpuinfo"
    path.write_text(X86.format(""))
    assert machine.slow_precision("mixed_bfloat16", str(path)) is None
