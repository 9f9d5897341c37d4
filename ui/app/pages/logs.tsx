// Searching logs.

import { withQuery, type LogAnswer } from '../api';
import { bytes } from '../format';
import { LogTable } from '../parts/logs';
import { Panel, useTitle } from '../parts/panel';
import { asked, QueryBar, type Asked } from '../parts/query';
import { Answer, Empty } from '../parts/state';
import { ServiceLinks } from '../parts/services';
import { useResource } from '../resource';
import { place, quoted, to } from '../router';

const LIMIT = 200;

export function Logs() {
  const now = asked(LIMIT);
  const { query, range, limit } = now;
  useTitle('Logs');
  const path = withQuery('/logs', { query, start: `-${range}`, limit });
  const answer = useResource<LogAnswer>(path);
  return (
    <>
      <h1 class="hidden">Logs</h1>
      <QueryBar label="Log query" hint={'{service="checkout"} |= "timeout"'} now={now} onAsk={answer.reload} />
      {!query && (
        <Empty>
          <p>Choose streams by their labels, then narrow by what the line says:</p>
          <pre>{'{service="checkout", level="error"} |= "card declined" != "retry"'}</pre>
          <ServiceLinks href={(name) => to.logs(`{service=${quoted(name)}}`)} />
        </Empty>
      )}
      <Answer of={answer} what="log lines">{(data) => <Found {...data} now={now} />}</Answer>
    </>
  );
}

function Found({ records, cut, segments_visited, segments_skipped, bytes_read, now }: LogAnswer & { now: Asked }) {
  const aside = `${segments_visited} segments read, ${segments_skipped} skipped, ${bytes(bytes_read)}`;
  if (!records.length) {
    return (
      <Empty>
        <p><strong>{now.query ? 'No line matches in this time range.' : 'No line arrived in this time range.'}</strong></p>
        <p>{now.query ? 'Widen the range, or drop a filter.' : ''} {cut}</p>
      </Empty>
    );
  }
  const full = records.length >= now.limit;
  return (
    <Panel title={`${records.length} lines, newest first`} aside={aside}>
      {cut && <p class="note">The answer is not complete: {cut}</p>}
      <LogTable records={records} />
      {full && (
        <a class="more" href={withQuery(place.value.path, { query: now.query, range: now.range, limit: now.limit * 5 })}>
          Show up to {now.limit * 5} lines
        </a>
      )}
    </Panel>
  );
}
