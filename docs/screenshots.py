"""Takes the pictures of TensorBoard that the pages of this folder show, of a run of that part.

    python docs/screenshots.py part2 Results/Adversarial_Autoencoder/<run>
        writes docs/images/tensorboard_part2_scalars.png and tensorboard_part2_histograms.png
    python docs/screenshots.py runs Results
        writes tensorboard_runs_scalars.png, of all runs in it

`serve` and `Browser` serve the tests as well. The browser is a headless Chromium (on Debian the
package `chromium`), driven by its DevTools protocol through a pipe: nothing else is needed.
"""

import argparse
import base64
import contextlib
import io
import json
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 1280, 860  # Of the window, in pixels; higher where a picture is.
SMOOTH = "&_smoothingWeight=0.9"
# Of each part: TensorBoard's page, the tags to show there, and how far down the picture goes.
SHOTS = {
    "part1": (("histograms", ".", 455), ("projector", "", 860)),
    "part2": (("scalars", "Loss" + SMOOTH, 770), ("histograms", ".", 455)),
    "part3": (("images", "styles", 720), ("histograms", ".", 455), ("projector", "", 860)),
    "part4": (("scalars", "Loss|Validation", 1045), ("histograms", ".", 685)),
    "runs": (("scalars", "Loss", 485),),
}

# What tells, as the body of a JavaScript function, that TensorBoard has drawn a page.
DRAWN = {
    "scalars": "return within('vz-line-chart2', 'path.line').length > 0",
    "images": "const found = within('tf-image-loader', 'img');"
    "return found.length > 0 && found.every((e) => e.complete && e.naturalWidth > 0)",
    "histograms": "return within('vz-histogram-timeseries', '.histogram path').length > 0",
    "projector": "return within('vz-projector', '#total-variance').some("
    "(e) => /[0-9]/.test(e.textContent))",  # Else there are no points, or none that can be placed.
}

# To look into the roots that a page's parts keep to themselves.
DEEP = """
function* all(root) {
  for (const element of root.querySelectorAll('*')) {
    yield element;
    if (element.shadowRoot) yield* all(element.shadowRoot);
    if (element.contentDocument) yield* all(element.contentDocument);
  }
}
const elements = (selector) => [...all(document)].filter((e) => e.matches(selector));
const inside = (e) => [...(e.shadowRoot ? all(e.shadowRoot) : []), ...all(e)];
const within = (outer, inner) => elements(outer).flatMap(inside).filter((e) => e.matches(inner));
"""


def chromium() -> str | None:
    """Returns the path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextlib.contextmanager
def alone(run: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a folder of events in which the run stands alone, by the short name it has there."""
    events = (run / "Tensorboard").resolve()
    links = (run.parent.parent / "tensorboard").glob("*")
    name = next((link.name for link in links if link.resolve() == events), run.name)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "tensorboard"
        path.mkdir()
        (path / name).symlink_to(events)
        yield path


@contextlib.contextmanager
def serve(folder: str | os.PathLike) -> Iterator[str]:
    """Starts TensorBoard on a folder of events, at a free port, and yields its address."""
    folder = pathlib.Path(folder).resolve()  # Its name alone: pages show the words given here.
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={folder.name}", "--port=0"]
    command += ["--host=127.0.0.1", "--load_fast=false", "--reload_interval=0"]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder.parent)
        try:
            yield _wait(lambda: _address(log, server), 300, "TensorBoard does not start")
        finally:
            server.terminate()
            server.wait()


def _address(log, server):
    log.seek(0)
    said = log.read()
    if server.poll() is not None:
        raise RuntimeError(f"TensorBoard ended: {said}")
    found = re.search(r"http://127\.0\.0\.1:\d+/", said)
    return found and found[0]


