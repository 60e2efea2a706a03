// Keeps a page up to date: told by a stream of events that something was looked at,
// it asks for the same page again and changes what differs. Without this script
// everything is there as well, and the page reloads now and then.

const root = new URL('..', import.meta.url);
const $ = (id) => document.getElementById(id);
const main = () => $('main');

// How far the server's clock is ahead of this one, in milliseconds: what counts here
// counts by the server's.
let ahead = Number(main().dataset.now) - Date.now();

// --- what the browser remembers ---

function remember(name, value) {
  document.cookie = `solotick_${name}=${value}; path=${root.pathname}; max-age=31536000; samesite=lax`;
}
const remembered = (name) => document.cookie.match(`(?:^|; )solotick_${name}=([^;]*)`)?.[1];
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const newZone = zone && remembered('zone') !== zone;
if (newZone) remember('zone', zone);

// --- changing what differs ---

// morph makes an element like another one and keeps all nodes that can stay, and
// with them selections, what is typed and what is open.
function morph(from, to) {
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== 'open') from.removeAttribute(name);
  }
  if (from === document.activeElement && from.matches('input, select')) return;
  if (from.matches('input[type=search]')) from.value = to.value;
  const byId = new Map([...from.children].filter((c) => c.id).map((c) => [c.id, c]));
  let at = from.firstChild;
  for (const want of [...to.childNodes]) {
    const have = want.id ? byId.get(want.id) : at;
    if (have && have.nodeName === want.nodeName && (have.id || '') === (want.id || '')) {
      if (have === at) at = at.nextSibling;
      else from.insertBefore(have, at);
      if (have.nodeType === 1) morph(have, want);
      else if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue;
    } else {
      from.insertBefore(want, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function show(fresh) {
  scripted(fresh);
  const now = main();
  const said = now.dataset.summary;
  const focus = document.activeElement;
  morph(now, fresh);
  if (focus !== document.activeElement && focus.isConnected) focus.focus({ preventScroll: true });
  ahead = Number(now.dataset.now) - Date.now();
  document.title = now.dataset.title;
  const icon = document.querySelector('link[rel=icon]');
  if (icon.getAttribute('href') !== now.dataset.icon) icon.setAttribute('href', now.dataset.icon);
  if (said !== now.dataset.summary) $('said').textContent = now.dataset.summary;
  count();
}

// --- asking for the page again ---

let asking = false, again = false;
let cost = 0; // of the latest answer, in milliseconds
let last = Date.now();
let turn = 0;

function address() {
  const url = new URL(location.href);
  url.searchParams.set('fragment', '');
  url.hash = '';
  return url.href;
}

async function refresh() {
  clearTimeout(turn);
  turn = 0;
  again = asking;
  if (asking) return;
  asking = true;
  const url = address();
  const began = Date.now();
  try {
    const answer = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(20000) });
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('main');
    if (!fresh) throw new Error('no page');
    if (url === address()) show(fresh);
    cost = Date.now() - began;
    last = Date.now();
    if (!streaming && stream?.readyState !== EventSource.CONNECTING) say('poll', 'every 10 s');
  } catch {
    say('wait', 'reconnecting');
  }
  asking = false;
  if (again) soon();
}

// soon asks again, but not more often than a slow server can bear.
function soon() {
  turn ||= setTimeout(refresh, Math.max(0, last + Math.min(Math.max(1000, 4 * cost), 10000) - Date.now()));
}

// --- the stream ---

let stream = null, streaming = false, poll = 0;

function connect() {
  if (stream || document.hidden) return;
  const url = new URL('events', root);
  if (main().dataset.stream) url.searchParams.set('name', main().dataset.stream);
  stream = new EventSource(url);
  stream.addEventListener('seen', (e) => {
    streaming = true;
    say('on', 'live');
    const m = JSON.parse(e.data);
    if (m.refresh || m.names || m.events) soon();
  });
  stream.onerror = () => {
    streaming = false;
    if (stream.readyState !== EventSource.CLOSED) return say('wait', 'reconnecting');
    disconnect(); // refused: too many streams
    say('poll', 'every 10 s');
    setTimeout(connect, 60000);
  };
}

function disconnect() {
  stream?.close();
  stream = null;
  streaming = false;
}

// Without a stream the page asks every few seconds; so does a hidden one, of which
// title and icon are still seen.
function polling() {
  clearInterval(poll);
  poll = setInterval(() => { if (!streaming) refresh(); }, document.hidden ? 30000 : 10000);
}

function say(state, text) {
  const live = $('live');
  if (state === 'wait' && Date.now() - last > 15000) text += `, as of ${new Date(last).toLocaleTimeString()}`;
  live.dataset.state = state;
  if (live.textContent !== text) live.textContent = text;
}

function wake() {
  if (document.hidden) disconnect();
  else connect();
  refresh();
  polling();
}
document.addEventListener('visibilitychange', wake);
addEventListener('pagehide', disconnect);
addEventListener('pageshow', (e) => { if (e.persisted) wake(); });

// --- what counts ---

const two = (n) => String(n).padStart(2, '0');

function countdown(s) {
  const sign = s < 0 ? '+' : '';
  s = Math.abs(s);
  if (s < 3600) return `${sign}${Math.floor(s / 60)}:${two(s % 60)}`;
  if (s < 172800) return `${sign}${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return `${sign}${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

function ago(s) {
  if (s < 0) return 'in the future';
  if (s < 2) return 'just now';
  if (s < 120) return `${s} s ago`;
  if (s < 7200) return `${Math.floor(s / 60)} min ago`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} days ago`;
}

function count() {
  const now = Math.floor((Date.now() + ahead) / 1000);
  const write = (el, text) => { if (el.textContent !== text) el.textContent = text; };
  for (const el of document.querySelectorAll('[data-until]')) {
    write(el, countdown(Number(el.dataset.until) - now));
    if (el.dataset.late) el.classList.toggle('over', now > Number(el.dataset.late));
  }
  for (const el of document.querySelectorAll('[data-in]')) {
    const left = Number(el.dataset.in) - now;
    write(el, left < 0 ? `${countdown(-left)} ago` : `in ${countdown(left)}`);
  }
  for (const el of document.querySelectorAll('[data-ago]')) write(el, ago(now - Number(el.dataset.ago)));
  for (const { dataset: d, lastElementChild: arc } of document.querySelectorAll('.ring')) {
    const part = Math.floor((now - d.from) * 100 / (d.to - d.from));
    arc.setAttribute('stroke-dasharray', `${Math.min(Math.max(part, 0), 100)} 100`);
  }
}

function beat() {
  count();
  setTimeout(beat, 1000 - ((Date.now() + ahead) % 1000));
}

// --- what people do ---

// scripted shows what is of use with this script only, and hides what is not.
function scripted(within) {
  for (const el of within.querySelectorAll('[data-scripted]')) el.hidden = false;
  for (const el of within.querySelectorAll('[data-unscripted]')) el.hidden = true;
}

function go(url) {
  history.replaceState(null, '', url);
  refresh();
}

function filter() {
  go(`?${new URLSearchParams([...new FormData($('filter'))].filter(([, v]) => v))}`);
}

function setTime(how) {
  remember('time', how);
  for (const b of document.querySelectorAll('[data-time]')) b.setAttribute('aria-pressed', String(b.dataset.time === how));
  refresh();
}

function turnTheme() {
  const { dataset } = document.documentElement;
  dataset.theme = (dataset.theme ? dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches) ? 'light' : 'dark';
  remember('theme', dataset.theme);
}

async function copy(button) {
  const text = $(button.dataset.copy);
  let done = 'Copied';
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch { // plain HTTP from another machine
    getSelection().selectAllChildren(text);
    done = 'Selected';
  }
  button.textContent = $('said').textContent = done;
  setTimeout(() => { button.textContent = 'Copy'; }, 1500);
}

document.addEventListener('click', (e) => {
  const el = e.target.closest('a[data-nav], button');
  if (!el || e.ctrlKey || e.metaKey || e.shiftKey) return;
  if (el.matches('a[data-nav]:not([href*="#"])')) {
    e.preventDefault();
    go(el.href);
  } else if (el.dataset.time) setTime(el.dataset.time);
  else if (el.dataset.copy) copy(el);
  else if (el.id === 'theme') turnTheme();
  else if (el.id === 'ask') $('help').showModal();
});
let typing = 0;
document.addEventListener('input', (e) => {
  if (!e.target.closest('#filter')) return;
  clearTimeout(typing);
  typing = setTimeout(filter, 150);
});
document.addEventListener('submit', (e) => {
  if (e.target.id !== 'filter') return;
  e.preventDefault();
  filter();
});
$('single').checked = remembered('keys') !== 'off';
$('single').addEventListener('change', (e) => remember('keys', e.target.checked ? 'on' : 'off'));
document.addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.matches('input, select, textarea') || $('help').open || !$('single').checked) return;
  const act = {
    '/': () => $('q')?.focus(),
    '?': () => $('help').showModal(),
    z: () => setTime(document.querySelector('[data-time][aria-pressed=false]').dataset.time),
    d: turnTheme,
    o: () => location.assign(root),
    w: () => location.assign(new URL('wall', root)),
  }[e.key];
  if (!act) return;
  e.preventDefault();
  act();
});

scripted(document);
document.querySelector('[data-time=local]').title = zone ?? '';
say('wait', 'connecting');
beat();
connect();
polling();
if (newZone) refresh();
