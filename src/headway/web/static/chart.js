// SVG charts: axes, log scales, hover and keyboard read-outs, text alternatives.

import { h, s } from './dom.js';
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

/** @param {Chart} chart @param {Place} place @returns {Line[]} */
export function lines(chart, place) {
  return chart.series.map((series) => {
    const measure = series.measure;
    if (measure && chart.over) {
      const xs = grid(chart.x);
      const over = chart.over;
      const ys = xs.map((x) => Number(read(measure, { ...place, [over]: x })));
      return { ...series, xs, ys, source: series };
    }
    const xs = series.x.map((v) => (v === null ? NaN : v));
    const ys = series.y.map((v) => (v === null ? NaN : v));
    return { ...series, xs, ys, source: series };
  });
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
 * Draw a chart into its figure; what stood there before is replaced.
 * @param {HTMLElement} host
 * @param {Chart} chart
 * @param {Place} place values of the live controls
 * @param {{open?: (series: Series, index: number) => void}} [options]
 */
export function draw(host, chart, place, options = {}) {
  const width = Math.max(280, host.clientWidth || 640);
  const direct = width >= 520 && chart.series.length > 1 && chart.series.every((one) => one.kind !== 'points');
  const found = lines(chart, place);
  const tall = scale(chart.y, found.flatMap((l) => l.ys), 1, 0, 6).ticks;
  const margin = 18 + 6.7 * Math.max(3, ...tall.map((t) => show(t, chart.y.dimension, 3).length));
  const height = Math.round(Math.min(400, Math.max(250, width * 0.52)));
  const box = { left: margin, right: direct ? 22 + 7.3 * Math.max(...chart.series.map((one) => one.name.length)) : 14, top: 30, bottom: 44 };
  const x = scale(chart.x, found.flatMap((l) => l.xs), box.left, width - box.right, Math.max(3, Math.floor(width / 95)));
  const y = scale(chart.y, found.flatMap((l) => l.ys), height - box.bottom, box.top, 6);
  const parts = [s('title', { text: chart.title }), s('desc', { text: summary(chart, found, place) })];
  for (const t of y.ticks) {
    const py = y.of(t);
    parts.push(s('line', { class: 'grid', x1: box.left, x2: width - box.right, y1: py, y2: py }));
    parts.push(s('text', { class: 'tick', x: box.left - 8, y: py + 4, 'text-anchor': 'end', text: show(t, chart.y.dimension, 3) }));
  }
  for (const t of x.ticks) {
    const px = x.of(t);
    parts.push(s('line', { class: 'grid', x1: px, x2: px, y1: height - box.bottom, y2: height - box.bottom + 5 }));
    parts.push(s('text', { class: 'tick', x: px, y: height - box.bottom + 19, 'text-anchor': 'middle', text: show(t, chart.x.dimension, 3) }));
  }
  parts.push(s('line', { class: 'axis', x1: box.left, x2: width - box.right, y1: height - box.bottom, y2: height - box.bottom }));
  parts.push(s('text', { class: 'name', x: (box.left + width - box.right) / 2, y: height - 6, 'text-anchor': 'middle', text: chart.x.label }));
  parts.push(s('text', { class: 'name', x: 4, y: 13, text: chart.y.label }));
  parts.push(...strip(chart, found, place, x, box));
  chart.markers.forEach((m, i) => {
    const px = x.of(m.x);
    if (!(px >= box.left && px <= width - box.right)) return;
    const late = px > width - box.right - 80;
    const where = { class: 'mark', x: px + (late ? -5 : 5), y: height - box.bottom - 8 - 15 * (i % 2), 'text-anchor': late ? 'end' : 'start' };
    parts.push(s('line', { class: 'marker', x1: px, x2: px, y1: box.top, y2: height - box.bottom }));
    parts.push(s('text', { ...where, text: m.label }));
  });
  const here = chart.over ? place[chart.over] : NaN;
  /** @type {{y: number, text: string, index: number}[]} */
  const labels = [];
  found.forEach((line, index) => {
    const kind = `s${index % 6}${line.strong ? ' strong' : ''}`;
    if (line.kind === 'points') {
      line.xs.forEach((v, i) => {
        const [cx, cy] = [x.of(v), y.of(line.ys[i])];
        if (Number.isFinite(cx) && Number.isFinite(cy)) parts.push(dot(index, cx, cy, kind, options.open && (() => options.open?.(line.source, i))));
      });
      return;
    }
    parts.push(s('path', { class: `line ${kind}`, d: path(line, x, y) }));
    const end = line.ys.findLast((v) => Number.isFinite(v) && (!chart.y.log || v > 0));
    if (direct && end !== undefined) labels.push({ y: y.of(end) + 4, text: line.name, index });
  });
  if (here >= x.at[0] && here <= x.at[1]) {
    const strong = found.find((l) => l.strong) || found[0];
    const px = x.of(here);
    parts.push(s('line', { class: 'here', x1: px, x2: px, y1: box.top, y2: height - box.bottom }));
    if (strong.source.measure) {
      const py = y.of(Number(read(strong.source.measure, place)));
      if (Number.isFinite(py)) parts.push(s('circle', { class: 'dot', cx: px, cy: py, r: 5 }));
    }
  }
  apart(labels, 15, box.top + 6, height - box.bottom);
  for (const l of labels) parts.push(s('text', { class: `label t${l.index % 6}`, x: width - box.right + 7, y: l.y, text: l.text }));
  const cursor = s('g', { class: 'cursor' });
  const svg = s('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', tabindex: 0, 'aria-label': `${chart.title}. ${summary(chart, found, place)} Arrow keys read values.` }, [...parts, cursor]);
  const note = h('output', { class: 'readout', 'aria-live': 'polite' });
  const kids = direct || chart.series.length < 2 ? [svg, note] : [legend(found), svg, note];
  const focused = host.contains(document.activeElement);
  host.replaceChildren(...kids);
  if (focused) svg.focus({ preventScroll: true });
  follow(svg, cursor, note, chart, found, place, x, y, box, width, height, options);
}

