// All that one line carries; each value leads to the lines with it, or without it.

import { useMemo, useState } from 'preact/hooks';
import { instant } from '../format';
import { withField, withMatcher, type Op } from '../logql';
import { nanosOf, traceOf, valueOf, type Line } from '../loki';
import { Value } from '../parts/span';
import { to } from '../router';
import { Context } from './context';
import { fieldsIn, prettyJson } from './inside';
import type { Narrow } from './table';

type Change = (query: string, name: string, op: Op, value: string) => string;

const withJsonField: Change = (query, name, op, value) => withField(query, name, op, value, 'json');

export function LineDetails({ line, narrow }: { line: Line; narrow: Narrow }) {
  const [context, setContext] = useState(false);
  const pretty = useMemo(() => prettyJson(line.text), [line.text]);
  const inside = useMemo(() => fieldsIn(line), [line]);
  const trace = traceOf(line);
  return (
    <div class="details" data-testid="log-details">
      <p class="line log-actions">
        <button type="button" data-testid="context-button" aria-expanded={context} onClick={() => setContext(!context)}>Context</button>
        {trace && <a href={to.trace(trace, valueOf(line, 'span_id') || undefined)}>Trace <code>{trace}</code></a>}
        <span class="muted">{instant(nanosOf(line))}</span>
      </p>
      {context && <Context line={line} />}
      <pre class="whole">{pretty ?? line.text}</pre>
      <Fields title="In the text" pairs={inside} change={withJsonField} narrow={narrow} />
      <Fields title="Parsed" pairs={Object.entries(line.parsed)} change={withField} narrow={narrow} />
      <Fields title="Structured metadata" pairs={Object.entries(line.metadata)} change={withField} narrow={narrow} />
      <Fields title="Labels of the stream" pairs={Object.entries(line.labels)} change={withMatcher} narrow={narrow} />
    </div>
  );
}

interface FieldsProps {
  title: string;
  pairs: [string, string][];
  change: Change;
  narrow: Narrow;
}

function Fields({ title, pairs, change, narrow }: FieldsProps) {
  if (pairs.length === 0) return null;
  return (
    <>
      <h4>{title}</h4>
      <table class="attributes fields">
        <tbody>
          {pairs.map(([name, value]) => (
            <tr key={name}>
              <td class="filters">
                <a href={narrow((query) => change(query, name, '=', value))} title={`Only lines with this ${name}`} aria-label={`Only lines with this ${name}`}>=</a>
                <a href={narrow((query) => change(query, name, '!=', value))} title={`Lines without this ${name}`} aria-label={`Lines without this ${name}`}>≠</a>
              </td>
              <th scope="row">{name}</th>
              <td><Value name={name} value={value} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
