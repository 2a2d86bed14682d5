// Read-outs of a chart, under the pointer and by the arrow keys.

import { h, s } from './dom.js';
import { binding } from './terms.js';
import { show } from './units.js';

/**
 * @typedef {import('./curves.js').Line} Line
 * @typedef {import('./chart.js').Drawing} Drawing
 */

/**
 * Read-outs under the pointer and by the arrow keys; gives what to call when the curves have moved.
 * @param {Drawing} drawing
 */
export function follow(drawing) {
  const { svg, note } = drawing;
  const cursor = drawing.layers.cursor;
  /** @type {{line: Line, i: number, px: number, py: number}[]} */
  let spots = [];
  /** @type {number[]} */
  let stops = [];
  let cloud = false;
  let count = -1;
  let index = -1;

  function ready() {
    if (count >= 0) return;
    const { found, x, y } = drawing.view;
    cloud = found.some((l) => l.kind === 'points');
    spots = cloud ? found.filter((l) => l.kind !== 'band').flatMap((line) => line.xs.map((v, i) => ({ line, i, px: x.of(v), py: y.of(line.ys[i]) }))).filter((p) => Number.isFinite(p.px + p.py)).sort((a, b) => a.px - b.px) : [];
    stops = cloud ? [] : [...new Set(found.flatMap((l) => l.xs))].filter((v) => Number.isFinite(v)).sort((a, b) => a - b);
    count = cloud ? spots.length : stops.length;
  }

  function clear() {
    if (cursor.firstChild) cursor.replaceChildren();
    if (note.firstChild) note.replaceChildren();
    index = -1;
  }

  /** @param {number} next */
  function to(next) {
    if (!count) return;
    const { chart, found, place, x, y, box, height } = drawing.view;
    index = Math.min(Math.max(next, 0), count - 1);
    if (cloud) {
      const p = spots[index];
      cursor.replaceChildren(s('circle', { class: 'ring', cx: p.px, cy: p.py, r: 9 }));
      note.replaceChildren(h('b', { text: p.line.source.labels[p.i] || p.line.name }), ` ${p.line.name}: ${show(p.line.xs[p.i], chart.x.dimension, 3)}, ${show(p.line.ys[p.i], chart.y.dimension, 3)}`);
      return;
    }
    const v = stops[index];
    const over = chart.over;
    const px = x.of(v);
    const marks = [s('line', { class: 'rule', x1: px, x2: px, y1: box.top, y2: height - box.bottom })];
    const main = found.find((l) => l.strong)?.source.measure;
    const binds = main && over && chart.series.length > 1 ? binding(main.terms, { ...place, [over]: v }) : '';
    const said = [h('b', { text: show(v, chart.x.dimension, 3) })];
    found.forEach((line, i) => {
      const at = line.xs.indexOf(v);
      const py = at < 0 ? NaN : y.of(line.ys[at]);
      if (!Number.isFinite(py)) return;
      if (line.tops.length) {
        said.push(h('span', { class: `t${i % 6}`, text: `${line.name} ${show(line.ys[at], chart.y.dimension, 3)} to ${show(line.tops[at], chart.y.dimension, 3)}` }));
        return;
      }
      marks.push(s('circle', { class: `spot t${i % 6}`, cx: px, cy: py, r: 3.5 }));
      said.push(h('span', { class: `t${i % 6}`, text: `${line.name} ${show(line.ys[at], chart.y.dimension, 3)}` }));
    });
    if (binds) said.push(h('em', { text: `${binds} binds` }));
    cursor.replaceChildren(...marks);
    note.replaceChildren(...said);
  }
  svg.addEventListener('pointermove', (event) => {
    ready();
    const { width, height, x } = drawing.view;
    const frame = svg.getBoundingClientRect();
    const px = ((event.clientX - frame.left) / frame.width) * width;
    const py = ((event.clientY - frame.top) / frame.height) * height;
    let best = 0;
    let least = Infinity;
    for (let i = 0; i < count; i++) {
      const gap = cloud ? Math.hypot(spots[i].px - px, spots[i].py - py) : Math.abs(x.of(stops[i]) - px);
      if (gap < least) [best, least] = [i, gap];
    }
    to(best);
  });
  svg.addEventListener('pointerleave', clear);
  svg.addEventListener('click', (event) => {
    const { line, point } = /** @type {SVGElement} */ (event.target).dataset;
    if (line && point) drawing.open?.(drawing.view.found[Number(line)].source, Number(point));
  });
  svg.addEventListener('keydown', (event) => {
    ready();
    const moves = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -count, End: count };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (move !== undefined) {
      event.preventDefault();
      to(index < 0 && move > 0 ? move - 1 : index + move);
    } else if (event.key === 'Enter' && cloud && index >= 0) {
      drawing.open?.(spots[index].line.source, spots[index].i);
    } else if (event.key === 'Escape') {
      clear();
    }
  });
  return () => {
    count = -1;
    clear();
  };
}
