// Addresses of pages. Plain links do the work: a click on `<a href="/…">` is taken here
// unless the reader asked for a new tab or the link is marked `rel="external"`.

import { signal } from '@preact/signals';

export interface Place {
  path: string;
  query: URLSearchParams;
}

const here = (): Place => ({
  path: window.location.pathname,
  query: new URLSearchParams(window.location.search),
});

/** Where the reader is. */
export const place = signal<Place>(here());

/** Goes to an address of ours; `replace` leaves no step to go back to. */
export function navigate(href: string, replace = false): void {
  if (href === window.location.pathname + window.location.search) return;
  if (replace) window.history.replaceState(null, '', href);
  else window.history.pushState(null, '', href);
  const moved = here().path !== place.value.path;
  place.value = here();
  if (!moved) return;
  window.scrollTo(0, 0);
  // Whoever reads by keyboard or by ear starts at the new page, not at the old link.
  document.getElementById('main')?.focus({ preventScroll: true });
}

/** Takes over clicks on links and the browser's own back and forward. */
export function startRouter(): void {
  window.addEventListener('popstate', () => (place.value = here()));
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!link || link.target || link.rel.includes('external') || link.hasAttribute('download')) return;
    if (link.origin !== window.location.origin || link.getAttribute('href')?.startsWith('#')) return;
    event.preventDefault();
    navigate(link.pathname + link.search);
  });
}

function withParameters(path: string, parameters: Record<string, string | undefined>): string {
  const given = Object.entries(parameters).filter((one): one is [string, string] => Boolean(one[1]));
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** Addresses of the pages, in one place. */
export const to = {
  alert: (fingerprint: string) => `/alerts/${encodeURIComponent(fingerprint)}`,
  /** `query`: what searched for it, so that its spans are marked. */
  trace: (id: string, span?: string, query?: string) => withParameters(`/trace/${encodeURIComponent(id)}`, { span, query }),
  lookup: (id: string) => `/lookup?${new URLSearchParams({ id })}`,
  place: (scope: string, of: string) => withParameters('/nodes', { scope: scope === 'node' ? undefined : scope, of }),
  service: (name: string) => `/services/${encodeURIComponent(name)}`,
  logs: (query: string, range?: string) => `/logs?${new URLSearchParams(range ? { query, range } : { query })}`,
  traces: (query: string, range?: string) => `/traces?${new URLSearchParams(range ? { query, range } : { query })}`,
};

/** A value as it stands in a query of any language: quoted, with `\` and `"` escaped. */
export function quoted(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** The address of this page with some parameters changed; `undefined` takes one away. */
export function hereWith(changes: Record<string, string | number | undefined>): string {
  const { path, query } = place.value;
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.delete(name);
    else next.set(name, String(value));
  }
  const text = next.toString();
  return text ? `${path}?${text}` : path;
}

/** The TraceQL query of the spans of a service that satisfy the other conditions too. */
export function spansOf(service: string, ...conditions: string[]): string {
  return `{ ${[`resource.service.name = ${quoted(service)}`, ...conditions].join(' && ')} }`;
}
