// Files made in the page: SVG and PNG of a chart, CSV of its numbers.

import { rows } from './curves.js';
import { s } from './dom.js';

const KEPT = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'stroke-linecap', 'font-family', 'font-size', 'font-weight', 'opacity', 'text-anchor', 'fill-opacity', 'paint-order'];

/** A copy of a drawing that needs no style sheet. @param {SVGSVGElement} svg */
function copy(svg) {
  const clone = /** @type {SVGSVGElement} */ (svg.cloneNode(true));
  const [from, to] = [[...svg.querySelectorAll('*')], [...clone.querySelectorAll('*')]];
  from.forEach((element, i) => {
    const style = getComputedStyle(element);
    for (const name of KEPT) {
      const value = style.getPropertyValue(name);
      if (value) to[i].setAttribute(name, value);
    }
    to[i].removeAttribute('class');
  });
  clone.querySelector('.cursor')?.remove();
  for (const name of ['class', 'tabindex']) clone.removeAttribute(name);
  clone.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  const paper = getComputedStyle(document.body).backgroundColor;
  clone.prepend(s('rect', { width: '100%', height: '100%', fill: paper }));
  return new XMLSerializer().serializeToString(clone);
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** @param {SVGSVGElement} svg @param {string} name */
export function saveSvg(svg, name) {
  save(new Blob([copy(svg)], { type: 'image/svg+xml' }), `${name}.svg`);
}

/** @param {SVGSVGElement} svg @param {string} name */
export async function savePng(svg, name) {
  const url = URL.createObjectURL(new Blob([copy(svg)], { type: 'image/svg+xml' }));
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  const canvas = document.createElement('canvas');
  const [width, height] = [svg.clientWidth, svg.clientHeight];
  canvas.width = 2 * width;
  canvas.height = 2 * height;
  canvas.getContext('2d')?.drawImage(picture, 0, 0, 2 * width, 2 * height);
  URL.revokeObjectURL(url);
  canvas.toBlob((blob) => blob && save(blob, `${name}.png`), 'image/png');
}

/** @param {string} text */
function cell(text) {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {import('./curves.js').Chart} chart @param {import('./terms.js').Place} place @param {string} name */
export function saveCsv(chart, place, name) {
  const text = rows(chart, place).map((row) => row.map(cell).join(',')).join('\n');
  save(new Blob([`${text}\n`], { type: 'text/csv' }), `${name}.csv`);
}
