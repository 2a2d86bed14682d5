// SVG charts: axes, log scales, hover and keyboard read-outs, text alternatives.

import { h, patch, s } from './dom.js';
import { binding, read } from './terms.js';
import { show, unitOf } from './units.js';

/**
 * @typedef {import('./terms.js').Measure} Measure
 * @typedef {import('./terms.js').Place} Place
 * @typedef {{title: string, dimension: string, parts: [string, number][]}} Bars
 * @typedef {{label: string, dimension: string, log: boolean, low: number | null, high: number | null}} Axis
 * @typedef {{name: string, kind: 'line' | 'points' | 'steps', strong: boolean, x: (number | null)[],
 *   y: (number | null)[], measure: Measure | null, labels: string[], details: Bars[][]}} Series
 * @typedef {{key: string, title: string, about: string, over: '' | 'batch' | 'context' | 'tokens', x: Axis, y: Axis,
 *   series: Series[], markers: {x: number, label: string}[]}} Chart
 * @typedef {{name: string, kind: string, strong: boolean, xs: number[], ys: number[], source: Series}} Line
 * @typedef {{at: number[], ticks: number[], of: (v: number) => number, back: (p: number) => number}} Scale
 */

const SAMPLES = 120;

/** The last line of each series: one along an axis is evaluated again only where another variable has moved. @type {WeakMap<Series, {key: string, line: Line}>} */
const LINES = new WeakMap();

/** @param {Chart} chart @param {Place} place @returns {Line[]} */
export function lines(chart, place) {
  const key = chart.over ? JSON.stringify({ ...place, [chart.over]: 0 }) : '';
  return chart.series.map((series) => {
    const known = LINES.get(series);
    if (known && (known.key === key || !series.measure)) return known.line;
    const line = evaluated(chart, series, place);
    LINES.set(series, { key, line });
    return line;
  });
}

/** @param {Chart} chart @param {Series} series @param {Place} place @returns {Line} */
function evaluated(chart, series, place) {
  const measure = series.measure;
  if (measure && chart.over) {
    const xs = grid(chart.x);
    const over = chart.over;
    const at = { ...place };
    const ys = xs.map((x) => {
      at[over] = x;
      return Number(read(measure, at));
    });
    return { ...series, xs, ys, source: series };
  }
  const xs = series.x.map((v) => (v === null ? NaN : v));
  const ys = series.y.map((v) => (v === null ? NaN : v));
  return { ...series, xs, ys, source: series };
}

/** @param {Axis} axis */
function grid(axis) {
  const low = axis.low ?? 1;
  const high = axis.high ?? 1;
  return Array.from({ length: SAMPLES }, (_, i) => {
    const share = i / (SAMPLES - 1);
    return axis.log ? low * (high / low) ** share : low + (high - low) * share;
  });
}

/** @param {number} low @param {number} high @param {number} most */
function linearTicks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((v) => v >= rough) || rough;
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

/** @param {number} low @param {number} high @param {number} most */
function logTicks(low, high, most) {
  const first = Math.floor(Math.log10(low) + 1e-9);
  const last = Math.ceil(Math.log10(high) - 1e-9);
  const decades = Math.log10(high / low);
  const factors = decades <= 0.8 ? [1, 1.5, 2, 3, 4, 5, 7] : decades <= 2 ? [1, 2, 5] : decades <= 3 ? [1, 3] : [1];
  const stride = Math.max(1, Math.ceil(decades / most));
  const found = [];
  for (let p = first; p <= last; p++) {
    if (decades > 3 && (p - first) % stride) continue;
    for (const f of factors) {
      const v = Number(`${f}e${p}`);
      if (v >= low * (1 - 1e-9) && v <= high * (1 + 1e-9)) found.push(v);
    }
  }
  return found;
}

/** @param {Axis} axis @param {number[]} values @param {number} from @param {number} to @param {number} most @returns {Scale} */
function scale(axis, values, from, to, most) {
  const good = values.filter((v) => Number.isFinite(v) && (!axis.log || v > 0));
  let low = axis.low ?? Math.min(...(good.length ? good : [axis.log ? 1 : 0]));
  let high = axis.high ?? Math.max(...(good.length ? good : [1]));
  if (axis.log) {
    if (axis.low === null) low /= 1.15;
    if (axis.high === null) high *= 1.15;
    if (high / low < 1.5) [low, high] = [low / 1.5, high * 1.5];
  } else {
    const pad = (high - low || Math.abs(high) || 1) * 0.06;
    if (axis.low === null) low = low >= 0 && low < 0.4 * high ? 0 : low - pad;
    if (axis.high === null) high += pad;
  }
  const move = axis.log ? Math.log : (/** @type {number} */ v) => v;
  const [a, b] = [move(low), move(high)];
  return {
    at: [low, high],
    ticks: axis.log ? logTicks(low, high, most) : linearTicks(low, high, most),
    of: (v) => from + ((move(v) - a) / (b - a)) * (to - from),
    back: (p) => {
      const v = a + ((p - from) / (to - from)) * (b - a);
      return axis.log ? Math.exp(v) : v;
    },
  };
}

