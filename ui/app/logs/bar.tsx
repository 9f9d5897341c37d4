// The box for a query, with what is wrong in it; the time; the views.

import { useEffect, useState } from 'preact/hooks';
import { moment } from '../format';
import { QueryBox, RangeChoice } from '../parts/query';
import { navigate } from '../router';
import { hrefOf, type Asked, type View } from './asked';
import type { Period } from './period';

interface BarProps {
  now: Asked;
  /** What the collector says is wrong with the query. */
  wrong: string | undefined;
  /** Every Enter or click asks anew, also when nothing in the address changed. */
  onAsk(): void;
}

export function LogBar({ now, wrong, onAsk }: BarProps) {
  const [text, setText] = useState(now.query);
  useEffect(() => setText(now.query), [now.query]);
  const go = (change: Partial<Asked>) => {
    navigate(hrefOf(now, { query: text.trim(), ...change }));
    onAsk();
  };
  return (
    <form
      class="query logql"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        go({});
      }}
    >
      <QueryBox
        label="Log query"
        hint={'{service_name="checkout"} |= "timeout" | json'}
        query={now.query}
        onText={setText}
        onAsk={() => go({})}
        {...{ text, wrong }}
      />
      {now.view !== 'live' && (
        <RangeChoice range={now.range} other={now.period ? shownPeriod(now.period) : undefined} onChoose={(range) => go({ range, period: null })} />
      )}
      <button type="submit" class="primary">Search</button>
    </form>
  );
}

export const shownPeriod = ({ from, until }: Period): string => {
  const short = until - from < 60_000;
  return `${moment(from * 1e6, short)} – ${moment(until * 1e6, short)}`;
};

const NAMES: Record<View, string> = { lines: 'Lines', patterns: 'Patterns', live: 'Live' };

export function Views({ now }: { now: Asked }) {
  return (
    <nav class="views" aria-label="Views of the logs">
      {Object.entries(NAMES).map(([view, name]) => (
        <a key={view} href={hrefOf(now, { view: view as View })} data-testid={`view-${view}`} aria-current={now.view === view ? 'page' : undefined}>{name}</a>
      ))}
    </nav>
  );
}
