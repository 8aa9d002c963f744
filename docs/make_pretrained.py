"""Takes a finished run's networks into `pretrained/`, as the example that comes with the project.

python part3_style_content.py --train --flagfile=recipes/part3_style_content/pretrained.txt
python docs/make_pretrained.py Results/Supervised/<run>
"""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from adversarial_autoencoder.runs.run import PRETRAINED, Run


def main(folder: str) -> None:
    run = Run(pathlib.Path(folder))
    example = Run(PRETRAINED / run.comment("model"))
    example.checkpoints.mkdir(parents=True, exist_ok=True)
    # Where the data lay is nobody else's; without it the checksum is another, and left out.
    dropped = ("--data_dir", "# created", "# checksum")
    lines = [line for line in run.flag_lines() if not line.startswith(dropped)]
    example.flagfile.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in ("encoder", "decoder"):
        shutil.copy(run.checkpoints / f"{name}.keras", example.checkpoints)


if __name__ == "__main__":
    main(*sys.argv[1:])