/** @param {Line} line @param {Scale} x @param {Scale} y */
function path(line, x, y) {
  let d = '';
  let pen = false;
  line.xs.forEach((v, i) => {
    const [px, py] = [x.of(v), y.of(line.ys[i])];
    if (!Number.isFinite(px) || !Number.isFinite(py)) {
      pen = false;
      return;
    }
    if (line.kind === 'steps' && pen) d += `H${px.toFixed(1)}`;
    d += `${pen ? 'L' : 'M'}${px.toFixed(1)} ${py.toFixed(1)}`;
    pen = true;
  });
  return d;
}

/** Labels at the right end, moved apart. @param {{y: number}[]} labels @param {number} gap @param {number} low @param {number} high */
function apart(labels, gap, low, high) {
  labels.sort((a, b) => a.y - b.y);
  for (let i = 1; i < labels.length; i++) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + gap);
  let floor = high;
  for (let i = labels.length - 1; i >= 0; i--) {
    labels[i].y = Math.min(labels[i].y, floor);
    floor = labels[i].y - gap;
  }
}

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
  const [all, every] = [found.flatMap((l) => l.xs), found.flatMap((l) => l.ys)];
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
function tickShapes({ chart, height, box, x, y }) {
  return [
    ...y.ticks.map((t) => /** @type {Shape} */ (['text', { class: 'tick', x: box.left - 8, y: y.of(t) + 4, 'text-anchor': 'end', text: show(t, chart.y.dimension, 3) }])),
    ...readable(chart, x).map((t) => /** @type {Shape} */ (['text', { class: 'tick', x: x.of(t), y: height - box.bottom + 19, 'text-anchor': 'middle', text: show(t, chart.x.dimension, 3) }])),
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
  return found.flatMap((line, index) => {
    const kind = `s${index % 6}${line.strong ? ' strong' : ''}`;
    if (line.kind !== 'points') return [/** @type {Shape} */ (['path', { class: `line ${kind}`, d: path(line, x, y) }])];
    return line.xs.flatMap((v, i) => {
      const [cx, cy] = [x.of(v), y.of(line.ys[i])];
      return Number.isFinite(cx) && Number.isFinite(cy) ? [dot(index, cx, cy, { class: `point ${kind}`, 'data-line': index, 'data-point': i })] : [];
    });
  });
}

/** @param {View} view @returns {Shape[]} */
function labelShapes({ chart, found, direct, width, height, box, y }) {
  if (!direct) return [];
  /** @type {{y: number, text: string, index: number}[]} */
  const labels = [];
  found.forEach((line, index) => {
    const end = line.ys.findLast((v) => Number.isFinite(v) && (!chart.y.log || v > 0));
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
    const mark = line.kind === 'points' ? s(...dot(i, 11, 6, { class: `point s${i % 6}` })) : s('path', { class: `line s${i % 6}${line.strong ? ' strong' : ''}`, d: 'M0 6H22' });
    return h('li', {}, [s('svg', { width: 22, height: 12, 'aria-hidden': 'true' }, [mark]), line.name]);
  }));
}

/** @param {Chart} chart @param {Line[]} found @param {Place} place */
function summary(chart, found, place) {
  const texts = found.slice(0, 6).map((line) => {
    const good = line.ys.filter((v) => Number.isFinite(v));
    if (!good.length) return `${line.name}: no values`;
    return `${line.name}: ${show(Math.min(...good), chart.y.dimension, 3)} to ${show(Math.max(...good), chart.y.dimension, 3)}`;
  });
  const at = chart.over ? ` Set to ${show(place[chart.over], chart.x.dimension, 3)}.` : '';
  return `${chart.y.label} against ${chart.x.label}. ${texts.join('; ')}.${at}`;
}

/**
 * Read-outs under the pointer and by the arrow keys; gives what to call when the curves have moved.
 * @param {Drawing} drawing
 */
function follow(drawing) {
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
    spots = cloud ? found.flatMap((line) => line.xs.map((v, i) => ({ line, i, px: x.of(v), py: y.of(line.ys[i]) }))).filter((p) => Number.isFinite(p.px + p.py)).sort((a, b) => a.px - b.px) : [];
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

/** Rows of a chart for its table and its CSV. @param {Chart} chart @param {Place} place @returns {string[][]} */
export function rows(chart, place) {
  const unit = (/** @type {Axis} */ axis) => (unitOf(axis.dimension) && unitOf(axis.dimension) !== '1' ? ` [${unitOf(axis.dimension)}]` : '');
  const head = ['series', 'point', chart.x.label + unit(chart.x), chart.y.label + unit(chart.y)];
  const body = lines(chart, place).flatMap((line) => line.xs.map((v, i) => [line.name, line.source.labels[i] || '', String(v), Number.isFinite(line.ys[i]) ? String(line.ys[i]) : '']));
  return [head, ...body];
}
