// Searching traces.

import { withQuery, type TraceAnswer } from '../api';
import { Panel, useTitle } from '../parts/panel';
import { asked, QueryBar } from '../parts/query';
import { ServiceLinks } from '../parts/services';
import { Answer, Empty } from '../parts/state';
import { TraceTable } from '../parts/traces';
import { useResource } from '../resource';
import { spansOf, to } from '../router';

const LIMIT = 100;

export function Traces() {
  const now = asked(LIMIT);
  useTitle('Traces');
  const answer = useResource<TraceAnswer>(withQuery('/traces', { query: now.query, start: `-${now.range}`, limit: now.limit }));
  return (
    <>
      <h1 class="hidden">Traces</h1>
      <QueryBar label="Trace query" hint={'{ resource.service.name = "checkout" && status = error && duration > 100ms }'} now={now} onAsk={answer.reload} />
      <p class="quick"><ServiceLinks href={(name) => to.traces(spansOf(name), now.range)} /></p>
      <Answer of={answer} what="traces">
        {({ traces, cut }) => (traces.length ? (
          <Panel title={`${traces.length} traces, newest first`}>
            {cut && <p class="note">The answer is not complete: {cut}</p>}
            <TraceTable traces={traces} />
          </Panel>
        ) : (
          <Empty>
            <p><strong>No trace matches in this time range.</strong></p>
            <p>Queries are TraceQL: <code>{'{ name = "GET /pay" && status = error }'}</code> finds spans, <code>duration &gt; 100ms</code> the slow ones, <code>span.http.route = "/pay"</code> those with an attribute, and <code>{'{ … } >> { … }'}</code> spans below others. {cut}</p>
          </Empty>
        ))}
      </Answer>
    </>
  );
}
