// Keeps a page up to date: told by a stream of events that something was looked at,
// it asks for the same page again and changes what differs. Without this script
// everything is there as well, and the page reloads now and then.

const root = new URL('..', import.meta.url);
const $ = (id) => document.getElementById(id);
const main = () => $('main');

// What the server's clock is ahead of this one, in milliseconds: countdowns are
// those of the server.
let ahead = Number(main().dataset.now) - Date.now();

// --- what the browser remembers ---

function remember(name, value) {
  document.cookie = `solotick_${name}=${value}; path=${root.pathname}; max-age=31536000; samesite=lax`;
}
function remembered(name) {
  return document.cookie.split('; ').find((c) => c.startsWith(`solotick_${name}=`))?.split('=')[1];
}
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const newZone = zone && remembered('zone') !== zone;
if (newZone) remember('zone', zone);

// --- changing what differs ---

// morph makes an element like another one, keeping all nodes that can stay, so
// that focus, scrolling and selections stay too.
function morph(from, to) {
  for (const { name, value } of [...to.attributes]) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    const kept = name === 'open' || (name === 'hidden' && 'scripted' in from.dataset);
    if (!to.hasAttribute(name) && !kept) from.removeAttribute(name);
  }
  if (from === document.activeElement && from.matches('input, select')) return;
  const byId = new Map([...from.children].filter((c) => c.id).map((c) => [c.id, c]));
  let at = from.firstChild;
  for (const want of [...to.childNodes]) {
    let have = (want.id && byId.get(want.id)) || at;
    if (have && !want.id && have.id && have.nodeType === 1) have = null; // it is another one's
    if (have && have.nodeType === want.nodeType && have.nodeName === want.nodeName && (have.id || '') === (want.id || '')) {
      if (have !== at) from.insertBefore(have, at);
      else at = at.nextSibling;
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

// --- asking for the page again ---

let asking = false;
let again = false;
let cost = 0; // of the latest answer, in milliseconds
let last = Date.now();
let turn = 0;

async function refresh() {
  clearTimeout(turn);
  turn = 0;
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  const url = new URL(location.href);
  url.searchParams.set('fragment', '');
  const began = Date.now();
  try {
    const answer = await fetch(url, { headers: { Accept: 'text/html' }, cache: 'no-store', signal: AbortSignal.timeout(20000) });
    const text = await answer.text();
    const fresh = new DOMParser().parseFromString(text, 'text/html').getElementById('main');
    if (!fresh) throw new Error('no page');
    if (url.search === withFragment(location.href)) show(fresh);
    cost = Date.now() - began;
    last = Date.now();
    reached(true);
  } catch {
    reached(false);
  }
  asking = false;
  if (again) {
    again = false;
    soon();
  }
}

function withFragment(href) {
  const url = new URL(href);
  url.searchParams.set('fragment', '');
  return url.search;
}

function show(fresh) {
  scripted(fresh);
  const now = main();
  const said = now.dataset.summary;
  morph(now, fresh);
  ahead = Number(now.dataset.now) - Date.now();
  document.title = now.dataset.title;
  const icon = document.querySelector('link[rel=icon]');
  const href = new URL(now.dataset.icon, location.href).href;
  if (icon.href !== href) icon.href = href;
  if (said !== now.dataset.summary) $('said').textContent = now.dataset.summary;
  count();
}

// soon asks again, but not more often than the server can answer.
function soon() {
  turn ||= setTimeout(refresh, Math.max(0, last + Math.max(1000, 10 * cost) - Date.now()));
}

// --- the stream ---

let stream = null;
let poll = 0;
let streaming = false;

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
    const refused = stream?.readyState === EventSource.CLOSED;
    if (refused) disconnect();
    say(refused ? 'poll' : 'wait', refused ? 'every 10 s' : 'reconnecting');
    if (refused) setTimeout(connect, 60000);
  };
}

function disconnect() {
  stream?.close();
  stream = null;
  streaming = false;
}

// Without a stream the page asks every few seconds; so does a hidden one, whose
// title and icon are still seen.
function polling() {
  clearInterval(poll);
  poll = setInterval(() => { if (!streaming) refresh(); }, document.hidden ? 30000 : 10000);
}

function reached(ok) {
  if (!ok) say('wait', 'reconnecting');
  else if (!streaming && !document.hidden && $('live').dataset.state !== 'poll' && stream?.readyState !== EventSource.CONNECTING) say('poll', 'every 10 s');
}

function say(state, text) {
  const live = $('live');
  live.dataset.state = state;
  if (live.textContent !== text) live.textContent = text;
  live.title = state === 'on' ? '' : `as it was at ${new Date(last).toLocaleTimeString()}`;
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    disconnect();
  } else {
    connect();
    refresh();
  }
  polling();
});
addEventListener('pagehide', disconnect);
addEventListener('pageshow', (e) => { if (e.persisted) { connect(); refresh(); } });

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
    const left = Number(el.dataset.until) - now;
    write(el, countdown(left));
    if (el.dataset.late) el.classList.toggle('over', now > Number(el.dataset.late));
  }
  for (const el of document.querySelectorAll('[data-ago]')) write(el, ago(now - Number(el.dataset.ago)));
  for (const el of document.querySelectorAll('.ring')) {
    const { from, to } = el.dataset;
    const part = Math.min(Math.max(Math.floor((now - from) * 100 / (to - from)), 0), 100);
    el.lastElementChild.setAttribute('stroke-dasharray', `${part} 100`);
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
  cost = 0;
  refresh();
}

let typing = 0;
function filter() {
  const form = $('filter');
  const q = new URLSearchParams([...new FormData(form)].filter(([, v]) => v));
  go(`?${q}`);
}

function setTime(how) {
  remember('time', how);
  for (const b of document.querySelectorAll('[data-time]')) b.setAttribute('aria-pressed', String(b.dataset.time === how));
  refresh();
}

function turnTheme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = dark ? 'light' : 'dark';
  remember('theme', dark ? 'light' : 'dark');
}

document.addEventListener('click', async (e) => {
  const el = e.target.closest('a[data-nav], button');
  if (!el || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
  if (el.matches('a[data-nav]')) {
    if (new URL(el.href).hash) return;
    e.preventDefault();
    go(el.href);
  } else if (el.dataset.time) setTime(el.dataset.time);
  else if (el.id === 'theme') turnTheme();
  else if (el.id === 'ask') $('help').showModal();
  else if (el.dataset.copy) {
    await navigator.clipboard?.writeText($(el.dataset.copy).textContent);
    $('said').textContent = 'copied';
    el.textContent = 'Copied';
    setTimeout(() => { el.textContent = 'Copy'; }, 1500);
  }
});
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
  const done = {
    '/': () => $('q')?.focus(),
    '?': () => $('help').showModal(),
    z: () => setTime(document.querySelector('[data-time][aria-pressed=false]').dataset.time),
    d: turnTheme,
    o: () => location.assign(root),
    w: () => location.assign(new URL('wall', root)),
  }[e.key];
  if (done) {
    e.preventDefault();
    done();
  }
});

scripted(document);
say('wait', 'connecting');
beat();
connect();
polling();
if (newZone) refresh();
