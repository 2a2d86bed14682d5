// SVG charts: axes, curves, legends, text alternatives.

import { apart, lines, outline, path, scale } from './curves.js';
import { h, patch, s } from './dom.js';
import { follow } from './readout.js';
import { binding, read } from './terms.js';
import { show } from './units.js';

/**
 * @typedef {import('./terms.js').Place} Place
 * @typedef {import('./curves.js').Series} Series
 * @typedef {import('./curves.js').Chart} Chart
 * @typedef {import('./curves.js').Line} Line
 * @typedef {import('./curves.js').Scale} Scale
 */

/**
 * @typedef {import('./dom.js').Shape} Shape
 * @typedef {{left: number, right: number, top: number, bottom: number}} Box
 * @typedef {{chart: Chart, found: Line[], place: Place, width: number, height: number, box: Box, x: Scale, y: Scale, direct: boolean}} View
 * @typedef {{svg: SVGSVGElement, layers: Record<string, Element>, note: HTMLElement, key: string, view: View, saying: number,
 *   open: ((series: Series, index: number) => void) | undefined, moved: () => void}} Drawing
 */

const LAYERS = ['grid', 'ticks', 'names', 'strip', 'curves', 'markers', 'here', 'labels', 'cursor'];

/** @type {WeakMap<HTMLElement, Drawing>} */
const DRAWINGS = new WeakMap();

/**
 * Draw a chart into its figure; elements that stand there are kept, and what has not moved is not touched.
 * @param {HTMLElement} host
 * @param {Chart} chart
 * @param {Place} place values of the live controls
 * @param {{open?: (series: Series, index: number) => void, width: number}} options
 */
export function draw(host, chart, place, options) {
  const width = Math.max(280, options.width || 640);
  const found = lines(chart, place);
  const old = DRAWINGS.get(host)?.view;
  const same = old && old.chart === chart && old.width === width && found.every((line, i) => line === old.found[i]);
  const view = same ? { ...old, place } : look(chart, place, found, width);
  const drawing = framed(host, view);
  drawing.view = view;
  drawing.open = options.open;
  if (!same) {
    patch(drawing.layers.grid, gridShapes(view));
    patch(drawing.layers.ticks, tickShapes(view));
    patch(drawing.layers.names, nameShapes(view));
    patch(drawing.layers.strip, strip(chart, found, place, view.x, view.box));
    patch(drawing.layers.markers, markerShapes(view));
    patch(drawing.layers.curves, curveShapes(view));
    patch(drawing.layers.labels, labelShapes(view));
    drawing.moved();
  }
  patch(drawing.layers.here, hereShapes(view));
  clearTimeout(drawing.saying);
  // The text alternative follows once the slider rests: nobody hears it before, and writing it costs a frame.
  drawing.saying = window.setTimeout(() => describe(drawing), 150);
}

/** @param {Chart} chart @param {Place} place @param {Line[]} found @param {number} width @returns {View} */
function look(chart, place, found, width) {
  const direct = width >= 520 && chart.series.length > 1 && chart.series.every((one) => one.kind !== 'points');
  const [all, every] = [found.flatMap((l) => l.xs), found.flatMap((l) => [...l.ys, ...l.tops])];
  const tall = scale(chart.y, every, 1, 0, 6).ticks;
  const margin = 18 + 6.7 * Math.max(3, ...tall.map((t) => show(t, chart.y.dimension, 3).length));
  const height = Math.round(Math.min(400, Math.max(250, width * 0.52)));
  const box = { left: margin, right: direct ? 22 + 7.3 * Math.max(...chart.series.map((one) => one.name.length)) : 14, top: 30, bottom: 44 };
  const x = scale(chart.x, all, box.left, width - box.right, Math.max(3, Math.floor(width / 95)));
  const y = scale(chart.y, every, height - box.bottom, box.top, 6);
  return { chart, found, place, width, height, box, x, y, direct };
}

/** The elements of a chart, made anew only where its size or its series have changed. @param {HTMLElement} host @param {View} view @returns {Drawing} */
function framed(host, view) {
  const { chart, width, height, direct } = view;
  const key = JSON.stringify([chart.key, chart.title, width, direct, chart.series.map((one) => [one.name, one.kind, one.strong])]);
  const known = DRAWINGS.get(host);
  if (known?.key === key) return known;
  const layers = Object.fromEntries(LAYERS.map((name) => [name, s('g', { class: name === 'cursor' ? 'cursor' : `layer-${name}` })]));
  const svg = s('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', tabindex: 0 }, [s('title', { text: chart.title }), s('desc'), ...Object.values(layers)]);
  const note = h('output', { class: 'readout', 'aria-live': 'polite' });
  const drawing = { svg, layers, note, key, view, saying: 0, open: undefined, moved: () => {} };
  drawing.moved = follow(drawing);
  describe(drawing);
  const focused = host.contains(document.activeElement);
  host.replaceChildren(...(direct || chart.series.length < 2 ? [] : [legend(view.found)]), svg, note);
  if (focused) svg.focus({ preventScroll: true });
  clearTimeout(known?.saying);
  DRAWINGS.set(host, drawing);
  return drawing;
}

