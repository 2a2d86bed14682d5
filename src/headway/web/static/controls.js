// The form of a chapter: sliders with a field beside them, lists of names.

import { h } from './dom.js';
import { show } from './units.js';

/**
 * @typedef {{name: string, label: string, default: number | string, dimension: string, low: number, high: number,
 *   log: boolean, whole: boolean, variable: '' | 'batch' | 'context' | 'tokens', choices: string[] | null, most: number,
 *   about: string}} Control
 * @typedef {number | string | string[]} Value
 */

const STEPS = 1000;

/** @param {Control} c @param {number} value */
function toSlider(c, value) {
  if (c.log && c.low > 0) return STEPS * (Math.log(value / c.low) / Math.log(c.high / c.low));
  return STEPS * ((value - c.low) / (c.high - c.low));
}

/** @param {Control} c @param {number} position */
function fromSlider(c, position) {
  // The ends are the range's own, which may have more digits than a step is rounded to.
  if (position <= 0) return c.low;
  if (position >= STEPS) return c.high;
  const share = position / STEPS;
  const raw = c.log && c.low > 0 ? c.low * (c.high / c.low) ** share : c.low + (c.high - c.low) * share;
  const round = Number(raw.toPrecision(3));
  const value = c.whole ? Math.round(round) : round;
  return Math.min(Math.max(value, c.low), c.high);
}

/**
 * Build the form; `change` is told the name, the new value (text where a person typed) and whether it is a typed one.
 * @param {Control[]} controls @param {Record<string, Value>} values @param {boolean} alone
 * @param {(name: string, value: Value, typed: boolean) => void} change
 */
export function form(controls, values, alone, change) {
  /** @type {Map<string, (value: Value) => void>} */
  const setters = new Map();
  const fields = controls.map((c) => {
    const fixed = alone && !c.variable;
    const error = h('p', { class: 'error', id: `error-${c.name}`, 'data-field': c.name });
    const about = c.about ? [h('p', { class: 'about', text: c.about })] : [];
    const field = c.choices ? names(c, fixed, setters, change) : number(c, fixed, setters, change);
    setters.get(c.name)?.(values[c.name]);
    return h('div', { class: 'field' }, [...field, ...about, error]);
  });
  const element = h('form', { class: 'controls', 'aria-label': 'Controls', onsubmit: (/** @type {Event} */ e) => e.preventDefault() }, fields);
  return {
    element,
    /** @param {Record<string, Value>} next @param {boolean} [all] */
    set(next, all = false) {
      for (const [name, setter] of setters) {
        if (all || !element.querySelector(`[data-name="${name}"]:focus`)) setter(next[name]);
      }
    },
    /** @param {string} field @param {string} text */
    complain(field, text) {
      for (const p of element.querySelectorAll('.error')) p.textContent = p.getAttribute('data-field') === field ? text : '';
      const known = controls.some((c) => c.name === field);
      for (const input of element.querySelectorAll('[data-name]')) input.toggleAttribute('aria-invalid', false);
      if (known && text) element.querySelector(`[data-name="${field}"]:not([type=range])`)?.setAttribute('aria-invalid', 'true');
      return known;
    },
  };
}

/** @param {Control} c @param {boolean} fixed @param {Map<string, (value: Value) => void>} setters @param {(name: string, value: Value, typed: boolean) => void} change */
function number(c, fixed, setters, change) {
  const text = h('input', { id: `text-${c.name}`, 'data-name': c.name, class: 'figure', type: 'text', autocomplete: 'off', spellcheck: 'false', disabled: fixed, 'aria-describedby': `error-${c.name}` });
  const slider = h('input', { 'data-name': c.name, type: 'range', min: 0, max: STEPS, step: 1, disabled: fixed, 'aria-label': c.label });
  let now = Number(c.default);
  const say = (/** @type {number} */ v) => slider.setAttribute('aria-valuetext', show(v, c.dimension));
  slider.addEventListener('input', () => {
    const value = fromSlider(c, Number(slider.value));
    now = value;
    text.value = show(value, c.dimension);
    say(value);
    change(c.name, value, false);
  });
  // Let go, it asks for what the page does not evaluate: notes, markers, figures that are no terms.
  if (c.variable) slider.addEventListener('change', () => change(c.name, now, true));
  text.addEventListener('change', () => {
    const typed = text.value.trim();
    // What is shown is rounded: the same text is the same value.
    change(c.name, typed === show(now, c.dimension) ? now : typed, true);
  });
  setters.set(c.name, (value) => {
    now = Number(value);
    text.value = show(now, c.dimension);
    slider.value = String(toSlider(c, now));
    say(now);
  });
  return [h('div', { class: 'row' }, [h('label', { for: `text-${c.name}`, text: c.label }), text]), slider];
}

/** @param {Control} c @param {boolean} fixed @param {Map<string, (value: Value) => void>} setters @param {(name: string, value: Value, typed: boolean) => void} change */
function names(c, fixed, setters, change) {
  const options = (c.choices || []).map((name) => h('option', { value: name, text: name }));
  const id = `text-${c.name}`;
  if (c.most === 1) {
    const select = h('select', { id, 'data-name': c.name, disabled: fixed, onchange: () => change(c.name, select.value, false) }, options);
    setters.set(c.name, (value) => (select.value = String(value)));
    return [h('label', { for: id, text: c.label }), select];
  }
  /** @type {string[]} */
  let chosen = [];
  const list = h('ul', { class: 'chosen' });
  const select = h('select', { id, 'data-name': c.name, disabled: fixed }, [h('option', { value: '', text: `Add one of ${options.length}, at most ${c.most}` }), ...options]);
  const render = () => {
    list.replaceChildren(...chosen.map((name) => h('li', {}, [h('button', { type: 'button', disabled: fixed || chosen.length === 1, 'aria-label': `Remove ${name}`, onclick: () => change(c.name, chosen.filter((n) => n !== name), false) }, [name, h('span', { 'aria-hidden': 'true', text: ' ×' })])])));
    select.disabled = fixed || chosen.length >= c.most;
  };
  select.addEventListener('change', () => {
    if (select.value && !chosen.includes(select.value)) change(c.name, [...chosen, select.value], false);
    select.value = '';
  });
  setters.set(c.name, (value) => {
    chosen = Array.isArray(value) ? value : String(value).split(',');
    render();
  });
  return [h('label', { for: id, text: c.label }), list, select];
}
