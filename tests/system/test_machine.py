"""The commit of the source is found, and no other commit is taken for it."""

import os
import shutil
import subprocess

from adversarial_autoencoder.system import machine

import pytest


@pytest.mark.skipif(not shutil.which("git"), reason="git is not here")
def test_the_commit_is_that_of_the_package_source(tmp_path, monkeypatch):
    package = tmp_path / "adversarial_autoencoder"
    package.mkdir()
    (package / "provenance.py").touch()
    monkeypatch.setattr(machine, "__file__", str(package / "provenance.py"))
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
    installed = tmp_path / "venv" / "adversarial_autoencoder"
    installed.mkdir(parents=True)
    monkeypatch.setattr(machine, "__file__", str(installed / "provenance.py"))
    assert machine.commit_of_source() == ""


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert machine.commit_of_source() == ""
