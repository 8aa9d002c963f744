// What the views share: the networks in their worker, images on canvases, the page's start.
"use strict";

const description = JSON.parse(document.getElementById("description").textContent);
const [height, width, channels] = description.image;
const element = (id) => document.getElementById(id);
// What the images show, in sentences.
const noun = description.classes.every((name) => /^\d$/.test(name)) ? "digit" : "class";

const darkScheme = matchMedia("(prefers-color-scheme: dark)");

/** Calls methods of the `Engine` in a worker; each call returns a promise of its result. */
class Networks {
  constructor() {
    const source = new Blob([element("engine").textContent], { type: "text/javascript" });
    this.worker = new Worker(URL.createObjectURL(source));
    this.waiting = new Map();
    this.calls = 0;
    this.worker.onmessage = ({ data: { id, result, error } }) => {
      const { resolve, reject } = this.waiting.get(id);
      this.waiting.delete(id);
      if (error) reject(new Error(error));
      else resolve(result);
    };
    this.worker.onerror = (event) => showProblem(event.message);
  }

  call(method, ...inputs) {
    return new Promise((resolve, reject) => {
      const id = this.calls++;
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, method, inputs });
    });
  }
}

/**
 * Returns a function that asks for a result and shows it. While one is being computed only the
 * newest request waits, so that the page follows the pointer and not its past.
 */
function newestOnly(ask, show) {
  let busy = false;
  let next = null;
  async function request(...inputs) {
    next = inputs;
    if (busy) return;
    busy = true;
    while (next) {
      const asked = next;
      next = null;
      try {
        show(await ask(...asked), ...asked);
      } catch (error) {
        showProblem(error.message);
      }
    }
    busy = false;
  }
  return request;
}

function showProblem(message) {
  element("problem").textContent = `This page does not work here: ${message}`;
  element("lead").textContent = "";
  element("problem").hidden = false;
}

/** Draws an image, numbers from 0 to 1, as large as it is; the style sheet enlarges it. */
function paint(canvas, pixels) {
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
  }
  const picture = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) {
      picture.data[4 * i + c] = 255 * pixels[i * channels + (channels === 3 ? c : 0)];
    }
    picture.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Returns a test image of the page, numbers from 0 to 1. */
function testImage(arrays, k) {
  const size = height * width * channels;
  return Float32Array.from(arrays.images.subarray(k * size, (k + 1) * size), (v) => v / 255);
}

function codeAsText(z) {
  return `(${Array.from(z, (value) => value.toFixed(2).replace("-", "−")).join(", ")})`;
}

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Shows the part of the page that is of this view. */
function openView() {
  document.title = `${description.model}: latent space explorer`;
  element(description.view).hidden = false;
}

async function start() {
  try {
    // Swaps are pictures, and need no networks.
    await (description.view === "swaps" ? showSwaps() : startNetworks());
  } catch (error) {
    showProblem(error.message);
  }
}

async function startNetworks() {
  if (typeof DecompressionStream === "undefined") {
    showProblem("it needs a browser of 2023 or later.");
    return;
  }
  const networks = new Networks();
  const ready = networks.call("load", description, element("weights").textContent);
  // For the browser's console.
  window.aae = {
    description,
    ready,
    encode: async (pixels) => (await networks.call("encode", pixels)).z,
    classify: async (pixels) => (await networks.call("encode", pixels)).probabilities,
    decode: (z, label = 0) => networks.call("decode", z, [label]),
    decodeAll: (z) => networks.call("decodeAll", z),
  };
  const { labels, kind, model, data, zDim } = description;
  element("about").append(
    `${model}, trained on ${data}; z has ${zDim} dimensions; weights in ${kind}. Everything runs in `
    + "this page, and nothing is sent anywhere. For the browser’s console: ",
    make("code", { textContent: "await aae.encode(pixels)" }), ", ",
    make("code", { textContent: `await aae.decode(z${labels.length ? ", label" : ""})` }),
    ...(description.predicts
      ? [", ", make("code", { textContent: "await aae.classify(pixels)" })] : []),
    `; pixels are ${height * width * channels} numbers from 0 to 1.`,
  );
  const arrays = await ready;
  openView();
  await (description.view === "map" ? showMap : showStyles)(networks, arrays);
}
