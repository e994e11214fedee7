// What the browser tests see of pictures: `picture_support.py` calls these by name.
(() => {
  "use strict";
  const { frame, codeCells } = window.epollkit;

  function shows(element) {
    const box = element.getBoundingClientRect();
    const visible = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    const loaded = element.tagName !== "IMG" || (element.complete && element.naturalWidth > 0);
    return visible && loaded && box.width > 0 && box.height > 0;
  }

  // The outputs that bring an SVG: of each its place, and what of it can be seen.
  function look(path) {
    const found = [];
    codeCells(path).forEach((cell, number) => {
      cell.model.outputs.toJSON().forEach((output, index) => {
        const html = [output.data?.["text/html"] ?? ""].flat().join("");
        const isPicture = output.data?.["image/svg+xml"] || /<svg[\s>]|src=["']data:image\/svg\+xml/.test(html);
        if (!isPicture) return;
        const node = cell.outputArea.widgets[index]?.node ?? document.createElement("div"); // not there yet
        const seen = [...node.querySelectorAll("svg, img")].filter(
          (element) => !element.parentElement.closest("svg") && shows(element),
        );
        seen.forEach((element) => element.setAttribute("data-picture", `${number}.${index}`));
        found.push({
          cell: number,
          output: index,
          seen: seen.map((element) => element.tagName.toLowerCase()),
          text: node.querySelector(".jp-OutputArea-output")?.innerText.trim() ?? "",
        });
      });
    });
    return found;
  }

  // Once all are seen, or the time is over.
  async function pictures(path, milliseconds) {
    const end = performance.now() + milliseconds;
    while (look(path).some(({ seen }) => seen.length === 0) && performance.now() < end) await frame();
    return look(path);
  }

  // An image's drawing in its place, for a look at its text: as in an image, the page's colours do
  // not reach it.
  function inline(image) {
    if (image.tagName !== "IMG") return;
    const frame = document.createElement("div");
    frame.dataset.inline = "";
    frame.style.cssText = `all: initial; display: inline-block; width: ${image.width}px; height: ${image.height}px`;
    const [, base64, data] = image.src.match(/^data:image\/svg\+xml(?:;charset=[^;,]+)?(;base64)?,(.*)$/s);
    const bytes = base64 ? Uint8Array.from(atob(data), (character) => character.charCodeAt(0)) : null;
    frame.innerHTML = bytes ? new TextDecoder().decode(bytes) : decodeURIComponent(data);
    image.after(frame);
    image.hidden = true;
  }

  function asImages() {
    for (const frame of document.querySelectorAll("[data-inline]")) {
      frame.previousSibling.hidden = false;
      frame.remove();
    }
  }

  // --- text in a picture

  // WCAG 2: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((byte) => byte / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };

  // The colour that paint is, over what is behind it.
  function blend(paint, alpha, behind) {
    const [, ...numbers] = paint.match(/rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)/) ?? [null, 0, 0, 0, 0];
    const opacity = alpha * Number(numbers[3] ?? 1);
    return behind.map((byte, i) => opacity * Number(numbers[i]) + (1 - opacity) * byte);
  }

  const hasWords = (element) =>
    [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());

  const lines = (svg) =>
    [...svg.querySelectorAll("text, tspan")].filter(
      (line) => hasWords(line) && line.checkVisibility({ visibilityProperty: true }),
    );

  function hideText(svg, hide) {
    for (const line of svg.querySelectorAll("text, tspan")) line.style.visibility = hide ? "hidden" : "";
  }

  // The colours that fill at least a fifth of a box, and the one that fills most.
  function grounds({ data, width, height }, box) {
    const inside = (edge, last) => Math.min(Math.max(0, Math.floor(edge)), last);
    const [left, right] = [inside(box.left, width - 1), inside(box.right, width - 1)];
    const [top, bottom] = [inside(box.top, height - 1), inside(box.bottom, height - 1)];
    const counts = new Map();
    for (let y = top; y <= bottom; y++) {
      for (let x = left; x <= right; x++) {
        const at = 4 * (y * width + x);
        const colour = data.slice(at, at + 3).join();
        counts.set(colour, (counts.get(colour) ?? 0) + 1);
      }
    }
    const area = (right - left + 1) * (bottom - top + 1);
    return [...counts]
      .sort((one, other) => other[1] - one[1])
      .filter(([, count], rank) => rank === 0 || count >= area / 5)
      .map(([colour]) => colour.split(",").map(Number));
  }

  async function decode(png) {
    const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
  }

  // Each line of text with its least contrast, whether it is cut off by the picture's edge, and the
  // lines that it runs into. `png` is the picture without its text: what the text stands on.
  async function texts(svg, png) {
    const pixels = await decode(png);
    const edge = svg.getBoundingClientRect();
    const all = lines(svg).map((line) => ({ line, box: line.getBoundingClientRect() }));
    return all.map(({ line, box }, i) => {
      const style = getComputedStyle(line);
      let alpha = Number(style.fillOpacity);
      for (let node = line; node !== svg.parentElement; node = node.parentElement) {
        alpha *= Number(getComputedStyle(node).opacity);
      }
      const within = {
        left: box.left - edge.left, top: box.top - edge.top,
        right: box.right - edge.left, bottom: box.bottom - edge.top,
      };
      const ratios = grounds(pixels, within).map((ground) => contrast(blend(style.fill, alpha, ground), ground));
      return {
        text: line.textContent.trim(),
        contrast: Math.min(...ratios),
        size: parseFloat(style.fontSize) * Math.hypot(line.getScreenCTM().c, line.getScreenCTM().d),
        cut: box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1,
        into: all.filter((other, j) => j > i && overlap(box, other.box) && !line.contains(other.line)).map((other) => other.line.textContent.trim()),
      };
    });
  }

  // More than a quarter of the smaller one: a box is taller than its letters.
  function overlap(one, other) {
    const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
    const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
    const smaller = Math.min(one.width * one.height, other.width * other.height);
    return width > 0 && height > 0 && width * height > smaller / 4;
  }

  // --- under the mouse

  // Points where a mark might be hit: on its lines, and over its area.
  function* points(mark) {
    for (const part of [mark, ...mark.querySelectorAll("*")]) {
      if (!(part instanceof SVGGraphicsElement && part.checkVisibility())) continue;
      const box = part.getBoundingClientRect();
      yield { x: box.left + box.width / 2, y: box.top + box.height / 2 };
      if (part instanceof SVGGeometryElement) {
        for (let i = 1; i < 20; i++) {
          yield part.getPointAtLength((part.getTotalLength() * i) / 20).matrixTransform(part.getScreenCTM());
        }
      }
      for (let i = 1; i < 100; i++) {
        yield { x: box.left + (box.width * (i % 10)) / 10, y: box.top + (box.height * Math.floor(i / 10)) / 10 };
      }
    }
  }

  // A browser shows the nearest <title> around what is hit.
  function titleOf(element) {
    for (let node = element; node instanceof SVGElement; node = node.parentElement) {
      const title = [...node.children].find((child) => child.tagName === "title");
      if (title) return title.textContent;
    }
    return null;
  }

  // Each title of a mark, and a point where the mouse would be told it.
  const titles = (svg) =>
    [...svg.querySelectorAll("title")]
      .filter((title) => title.parentElement !== svg)
      .map(({ textContent: text, parentElement: mark }) => {
        for (const { x, y } of points(mark)) {
          if (titleOf(document.elementFromPoint(x, y)) === text) return { text, x, y };
        }
        return { text, x: null, y: null };
      });

  const titleUnderMouse = () => titleOf([...document.querySelectorAll(":hover")].at(-1));

  Object.assign(window.epollkit.functions, {
    pictures, inline, asImages, hideText, texts, titles, titleUnderMouse,
  });
})();
