// How figures are shown: the same table and the same rounding as facts/units.py.

/** @typedef {{unit: string, money: boolean, scientific: boolean, scales: [number, number, string][]}} Dimension */

/** @type {Record<string, Dimension>} */
const DIMENSIONS = {};

/** @param {Record<string, Dimension>} table */
export function setDimensions(table) {
  Object.assign(DIMENSIONS, table);
}

/** @param {number} value @param {number} digits */
function significant(value, digits) {
  const text = value.toExponential(digits - 1);
  const split = text.indexOf('e');
  let mantissa = text.slice(0, split);
  let power = Number(text.slice(split + 1));
  if (power > -6 && power < 6) {
    mantissa = Number(text).toFixed(Math.max(digits - 1 - power, 0));
    power = 0;
  }
  const short = mantissa.includes('.') ? mantissa.replace(/0+$/, '').replace(/\.$/, '') : mantissa;
  return power ? `${short}e${power}` : short;
}

/** @param {Dimension} wanted @param {number} size @param {number} digits */
function scaleOf(wanted, size, digits) {
  const up = Number(size.toExponential(digits - 1));
  const last = wanted.scales[wanted.scales.length - 1];
  const plain = wanted.scales.find((s) => s[1] === 1) || last;
  if (size === 0 || (wanted.scientific && up >= 1e3 * wanted.scales[0][1])) return plain;
  const scale = wanted.scales.find((s) => up >= s[0]) || last;
  // One power of ten, not a power of ten of a prefix.
  return significant(size / scale[1], digits).includes('e') ? plain : scale;
}

/** The unit in which a figure is shown. @param {number} value @param {string} name */
export function shownUnit(value, name) {
  return Number.isFinite(value) ? scaleOf(DIMENSIONS[name || 'count'], Math.abs(value), 4)[1] : 1;
}

/**
 * Show a figure with a fitting prefix and its unit.
 * @param {number | string | null | undefined} value
 * @param {string} name
 * @param {number} [digits]
 * @returns {string}
 */
export function show(value, name, digits = 4) {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'string') return value;
  const wanted = DIMENSIONS[name || 'count'];
  const size = Math.abs(value);
  if (!Number.isFinite(size)) return 'none';
  const scale = scaleOf(wanted, size, digits);
  let shown = significant(size / scale[1], digits);
  if (wanted.money && scale[1] === 1 && /^[0-9]{1,2}\.[0-9]$/.test(shown)) shown += '0';
  return `${value < 0 && shown !== '0' ? '-' : ''}${wanted.money ? '$' : ''}${shown}${scale[2]}`;
}

/** @param {string} name */
export function unitOf(name) {
  return name ? DIMENSIONS[name].unit : '';
}
