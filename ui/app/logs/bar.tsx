// The box for a query, with what is wrong in it; the time; the views.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { moment } from '../format';
import { mistake } from '../logql';
import { RANGES } from '../parts/query';
import { navigate } from '../router';
import { hrefOf, type Asked, type View } from './asked';
import type { Period } from './period';

const ROWS_MAX = 8;
/** The value of the list's entry for a period, which is none of the ranges. */
const PERIOD = 'period';

interface BarProps {
  now: Asked;
  /** What the collector says is wrong with the query. */
  wrong: string | undefined;
  /** Every Enter or click asks anew, also when nothing in the address changed. */
  onAsk(): void;
}

export function LogBar({ now, wrong, onAsk }: BarProps) {
  const [text, setText] = useState(now.query);
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => setText(now.query), [now.query]);
  useEffect(() => box.current?.focus({ preventScroll: true }), []);
  useRows(box, text);
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
      <div class="logql-box">
        <textarea
          ref={box}
          data-testid="query-input"
          aria-label="Log query. Enter searches, Shift and Enter begin a new line"
          aria-invalid={wrong !== undefined}
          placeholder={'{service_name="checkout"} |= "timeout" | json'}
          rows={1}
          value={text}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            go({});
          }}
        />
        {wrong !== undefined && <Wrong query={now.query} message={wrong} />}
      </div>
      {now.view !== 'live' && <RangeChoice now={now} onChoose={(range) => go({ range, period: null })} />}
      <button type="submit" class="primary">Search</button>
    </form>
  );
}

/** As many rows as the text has, also where a long line breaks. */
function useRows(box: { current: HTMLTextAreaElement | null }, text: string) {
  useLayoutEffect(() => {
    const area = box.current;
    if (!area) return;
    area.rows = 1;
    const line = Number.parseFloat(getComputedStyle(area).lineHeight) || 20;
    const rest = area.offsetHeight - area.clientHeight + Number.parseFloat(getComputedStyle(area).paddingTop) * 2;
    area.rows = Math.min(ROWS_MAX, Math.max(1, Math.round((area.scrollHeight - rest + 2) / line)));
  }, [text]);
}

function Wrong({ query, message }: { query: string; message: string }) {
  const { shown, before, message: why } = mistake(query, message);
  return (
    <div class="wrong" role="alert" data-testid="query-error">
      {shown !== undefined && <pre aria-hidden="true">{`${shown}\n${' '.repeat(before ?? 0)}`}<b>^</b></pre>}
      <pre class="why">{before === undefined ? why : `character ${before + 1}: ${why}`}</pre>
    </div>
  );
}

function RangeChoice({ now, onChoose }: { now: Asked; onChoose(range: string): void }) {
  const known = RANGES.some(([value]) => value === now.range);
  return (
    <select
      aria-label="Time range"
      value={now.period ? PERIOD : now.range}
      onChange={(event) => event.currentTarget.value !== PERIOD && onChoose(event.currentTarget.value)}
    >
      {now.period && <option value={PERIOD}>{shownPeriod(now.period)}</option>}
      {!known && <option value={now.range}>last {now.range}</option>}
      {RANGES.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
    </select>
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
