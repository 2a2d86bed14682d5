// The start of every page: the data that came inside it, then the view.

import { claimsView } from './claims.js';
import { setDimensions } from './units.js';
import { chapterView } from './view.js';

const boot = JSON.parse(document.getElementById('boot')?.textContent || '{}');
setDimensions(boot.dimensions);
const host = /** @type {HTMLElement} */ (document.getElementById('view'));
if (boot.page === 'claims') claimsView(host);
else chapterView(host, boot.chapters[0], boot.answer, boot.error, boot.alone);
document.querySelector('nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