/** @param {Drawing} drawing */
function describe(drawing) {
  const { chart, found, place } = drawing.view;
  const said = summary(chart, found, place);
  drawing.svg.setAttribute('aria-label', `${chart.title}. ${said} Arrow keys read values.`);
  const text = drawing.svg.querySelector('desc');
  if (text) text.textContent = said;
}

/** @param {View} view @returns {Shape[]} */
function gridShapes({ width, height, box, x, y }) {
  const low = height - box.bottom;
  return [
    ['line', { class: 'axis', x1: box.left, x2: width - box.right, y1: low, y2: low }],
    ...y.ticks.map((t) => /** @type {Shape} */ (['line', { class: 'grid', x1: box.left, x2: width - box.right, y1: y.of(t), y2: y.of(t) }])),
    ...x.ticks.map((t) => /** @type {Shape} */ (['line', { class: 'grid', x1: x.of(t), x2: x.of(t), y1: low, y2: low + 5 }])),
  ];
}

/** @param {View} view @returns {Shape[]} */
function tickShapes({ chart, width, height, box, x, y }) {
  return [
    ...y.ticks.map((t) => /** @type {Shape} */ (['text', { class: 'tick', x: box.left - 8, y: y.of(t) + 4, 'text-anchor': 'end', text: show(t, chart.y.dimension, 3) }])),
    ...readable(chart, x).map((t) => /** @type {Shape} */ (['text', { class: 'tick', x: Math.min(x.of(t), width - 4 - 3.4 * show(t, chart.x.dimension, 3).length), y: height - box.bottom + 19, 'text-anchor': 'middle', text: show(t, chart.x.dimension, 3) }])),
  ];
}

/** The ticks of the x axis whose figures do not touch. @param {Chart} chart @param {Scale} x @returns {number[]} */
function readable(chart, x) {
  let end = -Infinity;
  return x.ticks.filter((t) => {
    const half = 3.4 * show(t, chart.x.dimension, 3).length;
    if (x.of(t) - half < end + 6) return false;
    end = x.of(t) + half;
    return true;
  });
}

/** @param {View} view @returns {Shape[]} */
function nameShapes({ chart, width, height, box }) {
  return [
    ['text', { class: 'name', x: (box.left + width - box.right) / 2, y: height - 6, 'text-anchor': 'middle', text: chart.x.label }],
    ['text', { class: 'name', x: 4, y: 13, text: chart.y.label }],
  ];
}

/** @param {View} view @returns {Shape[]} */
function markerShapes({ chart, found, width, height, box, x, y }) {
  return chart.markers.flatMap((m, i) => {
    const px = x.of(m.x);
    if (!(px >= box.left && px <= width - box.right)) return [];
    const late = px > width - box.right - 12 - 6 * m.label.length;
    // At the foot of the plot, or at its head where a curve runs along the foot.
    const low = height - box.bottom - 38;
    const taken = found.some((line) => line.xs.some((v, k) => Math.abs(x.of(v) - px) < 30 && y.of(line.ys[k]) > low));
    const at = taken ? box.top + 14 + 15 * (i % 2) : height - box.bottom - 8 - 15 * (i % 2);
    const where = { class: 'mark', x: px + (late ? -5 : 5), y: at, 'text-anchor': late ? 'end' : 'start' };
    return /** @type {Shape[]} */ ([
      ['line', { class: 'marker', x1: px, x2: px, y1: box.top, y2: height - box.bottom }],
      ['text', { ...where, text: m.label }],
    ]);
  });
}

/** @param {View} view @returns {Shape[]} */
function curveShapes({ found, x, y }) {
  const bands = found.flatMap((line, index) => (line.kind === 'band' ? [/** @type {Shape} */ (['path', { class: `band t${index % 6}`, d: outline(line, x, y) }])] : []));
  const curves = found.flatMap((line, index) => {
    const kind = `s${index % 6}${line.strong ? ' strong' : ''}`;
    if (line.kind === 'band') return [];
    if (line.kind !== 'points') return [/** @type {Shape} */ (['path', { class: `line ${kind}`, d: path(line, x, y) }])];
    return line.xs.flatMap((v, i) => {
      const [cx, cy] = [x.of(v), y.of(line.ys[i])];
      return Number.isFinite(cx) && Number.isFinite(cy) ? [dot(index, cx, cy, { class: `point ${kind}`, 'data-line': index, 'data-point': i })] : [];
    });
  });
  return [...bands, ...curves];
}

