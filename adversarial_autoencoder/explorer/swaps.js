// Test images that swap codes: s of one, z of another or of a place between two. The pictures were
// decoded beforehand and lie in one sheet, described in `sheet.py`.
"use strict";

const POSITIONS_A_SECOND = 12; // While z moves.
const GAP = 1 / 14; // Between images of the grid, of an image's side; below and right of sources, 4.

async function showSwaps() {
  const { classes, shown, steps, png, sDim, zDim, model, data } = description;
  const n = shown.length;
  const names = shown.map((label, k) =>
    `image ${k + 1}, ${noun === "digit" ? "a " : ""}${classes[label]}`);
  const file = Object.assign(new Image(), { src: png });
  await file.decode();
  const sheet = await createImageBitmap(file); // Or browsers may decode the file for each copy.

  let s = Math.min(1, n - 1); // Of this test image.
  let position = 0; // Of z: that of test image k is at k · steps.
  let moving = null;

  window.aae = { description }; // For the browser's console.
  writeTexts();
  openView();
  const choicesOfS = makeChoices("of-s", (k) => choose(k, position));
  const choicesOfZ = makeChoices("of-z", (k) => stopAnd(() => choose(s, k * steps)));
  const row = makeRow();
  makeSlider();
  const bandsOf = makeGrid();

  function writeTexts() {
    element("title").textContent = `${model}: swapped codes`;
    const what = noun === "digit" ? "the digit" : "what it shows";
    element("lead").textContent = `The code s of an image is of ${what}, z of all the rest. Choose `
      + "one test image for each, and see what the decoder makes of the two.";
    element("of-s").firstChild.textContent = `s of: ${what}`;
    element("of-z").firstChild.textContent = "z of: all the rest";
    element("about").textContent = `${model}, trained on ${data}; s has ${sDim} dimensions and z `
      + `${zDim}. The images were decoded when this page was written, and nothing is sent anywhere.`;
  }

  /** Copies an image of the sheet. */
  function paintCell(canvas, column, line) {
    if (canvas.width !== width || canvas.height !== height) {
      [canvas.width, canvas.height] = [width, height];
    }
    const place = [column * width, line * height, width, height];
    canvas.getContext("2d").drawImage(sheet, ...place, 0, 0, width, height);
  }

  function makeChoices(id, use) {
    return names.map((name, k) => {
      const canvas = make("canvas");
      paintCell(canvas, k, 0);
      const input = make("input", { type: "radio", name: id });
      input.setAttribute("aria-label", name);
      input.addEventListener("change", () => use(k));
      element(id).lastElementChild.append(make("label", {}, input, canvas));
      return input;
    });
  }

  function makeRow() {
    return names.map((name, k) => {
      const canvas = make("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `The same z with the s of ${name}`);
      canvas.addEventListener("click", () => choose(k, position));
      const figure = make("figure", {}, canvas);
      element("row").append(figure);
      return { figure, canvas };
    });
  }

  function makeSlider() {
    element("way").hidden = steps === 1;
    element("position").max = n * steps; // Where the first one is again.
    names.forEach((name, k) => element("givers").append(make("option", { value: k * steps })));
    element("position").addEventListener("input", (event) =>
      stopAnd(() => choose(s, event.target.valueAsNumber)));
    element("play").addEventListener("click", () => (moving ? stop() : play()));
  }

  /** Draws the grid; returns what tells where its column k and row k lie, in shares of it. */
  function makeGrid() {
    const canvas = element("grid");
    const gap = Math.ceil(GAP * Math.min(width, height));
    const [across, down] = [width + gap, height + gap];
    const sources = 3 * gap; // More between them and the swaps.
    [canvas.width, canvas.height] = [(n + 1) * across + sources, (n + 1) * down + sources];
    const pen = canvas.getContext("2d");
    const draw = (column, line, x, y) =>
      pen.drawImage(sheet, column * width, line * height, width, height, x, y, width, height);
    for (let i = 0; i < n; i++) {
      draw(i, 0, across * (i + 1) + sources, 0);
      draw(i, 0, 0, down * (i + 1) + sources);
      for (let k = 0; k < n; k++) {
        draw(k, 1 + i * steps, across * (k + 1) + sources, down * (i + 1) + sources);
      }
    }
    const bands = (k) => ({
      left: (across * (k + 1) + sources - gap / 2) / canvas.width,
      top: (down * (k + 1) + sources - gap / 2) / canvas.height,
      width: across / canvas.width,
      height: down / canvas.height,
    });
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const first = bands(0);
      const column = Math.floor(((event.clientX - box.left) / box.width - first.left) / first.width);
      const line = Math.floor(((event.clientY - box.top) / box.height - first.top) / first.height);
      // Among the sources, of one alone.
      stopAnd(() => choose(column < 0 ? s : Math.min(column, n - 1),
        line < 0 ? position : Math.min(line, n - 1) * steps));
    });
    canvas.addEventListener("keydown", (event) => {
      const within = (k) => Math.min(n - 1, Math.max(0, k));
      const arrows = {
        ArrowLeft: [s - 1, position],
        ArrowRight: [s + 1, position],
        ArrowUp: [s, steps * within(Math.ceil(position / steps) - 1)],
        ArrowDown: [s, steps * within(Math.floor(position / steps) + 1)],
      };
      if (!(event.key in arrows)) return;
      const [column, place] = arrows[event.key];
      stopAnd(() => choose(within(column), place));
      event.preventDefault();
    });
    return bands;
  }

  /** Shows the swap of the s of a test image and the z at a position. */
  function choose(column, place) {
    [s, position] = [column, place];
    const line = 1 + position % (n * steps);
    const near = Math.round(position / steps) % n;
    const isBetween = position % steps > 0;
    paintCell(element("giver-of-s"), s, 0);
    paintCell(element("giver-of-z"), near, 0);
    paintCell(element("swap"), s, line);
    element("giver-of-s").setAttribute("aria-label", names[s]);
    element("giver-of-z").setAttribute("aria-label", names[near]);
    element("giver-of-z-caption").textContent = isBetween ? "z near this image’s" : "z of this image";
    choicesOfS[s].checked = choicesOfZ[near].checked = true;
    row.forEach(({ figure, canvas }, k) => {
      paintCell(canvas, k, line);
      figure.classList.toggle("chosen", k === s);
    });
    const [before, after] = [Math.floor(position / steps) % n, Math.ceil(position / steps) % n];
    const ofZ = isBetween ? `z between ${names[before]}, and ${names[after]}` : `z of ${names[near]}`;
    element("position").value = position;
    element("position").setAttribute("aria-valuetext", ofZ);
    if (!moving) element("swap-status").textContent = `s of ${names[s]}; ${ofZ}`;
    placeBands();
  }

  function placeBands() {
    const [column, line] = [bandsOf(s), bandsOf(position % (n * steps) / steps)];
    element("grid-column").style.left = `${100 * column.left}%`;
    element("grid-column").style.width = `${100 * column.width}%`;
    element("grid-row").style.top = `${100 * line.top}%`;
    element("grid-row").style.height = `${100 * line.height}%`;
  }

  function play() {
    const [from, begin] = [position, performance.now()];
    element("play").textContent = "Stop";
    element("play").setAttribute("aria-pressed", "true");
    element("swap-status").textContent = "z is moving";
    const step = (now) => {
      const done = Math.floor(Math.max(0, now - begin) / 1000 * POSITIONS_A_SECOND);
      const place = (from + done) % (n * steps);
      moving = requestAnimationFrame(step);
      if (place !== position) choose(s, place);
    };
    moving = requestAnimationFrame(step);
  }

  function stop() {
    cancelAnimationFrame(moving);
    moving = null;
    element("play").textContent = "Play";
    element("play").setAttribute("aria-pressed", "false");
    choose(s, position);
  }

  function stopAnd(go) {
    if (moving) stop();
    go();
  }

  choose(s, position);
}