class Browser:
    """A headless Chromium with one page."""

    # The projector draws with WebGL, here without a graphics card.
    GRAPHICS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")

    def __init__(self):
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        there, self._out = os.pipe()
        self._in, back = os.pipe()
        words = [chromium(), "--headless=new", "--no-sandbox", "--remote-debugging-pipe"]
        words += [f"--user-data-dir={self._profile.name}", "--disable-dev-shm-usage"]
        words += self.GRAPHICS
        # Chromium reads commands from its file number 3 and answers into 4.
        pipes = f"3</dev/fd/{there} 4>/dev/fd/{back}"  # `3<&12` is too much for some shells.
        shell = ["sh", "-c", f'exec "$@" {pipes}', "sh", *words, "about:blank"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(shell, pass_fds=(there, back), **quiet)
        os.close(there)
        os.close(back)
        self._rest, self._n, self._session = b"", 0, None
        pages = [t for t in self._ask("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        attached = self._ask("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)
        self._session = attached["sessionId"]

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            self._session = None
            self._ask("Browser.close")
        self._process.terminate()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def open(self, address: str, height: int = HEIGHT) -> None:
        """Opens a page in a window of `WIDTH` and this height."""
        view = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **view)
        # A page that differs in its `#` alone would not be loaded anew.
        self._ask("Page.navigate", url="about:blank")
        self._ask("Page.navigate", url=address)

    def evaluate(self, script: str) -> object:
        """Returns what the body of a JavaScript function returns.

        Args:
          script: may use `within(outer, inner)`: all elements that match the CSS selector `inner`
            inside one that matches `outer`.
        """
        script = f"(() => {{ {DEEP} {script} }})()"
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 120) -> object:
        """Waits until the script returns something true, and returns it."""
        return _wait(lambda: self.evaluate(script), seconds, f"the page has not: {script}")

    def settled(self, seconds: float = 15) -> Image.Image:
        """Returns the page as it looks once it changes no more, or after so many seconds."""
        end, before = time.monotonic() + seconds, None
        while (now := self.screenshot()) != before and time.monotonic() < end:
            before = now
            time.sleep(1)
        return now

    def screenshot(self) -> Image.Image:
        """Returns the page as it looks, a PIL image."""
        picture = self._ask("Page.captureScreenshot")["data"]
        return Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")

    def _ask(self, method, **parameters):
        self._n += 1
        message = {"id": self._n, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._n:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _read(self, seconds=120):
        while b"\0" not in self._rest:
            if not select.select([self._in], [], [], seconds)[0]:
                raise TimeoutError("Chromium does not answer")
            if not (more := os.read(self._in, 1 << 20)):
                raise RuntimeError("Chromium has ended")
            self._rest += more
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)


def _wait(for_what, seconds, message):
    end = time.monotonic() + seconds
    while not (found := for_what()):
        if time.monotonic() > end:
            raise TimeoutError(message)
        time.sleep(0.2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=SHOTS)
    parser.add_argument("run", type=pathlib.Path, help="the run's folder; of all runs, Results")
    images = pathlib.Path(__file__).parent / "images"
    parser.add_argument("--to", type=pathlib.Path, default=images, help="folder of the PNG files")
    words = parser.parse_args()
    if chromium() is None:
        raise SystemExit(f"no Chromium found; looked for {', '.join(NAMES)}")
    events = words.run / ("tensorboard" if words.part == "runs" else "Tensorboard")
    if not events.is_dir():
        raise SystemExit(f"{words.run} is not a run's folder: it has no {events.name}/")
    with alone(words.run) if words.part != "runs" else contextlib.nullcontext(events) as events:
        take(words.part, events, words.to)


def take(part: str, events: pathlib.Path, to: pathlib.Path) -> None:
    """Takes the pictures of `SHOTS` and writes them into the folder `to`."""
    with serve(events) as address, Browser() as browser:
        for page, tags, height in SHOTS[part]:
            browser.open(f"{address}#{page}&tagFilter={tags}", max(height, HEIGHT))
            browser.wait_for(DRAWN[page])
            picture = browser.settled().crop((0, 0, WIDTH, height))
            path = to / f"tensorboard_{part}_{page}.png"
            picture.quantize(dither=Image.Dither.NONE).save(path, optimize=True)
            print(path)


if __name__ == "__main__":
    main()
