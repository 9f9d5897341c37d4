// The bar over a search: the query, the time range, and the button. What was searched
// stands in the address, so that a search can be sent to somebody.

import { useEffect, useRef, useState } from 'preact/hooks';
import { withQuery } from '../api';
import { navigate, place } from '../router';

export const RANGES: [string, string][] = [
  ['5m', 'last 5 minutes'],
  ['15m', 'last 15 minutes'],
  ['1h', 'last hour'],
  ['6h', 'last 6 hours'],
  ['24h', 'last 24 hours'],
  ['168h', 'last 7 days'],
  ['720h', 'last 30 days'],
];

export interface Asked {
  query: string;
  range: string;
  limit: number;
}

/** What the address asks for. */
export function asked(limit: number): Asked {
  const { query } = place.value;
  return {
    query: query.get('query') ?? '',
    range: query.get('range') ?? '1h',
    limit: Math.max(1, Number(query.get('limit')) || limit),
  };
}

interface QueryBarProps {
  label: string;
  hint: string;
  now: Asked;
  /** Every Enter or click asks anew, also when nothing in the address changed. */
  onAsk(): void;
}

export function QueryBar({ label, hint, now, onAsk }: QueryBarProps) {
  const [text, setText] = useState(now.query);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(now.query), [now.query]);
  useEffect(() => input.current?.focus({ preventScroll: true }), []);
  const go = (range: string) => {
    navigate(withQuery(place.value.path, { query: text.trim(), range: range === '1h' ? undefined : range }));
    onAsk();
  };
  return (
    <form
      class="query"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        go(now.range);
      }}
    >
      <input
        ref={input}
        data-testid="query-input"
        aria-label={label}
        placeholder={hint}
        value={text}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <select aria-label="Time range" value={now.range} onChange={(event) => go(event.currentTarget.value)}>
        {RANGES.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
      </select>
      <button type="submit" class="primary">Search</button>
    </form>
  );
}
