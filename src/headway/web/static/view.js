// One chapter: controls, headlines, charts, tables; live controls are evaluated here, the rest is asked for.

import { draw } from './chart.js';
import { form } from './controls.js';
import { rows } from './curves.js';
import { h } from './dom.js';
import { saveCsv, savePng, saveSvg } from './exports.js';
import { read } from './terms.js';
import { show } from './units.js';

/**
 * @typedef {import('./controls.js').Control} Control
 * @typedef {import('./controls.js').Value} Value
 * @typedef {import('./curves.js').Chart} Chart
 * @typedef {import('./curves.js').Bars} Bars
 * @typedef {{id: string, title: string, question: string, controls: Control[]}} Chapter
 * @typedef {{key: string, label: string, value: number | string | null, dimension: string, note: string,
 *   measure: import('./terms.js').Measure | null}} Headline
 * @typedef {{key: string, title: string, columns: {key: string, label: string, dimension: string}[],
 *   rows: (string | number | null)[][], details: Bars[][]}} Table
 * @typedef {{chapter: string, values: Record<string, Value>, headlines: Headline[], charts: Chart[], tables: Table[],
 *   equations: string[], mathml: string[], notes: string[], sources: string[], command: string}} Answer
 * @typedef {{error: string, field: string}} Failure
 */

/** @param {Value} value */
function plain(value) {
  return Array.isArray(value) ? value.join(',') : String(value);
}

/**
 * @param {HTMLElement} host @param {Chapter} chapter @param {Answer} first @param {Failure | null} failure @param {boolean} alone
 */