/** @param {number} index @param {number} cx @param {number} cy @param {string} kind @param {(() => void) | undefined} open */
function dot(index, cx, cy, kind, open) {
  const shape = { class: `point ${kind}`, onclick: open };
  const r = 5;
  if (index % 4 === 1) return s('rect', { ...shape, x: cx - r, y: cy - r, width: 2 * r, height: 2 * r });
  if (index % 4 === 2) return s('path', { ...shape, d: `M${cx} ${cy - 6}l6 10.5h-12z` });
  if (index % 4 === 3) return s('path', { ...shape, d: `M${cx} ${cy - 7}l6 7-6 7-6-7z` });
  return s('circle', { ...shape, cx, cy, r });
}

/** A strip over the plot that says which resource binds where. @param {Chart} chart @param {Line[]} found @param {Place} place @param {Scale} x @param {{top: number}} box */
function strip(chart, found, place, x, box) {
  const main = found.find((l) => l.strong);
  const measure = main?.source.measure;
  if (!main || !measure || !chart.over || new Set(measure.terms.map((t) => t.resource)).size < 2) return [];
  const over = chart.over;
  const names = main.xs.map((v) => binding(measure.terms, { ...place, [over]: v }));
  const parts = [];
  for (let i = 0, start = 0; i < names.length; i++) {
    if (i + 1 < names.length && names[i + 1] === names[i]) continue;
    const [a, b] = [x.of(main.xs[start]), x.of(main.xs[Math.min(i + 1, names.length - 1)])];
    parts.push(s('rect', { class: `strip ${names[i]}`, x: a, width: Math.max(b - a, 0), y: box.top - 9, height: 4 }));
    if (b - a > 96) parts.push(s('text', { class: 'bind', x: (a + b) / 2, y: box.top - 13, 'text-anchor': 'middle', text: `${names[i]} binds` }));
    start = i + 1;
  }
  return parts;
}

/** @param {Line[]} found */
function legend(found) {
  return h('ul', { class: 'legend' }, found.map((line, i) => {
    const mark = line.kind === 'points' ? dot(i, 11, 6, `s${i % 6}`, undefined) : s('path', { class: `line s${i % 6}${line.strong ? ' strong' : ''}`, d: 'M0 6H22' });
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
 * Read-outs under the pointer and by the arrow keys.
 * @param {SVGSVGElement} svg @param {SVGGElement} cursor @param {HTMLElement} note @param {Chart} chart @param {Line[]} found
 * @param {Place} place @param {Scale} x @param {Scale} y @param {{left: number, right: number, top: number, bottom: number}} box
 * @param {number} width @param {number} height @param {{open?: (series: Series, index: number) => void}} options
 */
function follow(svg, cursor, note, chart, found, place, x, y, box, width, height, options) {
  const cloud = found.some((l) => l.kind === 'points');
  const spots = cloud ? found.flatMap((line) => line.xs.map((v, i) => ({ line, i, px: x.of(v), py: y.of(line.ys[i]) }))).filter((p) => Number.isFinite(p.px + p.py)).sort((a, b) => a.px - b.px) : [];
  const stops = cloud ? [] : [...new Set(found.flatMap((l) => l.xs))].filter((v) => Number.isFinite(v)).sort((a, b) => a - b);
  const count = cloud ? spots.length : stops.length;
  let index = -1;

  /** @param {number} next */
  function to(next) {
    if (!count) return;
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
  svg.addEventListener('pointerleave', () => {
    cursor.replaceChildren();
    note.replaceChildren();
    index = -1;
  });
  svg.addEventListener('keydown', (event) => {
    const moves = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -count, End: count };
    const move = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (move !== undefined) {
      event.preventDefault();
      to(index < 0 && move > 0 ? move - 1 : index + move);
    } else if (event.key === 'Enter' && cloud && index >= 0) {
      options.open?.(spots[index].line.source, spots[index].i);
    } else if (event.key === 'Escape') {
      cursor.replaceChildren();
      note.replaceChildren();
    }
  });
}

/** Rows of a chart for its table and its CSV. @param {Chart} chart @param {Place} place @returns {string[][]} */
export function rows(chart, place) {
  const unit = (/** @type {Axis} */ axis) => (unitOf(axis.dimension) && unitOf(axis.dimension) !== '1' ? ` [${unitOf(axis.dimension)}]` : '');
  const head = ['series', 'point', chart.x.label + unit(chart.x), chart.y.label + unit(chart.y)];
  const body = lines(chart, place).flatMap((line) => line.xs.map((v, i) => [line.name, line.source.labels[i] || '', String(v), Number.isFinite(line.ys[i]) ? String(line.ys[i]) : '']));
  return [head, ...body];
}