/** @param {View} view @returns {Shape[]} */
function labelShapes({ chart, found, direct, width, height, box, y }) {
  if (!direct) return [];
  /** @type {{y: number, text: string, index: number}[]} */
  const labels = [];
  found.forEach((line, index) => {
    const end = (line.tops.length ? line.tops : line.ys).findLast((v) => Number.isFinite(v) && (!chart.y.log || v > 0));
    if (end !== undefined) labels.push({ y: y.of(end) + 4, text: line.name, index });
  });
  apart(labels, 15, box.top + 6, height - box.bottom);
  return labels.map((l) => /** @type {Shape} */ (['text', { class: `label t${l.index % 6}`, x: width - box.right + 7, y: l.y, text: l.text }]));
}

/** @param {View} view @returns {Shape[]} */
function hereShapes({ chart, found, place, height, box, x, y }) {
  const here = chart.over ? place[chart.over] : NaN;
  if (!(here >= x.at[0] && here <= x.at[1])) return [];
  const px = x.of(here);
  /** @type {Shape[]} */
  const shapes = [['line', { class: 'here', x1: px, x2: px, y1: box.top, y2: height - box.bottom }]];
  const measure = (found.find((l) => l.strong) || found[0]).source.measure;
  const py = measure ? y.of(Number(read(measure, place))) : NaN;
  if (Number.isFinite(py)) shapes.push(['circle', { class: 'dot', cx: px, cy: py, r: 5 }]);
  return shapes;
}

/** @param {number} index @param {number} cx @param {number} cy @param {Record<string, unknown>} shape @returns {Shape} */
function dot(index, cx, cy, shape) {
  const r = 5;
  if (index % 4 === 1) return ['rect', { ...shape, x: cx - r, y: cy - r, width: 2 * r, height: 2 * r }];
  if (index % 4 === 2) return ['path', { ...shape, d: `M${cx} ${cy - 6}l6 10.5h-12z` }];
  if (index % 4 === 3) return ['path', { ...shape, d: `M${cx} ${cy - 7}l6 7-6 7-6-7z` }];
  return ['circle', { ...shape, cx, cy, r }];
}

/** A strip over the plot that says which resource binds where. @param {Chart} chart @param {Line[]} found @param {Place} place @param {Scale} x @param {{top: number}} box @returns {Shape[]} */
function strip(chart, found, place, x, box) {
  const main = found.find((l) => l.strong);
  const measure = main?.source.measure;
  if (!main || !measure || !chart.over || new Set(measure.terms.map((t) => t.resource)).size < 2) return [];
  const over = chart.over;
  const names = main.xs.map((v) => binding(measure.terms, { ...place, [over]: v }));
  /** @type {Shape[]} */
  const parts = [];
  for (let i = 0, start = 0; i < names.length; i++) {
    if (i + 1 < names.length && names[i + 1] === names[i]) continue;
    const [a, b] = [x.of(main.xs[start]), x.of(main.xs[Math.min(i + 1, names.length - 1)])];
    parts.push(['rect', { class: `strip ${names[i]}`, x: a, width: Math.max(b - a, 0), y: box.top - 9, height: 4 }]);
    if (b - a > 96) parts.push(['text', { class: 'bind', x: (a + b) / 2, y: box.top - 13, 'text-anchor': 'middle', text: `${names[i]} binds` }]);
    start = i + 1;
  }
  return parts;
}

/** @param {Line[]} found */
function legend(found) {
  return h('ul', { class: 'legend' }, found.map((line, i) => {
    if (line.kind === 'band') return h('li', {}, [s('svg', { width: 22, height: 12, 'aria-hidden': 'true' }, [s('rect', { class: `band t${i % 6}`, width: 22, height: 12 })]), line.name]);
    const mark = line.kind === 'points' ? s(...dot(i, 11, 6, { class: `point s${i % 6}` })) : s('path', { class: `line s${i % 6}${line.strong ? ' strong' : ''}`, d: 'M0 6H22' });
    return h('li', {}, [s('svg', { width: 22, height: 12, 'aria-hidden': 'true' }, [mark]), line.name]);
  }));
}

/** @param {Chart} chart @param {Line[]} found @param {Place} place */
function summary(chart, found, place) {
  const texts = found.slice(0, 6).map((line) => {
    const good = [...line.ys, ...line.tops].filter((v) => Number.isFinite(v));
    if (!good.length) return `${line.name}: no values`;
    return `${line.name}: ${show(Math.min(...good), chart.y.dimension, 3)} to ${show(Math.max(...good), chart.y.dimension, 3)}`;
  });
  const at = chart.over ? ` Set to ${show(place[chart.over], chart.x.dimension, 3)}.` : '';
  return `${chart.y.label} against ${chart.x.label}. ${texts.join('; ')}.${at}`;
}
