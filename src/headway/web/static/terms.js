// The evaluator of terms: sums of coefficient · batch^p · context^q · tokens^s · f. No physics lives here.

/**
 * @typedef {{resource: string, label: string, coefficient_s: number, batch: number, context: number, tokens: number,
 *   function: string | null, args: number[], phase: string}} Term
 * @typedef {{batch: number, context: number, tokens: number}} Place
 * @typedef {{show: 'value' | 'reciprocal' | 'binding', terms: Term[]}} Measure
 */

/** @type {Record<string, (at: Place, ...args: number[]) => number>} */
const FUNCTIONS = {
  touched: (at, experts, k) => -Math.expm1(at.batch * at.tokens * Math.log1p(-Math.min(k / experts, 1 - 1e-16))),
  window: (at, width) => Math.min(at.context, width),
  window_pairs: (at, width) => {
    const rising = Math.min(Math.max(Math.floor(width - at.context), 0), at.tokens);
    return rising * at.context + 0.5 * rising * (rising + 1) + (at.tokens - rising) * width;
  },
};

/** @param {Term} term @param {Place} at */
export function termValue(term, at) {
  let value = term.coefficient_s;
  for (const name of /** @type {const} */ (['batch', 'context', 'tokens'])) {
    if (term[name] === 1) value *= at[name];
    else if (term[name]) value *= at[name] ** term[name];
  }
  return term.function === null ? value : value * FUNCTIONS[term.function](at, ...term.args);
}

/** @param {Term[]} terms @param {Place} at @returns {Map<string, number>} */
export function byResource(terms, at) {
  const found = new Map();
  for (const term of terms) found.set(term.resource, (found.get(term.resource) || 0) + termValue(term, at));
  return found;
}

/** @param {Term[]} terms @param {Place} at */
export function total(terms, at) {
  let sum = 0;
  for (const phase of new Set(terms.map((t) => t.phase))) {
    sum += Math.max(...byResource(terms.filter((t) => t.phase === phase), at).values());
  }
  return sum;
}

/** @param {Term[]} terms @param {Place} at */
export function binding(terms, at) {
  let best = '';
  let most = -Infinity;
  for (const [name, value] of byResource(terms, at)) {
    if (value > most) [best, most] = [name, value];
  }
  return best;
}

/** @param {Measure} measure @param {Place} at @returns {number | string} */
export function read(measure, at) {
  if (measure.show === 'binding') return binding(measure.terms, at);
  const value = total(measure.terms, at);
  return measure.show === 'reciprocal' ? 1 / value : value;
}