export function chapterView(host, chapter, first, failure, alone) {
  let answer = first;
  /** @type {Record<string, Value>} */
  let values = { ...answer.values };
  /** @type {AbortController | null} */
  let asking = null;
  let waiting = 0;
  let saving = 0;
  let painting = 0;
  /** @type {HTMLElement[]} */
  let plots = [];
  /** @type {number[]} */
  let widths = [];
  /** @type {Set<Element>} */
  const visible = new Set();
  const watch = new IntersectionObserver((entries) => {
    for (const one of entries) {
      if (one.isIntersecting) visible.add(one.target);
      else visible.delete(one.target);
    }
  });

  const status = h('p', { class: 'status', role: 'status' });
  const figures = h('dl', { class: 'headlines' });
  const drawings = h('div', { class: 'charts' });
  const extra = h('div', { class: 'extra' });
  const command = h('code', { class: 'command' });
  const copyButton = h('button', { type: 'button', class: 'primary', text: 'Copy as command', onclick: copy });
  const fileLink = h('a', { class: 'button', download: `headway-${chapter.id}.html`, text: 'Save as one file' });
  const reset = h('button', { type: 'button', text: 'Start values', onclick: startValues });
  const bar = h('div', { class: 'bar' }, [command, copyButton, ...(alone ? [] : [fileLink, reset])]);
  const controls = form(chapter.controls, values, alone, changed);
  host.replaceChildren(h('div', { class: 'chapter' }, [h('aside', {}, [controls.element]), h('div', { class: 'answer' }, [status, figures, drawings, extra, bar])]));
  if (alone) status.textContent = 'Saved from Headway: the controls that need no server still move.';

  /** @returns {import('./terms.js').Place} */
  function place() {
    const at = { batch: 1, context: 0, tokens: 1 };
    for (const c of chapter.controls) if (c.variable) at[c.variable] = Number(values[c.name]);
    return at;
  }

  /** @param {string} name @param {Value} value @param {boolean} typed */
  function changed(name, value, typed) {
    const control = chapter.controls.find((c) => c.name === name);
    values[name] = value;
    asking?.abort();
    if (control?.variable && !typed) {
      repaint();
      remember();
      return;
    }
    if (alone) {
      const number = Number(value);
      if (control && Number.isFinite(number) && number >= control.low && number <= control.high) repaint();
      else values[name] = answer.values[name];
      controls.set(values, true);
      return;
    }
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => ask());
  }

  async function ask() {
    asking?.abort();
    const own = new AbortController();
    asking = own;
    const slow = setTimeout(() => host.classList.add('slow'), 150);
    try {
      const reply = await fetch(`/api/v1/chapters/${chapter.id}?${query()}`, { signal: own.signal });
      const data = await reply.json();
      if (own.signal.aborted) return;
      if (!reply.ok) {
        fail(data);
        return;
      }
      answer = data;
      values = { ...answer.values };
      fail(null);
      controls.set(values);
      rebuild();
      remember();
    } catch (error) {
      if (/** @type {Error} */ (error).name !== 'AbortError') fail({ error: 'the server does not answer; the last answer stays on screen', field: '' });
    } finally {
      clearTimeout(slow);
      if (asking === own) host.classList.remove('slow');
    }
  }

  /** @param {Failure | null} failed @param {boolean} [stale] whether the figures are of other values than the controls show */
  function fail(failed, stale = Boolean(failed)) {
    const known = controls.complain(failed?.field || '', failed?.error || '');
    status.textContent = failed && !known ? failed.error : '';
    status.classList.toggle('error', Boolean(failed));
    host.toggleAttribute('data-failed', stale);
  }

  function query() {
    const found = new URLSearchParams();
    for (const c of chapter.controls) if (plain(values[c.name]) !== plain(c.default)) found.set(c.name, plain(values[c.name]));
    return found.toString();
  }

  function remember() {
    clearTimeout(saving);
    const text = query();
    saving = window.setTimeout(() => {
      if (!alone) history.replaceState(null, '', `/${chapter.id}${text ? `?${text}` : ''}`);
    }, 120);
  }

  function startValues() {
    values = Object.fromEntries(chapter.controls.map((c) => [c.name, c.default]));
    controls.set(values, true);
    ask();
  }

  function line() {
    return answer.command.replace(/\{(\w+)\}/g, (_, name) => (name in values ? plain(values[name]) : ''));
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(line());
      copyButton.textContent = 'Copied';
    } catch {
      getSelection()?.selectAllChildren(command);
      copyButton.textContent = 'Press Ctrl+C';
    }
    setTimeout(() => (copyButton.textContent = 'Copy as command'), 1500);
  }

  function headlines() {
    const at = place();
    answer.headlines.forEach((one, i) => {
      const value = one.measure ? read(one.measure, at) : one.value;
      const cell = figures.children[i].querySelector('.value');
      const text = show(value, one.dimension);
      if (cell.textContent !== text) {
        cell.textContent = text;
        cell.classList.toggle('long', text.length > 12);
      }
      cell.setAttribute('data-value', String(value));
    });
    command.textContent = line();
    if (!alone) fileLink.setAttribute('href', `/export/${chapter.id}?${query()}`);
  }

  /** Widths are read when figures are made or resized, never between two drawings. */
  function measure() {
    widths = plots.map((plot) => plot.clientWidth);
  }

  /** @param {number} i */
  function paint(i) {
    draw(plots[i], answer.charts[i], place(), { width: widths[i], open: (series, k) => detail(series.labels[k] || series.name, series.details[k]) });
  }

  /** What is on screen is drawn now, the rest in the next frame. */
  function paintCharts() {
    cancelAnimationFrame(painting);
    const rest = plots.map((_, i) => i).filter((i) => i > 0 && !visible.has(plots[i]));
    plots.forEach((_, i) => rest.includes(i) || paint(i));
    if (rest.length) painting = requestAnimationFrame(() => rest.forEach((i) => plots[i] && paint(i)));
  }

  function repaint() {
    headlines();
    paintCharts();
  }

  /** @param {string} title @param {Bars[] | undefined} bars */
  function detail(title, bars) {
    if (!bars) return;
    const old = document.querySelector('dialog.detail');
    old?.remove();
    const box = h('dialog', { class: 'detail', 'aria-label': title }, [h('h2', { text: title }), ...bars.map(barList), h('form', { method: 'dialog' }, [h('button', { class: 'primary', text: 'Close' })])]);
    document.body.append(box);
    box.showModal();
  }

  function rebuild() {
    const same = drawings.children.length === answer.charts.length && answer.charts.every((c, i) => drawings.children[i].id === `chart-${c.key}`);
    if (!same) {
      drawings.replaceChildren(...answer.charts.map(figure));
      plots = [...drawings.children].map((one) => /** @type {HTMLElement} */ (one.querySelector('.plot')));
      watch.disconnect();
      visible.clear();
      for (const plot of plots) watch.observe(plot);
    }
    figures.replaceChildren(...answer.headlines.map((one) => h('div', {}, [h('dt', { text: one.label }), h('dd', { class: 'value', 'data-key': one.key }), h('dd', { class: 'note', text: one.note })])));
    extra.replaceChildren(...answer.tables.map((t) => table(t, detail)), ...words());
    if (!same) measure();
    repaint();
  }

  function words() {
    const parts = [];
    if (answer.equations.length) parts.push(h('section', { class: 'equations', tabindex: 0, 'aria-label': 'Equations' }, answer.mathml.map(equation)));
    if (answer.notes.length) parts.push(h('section', { class: 'notes' }, [h('h2', { text: 'Assumed' }), h('ul', {}, answer.notes.map((n) => h('li', { text: n })))]));
    if (answer.sources.length) parts.push(h('details', { class: 'sources' }, [h('summary', { text: `Sources (${answer.sources.length})` }), h('ul', {}, answer.sources.map((n) => h('li', { text: n })))]));
    return parts;
  }

  /** @param {Chart} chart @param {number} index */
  function figure(chart, index) {
    const svg = () => drawings.children[index].querySelector('svg[role=img]');
    const name = `headway-${chapter.id}-${chart.key}`;
    const numbers = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `Numbers of ${chart.title}` });
    const more = h('details', { ontoggle: (/** @type {Event} */ e) => /** @type {HTMLDetailsElement} */ (e.target).open && numbers.replaceChildren(numberTable(answer.charts[index], place())) }, [h('summary', { text: 'Numbers' }), numbers]);
    const tools = h('div', { class: 'tools' }, [
      h('button', { type: 'button', text: 'SVG', 'aria-label': `${chart.title}: save as SVG`, onclick: () => saveSvg(svg(), name) }),
      h('button', { type: 'button', text: 'PNG', 'aria-label': `${chart.title}: save as PNG`, onclick: () => savePng(svg(), name) }),
      h('button', { type: 'button', text: 'CSV', 'aria-label': `${chart.title}: save as CSV`, onclick: () => saveCsv(answer.charts[index], place(), name) }),
    ]);
    const about = chart.about ? [h('p', { class: 'about', text: chart.about })] : [];
    return h('figure', { id: `chart-${chart.key}` }, [h('figcaption', {}, [h('h2', { text: chart.title }), tools]), h('div', { class: 'plot' }), ...about, more]);
  }

  rebuild();
  let before = Math.round(drawings.clientWidth);
  if (failure) fail(failure, false);
  new ResizeObserver((entries) => {
    const width = Math.round(entries[0].contentRect.width);
    if (width !== before) {
      measure();
      paintCharts();
    }
    before = width;
  }).observe(drawings);
}

