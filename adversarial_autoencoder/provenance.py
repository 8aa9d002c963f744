"""Where a run's figures come from: the commit of the source that made them."""

import os
import pathlib
import subprocess


def commit_of_source() -> str:
    """Returns the commit that the package's source tree is at, or "" if it is unknown."""
    package = pathlib.Path(__file__).resolve().parent
    # A hook of some other repository would have git look there.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", "-C", str(package), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        answer = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=10, check=True
        )
        root, commit = answer.stdout.splitlines()
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    # Installed below somebody else's repository, the commit would be somebody else's.
    return commit if pathlib.Path(root).resolve() == package.parent else ""
