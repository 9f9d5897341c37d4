// Everything one span says.

import type { LogRecord, Pairs, Span } from '../api';
import { instant, moment, nanoseconds } from '../format';
import { LogTable } from '../logs/table';
import { quoted, spansOf, to } from '../router';
import { has } from '../traces/traceql';

export function SpanDetails({ span, start, logs = [] }: { span: Span; start: number; logs?: LogRecord[] }) {
  return (
    <div class="details" data-testid="span-details">
      <dl class="facts">
        <Fact name="started">
          <span title={instant(span.start)}>{moment(span.start, true)}</span> (+{nanoseconds(span.start - start)})
        </Fact>
        <Fact name="took">{nanoseconds(span.end - span.start)}</Fact>
        <Fact name="kind">{span.kind}</Fact>
        <Fact name="status">{span.status}{span.status_message && `: ${span.status_message}`}</Fact>
        <Fact name="span"><code>{span.span_id}</code></Fact>
        {span.parent && <Fact name="parent"><code>{span.parent}</code></Fact>}
        {span.scope && <Fact name="scope">{span.scope}</Fact>}
      </dl>
      <p class="line small">
        <a href={to.traces(spansOf(span.service, `name = ${quoted(span.name)}`))}>other calls of it</a>
        <a href={to.service(span.service)}>{span.service}</a>
      </p>
      {logs.length > 0 && <><h4>Log lines</h4><LogTable records={logs} inTrace /></>}
      <Attributes title="Attributes" pairs={span.attributes} scope="span" />
      {span.events.length > 0 && (
        <>
          <h4>Events</h4>
          {span.events.map((event, index) => (
            <div key={index} class="span-event">
              <b>{event.name}</b> <span class="muted">+{nanoseconds(event.time - span.start)}</span>
              <Attributes pairs={event.attributes} />
            </div>
          ))}
        </>
      )}
      {span.links.length > 0 && (
        <>
          <h4>Linked traces</h4>
          <ul>
            {span.links.map((link) => (
              <li key={link.trace_id + link.span_id}><a href={to.trace(link.trace_id, link.span_id)}><code>{link.trace_id}</code></a> <Attributes pairs={link.attributes} /></li>
            ))}
          </ul>
        </>
      )}
      <Attributes title="Resource" pairs={span.resource} scope="resource" />
    </div>
  );
}

function Fact({ name, children }: { name: string; children: preact.ComponentChildren }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}

/** `scope`: where a search finds them. */
export function Attributes({ title, pairs, scope }: { title?: string; pairs: Pairs; scope?: 'span' | 'resource' }) {
  if (pairs.length === 0) return null;
  return (
    <>
      {title && <h4>{title}</h4>}
      <table class="attributes">
        <tbody>
          {pairs.map(([name, value], index) => (
            <tr key={index}>
              <th scope="row">
                {scope ? <a class="quiet-link" href={to.traces(`{ ${has(`${scope}.${name}`, value)} }`)} title="Traces that have this value">{name}</a> : name}
              </th>
              <td><Value name={name} value={value} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

const IDENTIFIER = /(^|[._-])(request|correlation)[._-]?id$|trace[._-]?id$/i;

/** A value; what identifies a request leads to everything known about it. */
export function Value({ name, value }: { name: string; value: string }) {
  const id = IDENTIFIER.test(name) ? soleElement(value) : '';
  return id ? <a href={to.lookup(id)} title="Everything known about this ID">{value}</a> : <>{value}</>;
}

/** The conventions make a header's value a list: `["abc"]` means abc. */
function soleElement(value: string): string {
  if (!value.startsWith('[')) return value;
  try {
    const list: unknown = JSON.parse(value);
    return Array.isArray(list) && list.length === 1 && typeof list[0] === 'string' ? list[0] : '';
  } catch {
    return '';
  }
}