/** Markup that the server made of one line; each of its parts is labelled with the line's own signs. @param {string} markup */
function equation(markup) {
  const line = h('p');
  line.innerHTML = markup;
  return line;
}

/** @param {Chart} chart @param {import('./terms.js').Place} place */
function numberTable(chart, place) {
  const [head, ...all] = rows(chart, place);
  const every = Math.max(1, Math.ceil(all.length / 120));
  const body = all.filter((_, i) => i % every === 0);
  return h('table', {}, [h('thead', {}, [h('tr', {}, head.map((t) => h('th', { scope: 'col', text: t })))]), h('tbody', {}, body.map((row) => h('tr', {}, row.map((t, i) => h('td', { class: i > 1 ? 'number' : '', text: i > 1 && t ? Number(t).toPrecision(4) : t })))))]);
}

/** @param {Bars} bars */
function barList(bars) {
  const most = Math.max(...bars.parts.map((p) => p[1]), 1e-300);
  const items = bars.parts.map(([name, value]) => {
    const fill = h('i', { 'aria-hidden': 'true' });
    fill.style.width = `${(100 * value) / most}%`;
    return h('tr', {}, [h('th', { scope: 'row', text: name }), h('td', { class: 'track' }, [fill]), h('td', { class: 'number', text: show(value, bars.dimension, 3) })]);
  });
  return h('section', { class: 'bars' }, [h('h3', { text: bars.title }), h('table', {}, [h('tbody', {}, items)])]);
}

/** @param {Table} one @param {(title: string, bars: Bars[] | undefined) => void} detail */
function table(one, detail) {
  const open = one.details.length > 0;
  const head = one.columns.map((c) => h('th', { scope: 'col', class: c.dimension ? 'number' : '', text: c.label }));
  const body = one.rows.map((row, r) => {
    const cells = row.map((value, i) => {
      const text = typeof value === 'number' ? show(value, one.columns[i].dimension) : (value ?? '–');
      const kids = open && i === 0 ? [h('button', { type: 'button', class: 'link', text, onclick: () => detail(row.slice(0, 2).join(', '), one.details[r]) })] : [String(text)];
      return h('td', { class: one.columns[i].dimension ? 'number' : String(text).length < 12 ? 'short' : '' }, kids);
    });
    return h('tr', {}, cells);
  });
  const grid = h('table', {}, [h('thead', {}, [h('tr', {}, head)]), h('tbody', {}, body)]);
  return h('section', { id: `table-${one.key}` }, [h('h2', { text: one.title }), h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': one.title }, [grid])]);
}
