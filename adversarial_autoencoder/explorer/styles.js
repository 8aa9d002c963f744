// One style as every class: drawn, taken from a test image, from the prior, or set by sliders.
"use strict";

const PEN = 2.6 / 28; // Width of a line, of the image's side; about that of MNIST's.
const MOST_SLIDERS = 20; // More are folded away.
const LEAST_STEP = 0.25; // Between two points of a stroke, in pixels of the image.
const WALK_SECONDS = 2.5; // From one style to the next.

async function showStyles(networks, arrays) {
  const { labels, zDim, drawing, predicts, order, reach, classes, clusters } = description;
  const nSamples = arrays.samples.length / zDim;
  const nImages = arrays.codes.length / zDim;
  const size = height * width * channels;
  const all = labels.length === 10 ? "all ten" : `all ${labels.length}`;
  const thing = labels.length ? "style" : "code"; // What z is called.
  const asks = labels.length > 0 && !predicts && Boolean(drawing); // For the label of a drawing.
  const plural = clusters ? "clusters" : noun === "digit" ? "digits" : "classes";

  const walkText = `Walk from ${thing} to ${thing}`;

  let z = Float32Array.from(arrays.codes.subarray(0, zDim));
  let images = null; // Of z, one a label.
  let label = 0; // The chosen one or, where labels are predicted, that one.
  let isChosen = false; // By hand, and so not by what is drawn.
  let strokes = []; // In pixels of the image.
  let walk = null;

  writeTexts();
  const pad = element("pad");
  const tiles = makeTiles();
  const sliders = makeSliders();
  const bars = predicts ? makeBars() : [];
  if (drawing) makePad();
  else makeStrip();
  if (asks) makeChoice();

  const restyle = newestOnly(
    async (image) => {
      const pixels = image();
      return { pixels, ...await networks.call("restyle", pixels) };
    },
    (result) => {
      z = result.z;
      paint(element("input"), result.pixels);
      if (result.probabilities) showProbabilities(result.probabilities);
      if (asks && strokes.length && !isChosen) chooseLabel(nearestLabel(result.images, result.pixels));
      showImages(result.images);
      showSliders();
    },
  );
  const decode = newestOnly((code) => networks.call("decodeAll", code), showImages);

  function writeTexts() {
    const each = `${clusters ? "in" : "as"} ${all} ${plural}`;
    const title = labels.length ? `One style ${each}` : "From image to code and back";
    element("title").textContent = drawing && labels.length && noun === "digit"
      ? `Your handwriting ${each}` : title;
    const first = drawing ? `Draw a ${noun === "digit" ? "digit" : "figure"}` : "Choose a test image";
    element("lead").textContent = labels.length
      ? `${first}: the encoder takes its style z from it, and the decoder makes an image of each `
        + `${clusters ? "cluster" : noun} in that style.`
      : `${first}: the encoder gives its code z, and the decoder an image of that code.`;
    element("source-title").textContent = drawing ? `Your ${noun === "digit" ? noun : "drawing"}`
      : "Test image";
    element("result-title").textContent = labels.length
      ? `The same style ${each}` : "The decoder’s image";
    element("sample").textContent = `New ${thing} from the prior`;
    element("walk").textContent = walkText;
    element("example").textContent = drawing ? "A test image" : "Another test image";
    element("choice").hidden = !asks;
    element("bars").hidden = !predicts;
    if (clusters) element("bars").firstElementChild.textContent = "The encoder’s cluster";
    element("sample").hidden = !nSamples;
    for (const id of ["clear", "pen-label", "pad-hint", "pad-note"]) element(id).hidden = !drawing;
    element("strip").hidden = Boolean(drawing);
    if (drawing) {
      const box = Math.round(drawing.box);
      element("pad-note").textContent = "Before the encoder gets it, your drawing is made like the "
        + `training images: scaled to fit a box of ${box} × ${box} pixels, its lines as thick as `
        + `theirs, and its centre of mass moved to the middle of ${width} × ${height} pixels.`;
    }
  }

  function makeTiles() {
    element("tiles").className = labels.length > 20 ? "many" : labels.length ? "" : "one";
    return (labels.length ? labels : [""]).map((name) => {
      const canvas = make("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", name ? `${name}, in this style` : "The decoder’s image");
      const tile = make("figure", {}, canvas, make("figcaption", { textContent: name }));
      element("tiles").append(tile);
      return { tile, canvas };
    });
  }

  function makeSliders() {
    const list = element("sliders").querySelector("div");
    const more = make("div");
    if (order.length > MOST_SLIDERS) {
      const summary = make("summary", { textContent: `${order.length - MOST_SLIDERS} more` });
      element("sliders").append(make("details", {}, summary, more));
    }
    return order.map((k, place) => {
      const input = make("input", {
        type: "range", min: -reach[k], max: reach[k], step: reach[k] / 100 || 1,
      });
      const output = make("output", { className: "number" });
      (place < MOST_SLIDERS ? list : more).append(
        make("label", {}, make("span", { textContent: `z[${k}]` }), input, output),
      );
      input.addEventListener("input", () => {
        stopWalk();
        z[k] = input.valueAsNumber;
        output.textContent = z[k].toFixed(2).replace("-", "−");
        say(`A ${thing} set by hand`);
        decode(Float32Array.from(z));
      });
      return { k, input, output };
    });
  }

  function makeBars() {
    element("bars").classList.toggle("long", labels.some((name) => name.length > 2));
    return labels.map((name) => {
      const bar = make("i");
      const share = make("span", { className: "number" });
      const row = make("li", {}, make("span", { textContent: name }),
        make("span", { className: "bar" }, bar), share);
      element("bars").lastElementChild.append(row);
      return { row, bar, share };
    });
  }

  function makeChoice() {
    const [legend, list] = element("choice").children;
    legend.textContent = `Which ${noun} is it?`;
    element("choice").classList.toggle("long", labels.some((name) => name.length > 3));
    labels.forEach((name, k) => {
      const input = make("input", { type: "radio", name: "label", value: k });
      input.addEventListener("change", () => {
        label = k;
        isChosen = true;
        showImages(images);
      });
      list.append(make("label", {}, input, make("span", { textContent: name })));
    });
  }

  function makeStrip() {
    const shown = Math.min(12, nImages);
    for (let k = 0; k < shown; k++) {
      const of = Math.floor(k * nImages / shown);
      const canvas = make("canvas");
      paint(canvas, testImage(arrays, of));
      const button = make("button", { type: "button" }, canvas);
      button.setAttribute("aria-label", `Test image: ${classes[arrays.classes[of]]}`);
      button.addEventListener("click", () => useTestImage(of));
      element("strip").append(button);
    }
  }

  function makePad() {
    pad.classList.add("drawing");
    pad.setAttribute("aria-label", "Drawing area for mouse or finger; by keyboard take a test "
      + "image with the button below");
    let pressed = false;
    const place = (event) => {
      const box = pad.getBoundingClientRect();
      return [
        (event.clientX - box.left) / box.width * width,
        (event.clientY - box.top) / box.height * height,
      ];
    };
    pad.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      pad.setPointerCapture(event.pointerId);
      pressed = true;
      stopWalk();
      element("pad-hint").hidden = true;
      strokes.push([place(event)]);
      useStrokes();
    });
    pad.addEventListener("pointermove", (event) => {
      if (!pressed) return;
      const events = event.getCoalescedEvents?.() ?? [];
      const stroke = strokes.at(-1);
      for (const [x, y] of (events.length ? events : [event]).map(place)) {
        const [lastX, lastY] = stroke.at(-1);
        if (Math.hypot(x - lastX, y - lastY) > LEAST_STEP) stroke.push([x, y]);
      }
      useStrokes();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      pad.addEventListener(end, () => { pressed = false; });
    }
    element("pen").addEventListener("input", () => strokes.length && useStrokes());
    element("clear").addEventListener("click", () => {
      strokes = [];
      isChosen = false;
      drawStrokes();
      element("pad-hint").hidden = false;
      say(`Draw again: the ${thing} stays until you do`);
    });
  }

  const penWidth = () => PEN * Math.min(height, width) * element("pen").valueAsNumber;

  function useStrokes() {
    drawStrokes();
    say(noun === "digit" ? "Your handwriting" : `The ${thing} of your drawing`);
    restyle(() => imageOfStrokes(strokes, height, width, drawing.box, penWidth()));
  }

  function drawStrokes() {
    const scale = 16; // Finer than the image.
    pad.classList.add("drawn");
    [pad.width, pad.height] = [width * scale, height * scale];
    const pen = pad.getContext("2d");
    pen.fillRect(0, 0, pad.width, pad.height);
    pen.scale(scale, scale);
    pen.strokeStyle = "#fff";
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = penWidth();
    for (const stroke of strokes) {
      pen.beginPath();
      for (const point of stroke) pen.lineTo(...point);
      if (stroke.length === 1) pen.lineTo(...stroke[0]);
      pen.stroke();
    }
  }

  function useTestImage(k) {
    stopWalk();
    strokes = [];
    isChosen = false;
    const pixels = testImage(arrays, k);
    const name = classes[arrays.classes[k]];
    pad.classList.remove("drawn");
    paint(pad, pixels);
    if (!drawing) {
      pad.setAttribute("role", "img");
      pad.setAttribute("aria-label", `Test image: ${name}`);
    }
    element("pad-hint").hidden = !drawing;
    chooseLabel(Math.min(arrays.classes[k], Math.max(labels.length - 1, 0)));
    say(`The ${thing} of a test image, ${noun === "digit" ? "a" : "of the class"} ${name}`);
    restyle(() => pixels);
  }

  /** Returns the label whose image has the least squared error. */
  function nearestLabel(shown, pixels) {
    const errors = labels.map((_, k) =>
      pixels.reduce((sum, value, i) => sum + (value - shown[k * size + i]) ** 2, 0));
    return errors.indexOf(Math.min(...errors));
  }

  function chooseLabel(k) {
    label = k;
    const inputs = element("choice").querySelectorAll("input");
    if (inputs.length) inputs[k].checked = true;
  }

  function showProbabilities(probabilities) {
    label = probabilities.indexOf(Math.max(...probabilities));
    bars.forEach(({ row, bar, share }, k) => {
      const percent = `${Math.round(100 * probabilities[k])}%`;
      row.classList.toggle("most", k === label);
      bar.style.width = percent;
      share.textContent = percent;
    });
  }

  function showImages(shown) {
    if (!shown) return;
    images = shown;
    tiles.forEach(({ tile, canvas }, k) => {
      paint(canvas, images.subarray(k * size, (k + 1) * size));
      tile.classList.toggle("chosen", Boolean(labels.length) && k === label);
    });
    if (asks) {
      const name = noun === "digit" ? `a ${labels[label]}` : labels[label];
      element("reconstruction-caption").textContent = `Reconstruction: ${name}`;
    }
    paint(element("reconstruction"), images.subarray(label * size, (label + 1) * size));
  }

  function showSliders() {
    for (const { k, input, output } of sliders) {
      input.value = z[k];
      output.textContent = z[k].toFixed(2).replace("-", "−");
    }
  }

  function useCode(code, text) {
    z = Float32Array.from(code);
    showSliders();
    say(text);
    decode(Float32Array.from(z));
  }

  function say(text) {
    if (element("style-status").textContent !== text) element("style-status").textContent = text;
  }

  /** Returns a style to go to: of the prior or, without one, of a test image. */
  function anyStyle() {
    const from = nSamples ? arrays.samples : arrays.codes;
    const k = Math.floor(Math.random() * from.length / zDim);
    return from.slice(k * zDim, (k + 1) * zDim);
  }

  function startWalk() {
    let [from, to, begin] = [z, anyStyle(), null];
    element("walk").textContent = "Stop the walk";
    element("walk").setAttribute("aria-pressed", "true");
    const step = (now) => {
      begin ??= now;
      let share = (now - begin) / (1000 * WALK_SECONDS);
      if (share >= 1) [from, to, begin, share] = [to, anyStyle(), now, 0];
      const eased = share * share * (3 - 2 * share);
      useCode(from.map((value, k) => value + eased * (to[k] - value)), `On the way to another ${thing}`);
      walk = requestAnimationFrame(step);
    };
    walk = requestAnimationFrame(step);
  }

  function stopWalk() {
    cancelAnimationFrame(walk);
    walk = null;
    element("walk").textContent = walkText;
    element("walk").setAttribute("aria-pressed", "false");
  }

  element("sample").addEventListener("click", () => {
    stopWalk();
    useCode(anyStyle(), `A ${thing} drawn from the prior`);
  });
  element("zero").addEventListener("click", () => {
    stopWalk();
    useCode(new Float32Array(zDim), "The code z = 0");
  });
  element("walk").addEventListener("click", () => (walk ? stopWalk() : startWalk()));
  element("example").addEventListener("click", () =>
    useTestImage(Math.floor(Math.random() * nImages)));
  useTestImage(0);
}
