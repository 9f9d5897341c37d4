// The frame around every page: where one can go, the box that takes any ID, the page.

import { useEffect } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { Alerts } from './pages/alerts';
import { Overview } from './pages/overview';
import { Late } from './parts/late';
import { LookupBox } from './parts/lookup';
import { place } from './router';
import { nextTheme, theme } from './theme';

const alert = () => import('./pages/alert').then(({ AlertPage }) => AlertPage);
const logs = () => import('./pages/logs').then(({ Logs }) => Logs);
const lookup = () => import('./pages/lookup').then(({ Lookup }) => Lookup);
const nodes = () => import('./pages/nodes').then(({ Nodes }) => Nodes);
const service = () => import('./pages/service').then(({ ServicePage }) => ServicePage);
const services = () => import('./pages/services').then(({ Services }) => Services);
const status = () => import('./pages/status').then(({ Status }) => Status);
const trace = () => import('./pages/trace').then(({ TracePage }) => TracePage);
const traces = () => import('./pages/traces').then(({ Traces }) => Traces);

const ROUTES: [RegExp, (argument: string) => ComponentChildren][] = [
  [/^\/$/, () => <Overview />],
  [/^\/services$/, () => <Late load={services} of={{}} />],
  [/^\/services\/([^/]+)$/, (name) => <Late load={service} of={{ name }} />],
  [/^\/nodes$/, () => <Late load={nodes} of={{}} />],
  [/^\/alerts$/, () => <Alerts />],
  [/^\/alerts\/([^/]+)$/, (fingerprint) => <Late load={alert} of={{ fingerprint }} />],
  [/^\/lookup(?:\/(.+))?$/, (id) => <Late load={lookup} of={{ id: id || (place.value.query.get('id') ?? '') }} />],
  [/^\/trace\/([^/]+)$/, (id) => <Late load={trace} of={{ id }} />],
  [/^\/logs$/, () => <Late load={logs} of={{}} />],
  [/^\/traces$/, () => <Late load={traces} of={{}} />],
  [/^\/status$/, () => <Late load={status} of={{}} />],
];

const SECTIONS: [string, string, RegExp][] = [
  ['/', 'Overview', /^\/$/],
  ['/services', 'Services', /^\/services/],
  ['/alerts', 'Alerts', /^\/alerts/],
  ['/traces', 'Traces', /^\/trace/],
  ['/logs', 'Logs', /^\/logs/],
  ['/lookup', 'Lookup', /^\/lookup/],
  ['/nodes', 'Nodes', /^\/nodes/],
  ['/status', 'Status', /^\/status/],
];

export function App() {
  const { path } = place.value;
  useSlash();
  useEffect(() => document.querySelector('.top nav [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }), [path]);
  return (
    <>
      <a class="skip" href="#main">Skip to the page</a>
      <header class="top">
        <a class="brand" href="/" aria-label="Sonde, overview">
          <Mark />
          <span>Sonde</span>
        </a>
        <nav aria-label="Pages">
          {SECTIONS.map(([href, name, matches]) => (
            <a key={href} href={href} aria-current={matches.test(path) ? 'page' : undefined}>{name}</a>
          ))}
        </nav>
        {!path.startsWith('/lookup') && <LookupBox compact />}
        <button type="button" class="quiet theme" onClick={nextTheme} title="Colours: as the system, dark, light">
          {theme.value === 'auto' ? '◐' : theme.value === 'dark' ? '●' : '○'}
          <span class="hidden">Colours: {theme.value}</span>
        </button>
      </header>
      <main id="main" tabIndex={-1}>{page(path)}</main>
    </>
  );
}

function page(path: string): ComponentChildren {
  for (const [pattern, render] of ROUTES) {
    const match = pattern.exec(path);
    if (match) return render(decoded(match[1] ?? ''));
  }
  return (
    <section class="panel empty">
      <h1>No such page</h1>
      <p>Nothing lives at <code>{path}</code>. Start from the <a href="/">overview</a>.</p>
    </section>
  );
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** "/" goes to the lookup box, unless the reader is typing. */
function useSlash() {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.key !== '/' || event.ctrlKey || event.metaKey || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      const box = document.querySelector<HTMLInputElement>('[data-testid=lookup-input]');
      if (!box) return;
      event.preventDefault();
      box.focus();
      box.select();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
}

/** A probe on its line: the mark of the house. */
function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
      <circle cx="16" cy="11" r="6" fill="none" stroke="currentColor" stroke-width="2.6" />
      <path d="M16 17v4.2m-4.4 2.6h8.8m-6.6 3.8h4.4" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" />
    </svg>
  );
}
