// From an answer to curves: what is evaluated along an axis, scales and ticks, paths, rows.

import { read } from './terms.js';
import { shownUnit, unitOf } from './units.js';

/**
 * @typedef {import('./terms.js').Measure} Measure
 * @typedef {import('./terms.js').Place} Place
 * @typedef {{title: string, dimension: string, parts: [string, number][]}} Bars
 * @typedef {{label: string, dimension: string, log: boolean, low: number | null, high: number | null}} Axis
 * @typedef {{name: string, kind: 'line' | 'points' | 'steps' | 'band', strong: boolean, x: (number | null)[],
 *   y: (number | null)[], top: (number | null)[], measure: Measure | null, labels: string[], details: Bars[][]}} Series
 * @typedef {{key: string, title: string, about: string, over: '' | 'batch' | 'context' | 'tokens', x: Axis, y: Axis,
 *   series: Series[], markers: {x: number, label: string}[]}} Chart
 * @typedef {{name: string, kind: string, strong: boolean, xs: number[], ys: number[], tops: number[], source: Series}} Line
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
    return { ...series, xs, ys, tops: [], source: series };
  }
  const [xs, ys, tops] = [series.x, series.y, series.top].map((one) => one.map((v) => (v === null ? NaN : v)));
  return { ...series, xs, ys, tops, source: series };
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

/** Round values in the unit that the end of the axis is shown in. @param {number} low @param {number} high @param {number} most @param {number} unit */
function linearTicks(low, high, most, unit) {
  const rough = (high - low) / unit / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((v) => v >= rough) || rough;
  const found = [];
  for (let i = Math.ceil(low / unit / step - 1e-9); i * step <= high / unit + step * 1e-9; i++) found.push(i * step * unit);
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
export function scale(axis, values, from, to, most) {
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
    ticks: axis.log ? logTicks(low, high, most) : linearTicks(low, high, most, shownUnit(high, axis.dimension)),
    of: (v) => from + ((move(v) - a) / (b - a)) * (to - from),
    back: (p) => {
      const v = a + ((p - from) / (to - from)) * (b - a);
      return axis.log ? Math.exp(v) : v;
    },
  };
}

/** @param {Line} line @param {Scale} x @param {Scale} y */
export function path(line, x, y) {
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

/** The outline of a band: along its lower edge and back along its upper one. @param {Line} line @param {Scale} x @param {Scale} y */
export function outline(line, x, y) {
  const edge = (/** @type {number[]} */ ys) => line.xs.map((v, i) => [x.of(v), y.of(ys[i])]).filter(([px, py]) => Number.isFinite(px + py));
  const round = [...edge(line.ys), ...edge(line.tops).reverse()];
  return round.length ? `M${round.map(([px, py]) => `${px.toFixed(1)} ${py.toFixed(1)}`).join('L')}Z` : '';
}

/** Labels at the right end, moved apart. @param {{y: number}[]} labels @param {number} gap @param {number} low @param {number} high */
export function apart(labels, gap, low, high) {
  labels.sort((a, b) => a.y - b.y);
  for (let i = 1; i < labels.length; i++) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + gap);
  let floor = high;
  for (let i = labels.length - 1; i >= 0; i--) {
    labels[i].y = Math.min(labels[i].y, floor);
    floor = labels[i].y - gap;
  }
}

/** Rows of a chart for its table and its CSV. @param {Chart} chart @param {Place} place @returns {string[][]} */
export function rows(chart, place) {
  const unit = (/** @type {Axis} */ axis) => (unitOf(axis.dimension) && unitOf(axis.dimension) !== '1' ? ` [${unitOf(axis.dimension)}]` : '');
  const head = ['series', 'point', chart.x.label + unit(chart.x), chart.y.label + unit(chart.y)];
  const whole = lines(chart, place).flatMap((line) => (line.tops.length ? [{ ...line, name: `${line.name}, low` }, { ...line, name: `${line.name}, high`, ys: line.tops }] : [line]));
  const body = whole.flatMap((line) => line.xs.map((v, i) => [line.name, line.source.labels[i] || '', String(v), Number.isFinite(line.ys[i]) ? String(line.ys[i]) : '']));
  return [head, ...body];
}
