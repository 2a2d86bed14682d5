// Elements in one call each.

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] `on…` are listeners, `text` is the content
 * @param {(Node | string)[]} [children]
 * @returns {any}
 */
export function h(tag, attributes = {}, children = []) {
  return fill(document.createElement(tag), attributes, children);
}

/** @param {string} tag @param {Record<string, unknown>} [attributes] @param {(Node | string)[]} [children] @returns {any} */
export function s(tag, attributes = {}, children = []) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

/** @param {Element} element @param {Record<string, unknown>} attributes @param {(Node | string)[]} children */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'text') element.textContent = String(value);
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children);
  return element;
}

/** @typedef {[string, Record<string, unknown>]} Shape */

/** What each reused element was last given. @type {WeakMap<Element, Record<string, unknown>>} */
const GIVEN = new WeakMap();

/**
 * Make the SVG children of an element those described; what stands there is reused and only what differs is touched.
 * @param {Element} parent @param {Shape[]} shapes
 */
export function patch(parent, shapes) {
  let at = parent.firstElementChild;
  for (const [tag, next] of shapes) {
    if (at?.tagName === tag) {
      update(at, next);
    } else {
      const made = s(tag, next);
      GIVEN.set(made, next);
      if (at) at.replaceWith(made);
      else parent.append(made);
      at = made;
    }
    at = /** @type {Element} */ (at).nextElementSibling;
  }
  while (at) {
    const after = at.nextElementSibling;
    at.remove();
    at = after;
  }
}

/** @param {Element} element @param {Record<string, unknown>} next */
function update(element, next) {
  const last = GIVEN.get(element) || {};
  for (const [name, value] of Object.entries(next)) {
    if (last[name] === value) continue;
    if (name === 'text') element.textContent = String(value);
    else element.setAttribute(name, String(value));
  }
  for (const name of Object.keys(last)) if (!(name in next)) element.removeAttribute(name);
  GIVEN.set(element, next);
}
