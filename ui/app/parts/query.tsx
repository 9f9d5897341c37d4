// The box for a query: as many rows as its text has, Enter asks, and what is wrong with it
// stands under it, at its place. And the ranges of time that one can choose.

import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { mistake } from '../logql';

export const RANGES: [string, string][] = [
  ['5m', 'last 5 minutes'],
  ['15m', 'last 15 minutes'],
  ['1h', 'last hour'],
  ['6h', 'last 6 hours'],
  ['24h', 'last 24 hours'],
  ['168h', 'last 7 days'],
  ['720h', 'last 30 days'],
];

const ROWS_MAX = 8;

interface QueryBoxProps {
  label: string;
  hint: string;
  text: string;
  onText(text: string): void;
  onAsk(): void;
  /** What was asked, and what the collector says is wrong with it. */
  query: string;
  wrong: string | undefined;
}

export function QueryBox({ label, hint, text, onText, onAsk, query, wrong }: QueryBoxProps) {
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => box.current?.focus({ preventScroll: true }), []);
  useRows(box, text);
  return (
    <div class="logql-box">
      <textarea
        ref={box}
        data-testid="query-input"
        aria-label={`${label}. Enter searches, Shift and Enter begin a new line`}
        aria-invalid={wrong !== undefined}
        placeholder={hint}
        rows={1}
        value={text}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => onText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          onAsk();
        }}
      />
      {wrong !== undefined && <Wrong query={query} message={wrong} />}
    </div>
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

interface RangeChoiceProps {
  range: string;
  /** What stands for none of the ranges. */
  other?: string | undefined;
  onChoose(range: string): void;
}

/** The value of the list's entry for what is none of the ranges. */
const OTHER = 'other';

export function RangeChoice({ range, other, onChoose }: RangeChoiceProps) {
  const known = RANGES.some(([value]) => value === range);
  return (
    <select
      aria-label="Time range"
      value={other ? OTHER : range}
      onChange={(event) => event.currentTarget.value !== OTHER && onChoose(event.currentTarget.value)}
    >
      {other && <option value={OTHER}>{other}</option>}
      {!known && <option value={range}>last {range}</option>}
      {RANGES.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
    </select>
  );
}
