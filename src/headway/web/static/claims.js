// The claims of the lecture: one row each, opening its equation, numbers and sources.

import { h } from './dom.js';

/**
 * @typedef {{id: string, chapter: string | number, statement: string, stated: string, recomputed: string, datasheet: string,
 *   verdict: string, reason: string, ok: boolean | null}} Claim
 * @typedef {{name: string, value: string, about: string, source: string, kind: string, retrieved: string}} Input
 */

/** @type {Record<string, string>} */
const MARKS = { holds: '=', 'holds only with the stated inputs': '~', 'does not hold': '≠', quotation: '·', pending: '…' };

/** @param {HTMLElement} host */
export async function claimsView(host) {
  host.replaceChildren(h('p', { class: 'status', role: 'status', text: 'Computing the claims.' }));
  const reply = await fetch('/api/v1/claims');
  const data = await reply.json();
  /** @type {Claim[]} */
  const claims = data.claims;
  const list = h('div', { class: 'claims' });
  const verdicts = ['every verdict', ...new Set(claims.map((c) => c.verdict))];
  const wanted = new URLSearchParams(location.search);
  const find = h('input', { id: 'find', type: 'search', value: wanted.get('find') || '', autocomplete: 'off' });
  const pick = h('select', { id: 'verdict' }, verdicts.map((v) => h('option', { value: v, text: v })));
  if (verdicts.includes(wanted.get('verdict') || '')) pick.value = wanted.get('verdict');
  const count = h('p', { class: 'status', role: 'status' });
  const filter = () => {
    const words = find.value.toLowerCase();
    const kept = claims.filter((c) => (pick.value === verdicts[0] || c.verdict === pick.value) && `${c.id} ${c.statement} ${c.stated} ${c.recomputed} ${c.datasheet} ${c.reason}`.toLowerCase().includes(words));
    count.textContent = `${kept.length} of ${claims.length} claims`;
    list.replaceChildren(
      ...data.chapters.filter((/** @type {{id: string}} */ k) => kept.some((c) => c.chapter === k.id)).map((/** @type {{id: string, title: string}} */ k) => h('section', {}, [h('h2', { text: k.title }), ...kept.filter((c) => c.chapter === k.id).map(row)])),
    );
    const state = new URLSearchParams();
    if (words) state.set('find', find.value);
    if (pick.value !== verdicts[0]) state.set('verdict', pick.value);
    history.replaceState(null, '', `/claims${state.size ? `?${state}` : ''}${location.hash}`);
  };
  find.addEventListener('input', filter);
  pick.addEventListener('change', filter);
  host.replaceChildren(h('form', { class: 'filter', role: 'search', 'aria-label': 'Claims', onsubmit: (/** @type {Event} */ e) => e.preventDefault() }, [h('label', { for: 'find', text: 'Find' }), find, h('label', { for: 'verdict', text: 'Verdict' }), pick]), count, list);
  filter();
  const target = location.hash.slice(1);
  const open = target && list.querySelector(`details[id="${CSS.escape(target)}"]`);
  if (open) {
    open.open = true;
    open.scrollIntoView();
  }
}

/** @param {Claim} claim */
function row(claim) {
  const inside = h('div', { class: 'inside' });
  const kind = claim.verdict.replaceAll(' ', '-');
  const head = h('summary', {}, [
    h('span', { class: `mark ${kind}`, 'aria-hidden': 'true', text: MARKS[claim.verdict] || '·' }),
    h('span', { class: 'id', text: claim.id }),
    h('span', { class: 'statement', text: claim.statement }),
    h('span', { class: 'stated', text: claim.stated }),
    h('span', { class: 'again', text: claim.recomputed || '–' }),
    h('span', { class: 'verdict', text: claim.verdict }),
  ]);
  return h('details', { id: claim.id, class: 'claim', ontoggle: (/** @type {Event} */ e) => /** @type {HTMLDetailsElement} */ (e.target).open && fillClaim(claim, inside) }, [head, inside]);
}

/** @param {Claim} claim @param {HTMLElement} inside */
async function fillClaim(claim, inside) {
  if (inside.childElementCount) return;
  const reply = await fetch(`/api/v1/claims/${claim.id}`);
  const full = await reply.json();
  const pairs = [['Stated', claim.stated], ['Recomputed', claim.recomputed], ['On sourced hardware', claim.datasheet], ['Verdict', [claim.verdict, claim.reason].filter(Boolean).join(': ')]].filter((p) => p[1]);
  /** @param {string} title @param {string[]} heads @param {string[][]} body */
  const grid = (title, heads, body) => body.length ? [h('h3', { text: title }), h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${claim.id}: ${title}` }, [h('table', {}, [h('thead', {}, [h('tr', {}, heads.map((t) => h('th', { scope: 'col', text: t })))]), h('tbody', {}, body.map((r) => h('tr', {}, r.map((t) => h('td', { text: t })))))])])] : [];
  inside.replaceChildren(
    h('dl', {}, pairs.flatMap(([name, text]) => [h('dt', { text: name }), h('dd', { text })])),
    ...(full.equation ? [h('pre', { class: 'equation', tabindex: 0, text: full.equation })] : []),
    ...grid('Numbers put in', ['', 'value', 'what it is', 'kind'], full.inputs.map((/** @type {Input} */ i) => [i.name, i.value, i.about, i.kind])),
    ...grid('Computed', ['figure', 'value', 'profile'], full.figures.map((/** @type {{name: string, text: string, profile: string}} */ f) => [f.name, f.text, f.profile])),
    ...grid('Sources', ['source', 'kind', 'retrieved'], full.sources.map((/** @type {{text: string, kind: string, retrieved: string}} */ f) => [f.text, f.kind, f.retrieved])),
  );
}
