// Searching traces: those that a query finds, how long they took, which of their spans
// matched; or what the slow or the failed ones have that the others do not.

import { useEffect, useState } from 'preact/hooks';
import { withQuery, type TraceAnswer } from '../api';
import { nanoseconds } from '../format';
import { Panel, useTitle } from '../parts/panel';
import { QueryBox, RangeChoice } from '../parts/query';
import { ServiceLinks } from '../parts/services';
import { Answer, Empty } from '../parts/state';
import { TraceTable } from '../parts/traces';
import { count } from '../parts/words';
import { useResource } from '../resource';
import { navigate, spansOf } from '../router';
import { asked, hrefOf, LIMIT_MAX, type Asked, type View } from '../traces/asked';
import { Compare } from '../traces/compare';
import { Durations } from '../traces/histogram';

export function Traces() {
  const now = asked();
  const [round, setRound] = useState(0);
  useTitle('Traces');
  // Where others compare them, it is asked only whether the query is right.
  const limit = now.view === 'traces' ? now.limit : 1;
  const answer = useResource<TraceAnswer>(withQuery('/traces', { query: now.query, start: `-${now.range}`, limit }));
  const wrong = answer.error?.status === 400 ? answer.error.message : undefined;
  const onAsk = () => {
    answer.reload();
    setRound((n) => n + 1);
  };
  return (
    <>
      <h1 class="hidden">Traces</h1>
      <Bar {...{ now, wrong, onAsk }} />
      <p class="quick line">
        <span class="muted">Traces of</span>
        <ServiceLinks href={(name) => hrefOf(now, { query: spansOf(name), took: null })} />
      </p>
      <Views now={now} />
      {wrong === undefined && (now.view === 'traces'
        ? <Answer of={answer} what="traces">{(data) => <Found now={now} answer={data} />}</Answer>
        : <Compare key={round} now={now} />)}
    </>
  );
}

function Bar({ now, wrong, onAsk }: { now: Asked; wrong: string | undefined; onAsk(): void }) {
  const [text, setText] = useState(now.query);
  useEffect(() => setText(now.query), [now.query]);
  const go = (change: Partial<Asked>) => {
    navigate(hrefOf(now, { query: text.trim(), took: null, ...change }));
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
        label="Trace query"
        hint={'{ resource.service.name = "checkout" && status = error && duration > 100ms }'}
        query={now.query}
        onText={setText}
        onAsk={() => go({})}
        {...{ text, wrong }}
      />
      <RangeChoice range={now.range} onChoose={(range) => go({ range })} />
      <button type="submit" class="primary">Search</button>
    </form>
  );
}

const NAMES: Record<View, string> = { traces: 'Traces', slow: 'Why slow', failed: 'Why failed' };

function Views({ now }: { now: Asked }) {
  return (
    <nav class="views" aria-label="Views of the traces">
      {Object.entries(NAMES).map(([view, name]) => (
        <a key={view} href={hrefOf(now, { view: view as View, took: null })} data-testid={`view-${view}`} aria-current={now.view === view ? 'page' : undefined}>{name}</a>
      ))}
    </nav>
  );
}

function Found({ now, answer: { traces, cut } }: { now: Asked; answer: TraceAnswer }) {
  if (traces.length === 0) {
    return (
      <Empty>
        <p><strong>No trace matches in this time range.</strong></p>
        <p>Queries are TraceQL: <code>{'{ name = "GET /pay" && status = error }'}</code> finds spans, <code>duration &gt; 100ms</code> the slow ones, <code>span.http.route = "/pay"</code> those with an attribute, and <code>{'{ … } >> { … }'}</code> spans below others. {cut}</p>
      </Empty>
    );
  }
  const { took } = now;
  const shown = took ? traces.filter(({ duration_nanos }) => duration_nanos >= took.from && duration_nanos < took.until) : traces;
  const isFull = traces.length >= now.limit;
  return (
    <>
      <Panel title="How long they took" aside="errors in red; a click shows one column">
        <Durations {...{ now, traces }} />
      </Panel>
      <Panel
        title={`${count(shown.length, 'trace')}, newest first${isFull || cut ? '' : ', all there are'}`}
        aside={took && <span class="line">{nanoseconds(took.from)} – {nanoseconds(took.until)} <a href={hrefOf(now, { took: null })}>all of them</a></span>}
      >
        {cut && <p class="note" data-testid="cut">The answer is not complete: {cut}</p>}
        {shown.length ? <TraceTable traces={shown} query={now.query} /> : <Empty><p>None of the newest took that long. <a href={hrefOf(now, { took: null })}>Show all of them</a></p></Empty>}
        {isFull && now.limit < LIMIT_MAX && <a class="more" href={hrefOf(now, { limit: Math.min(LIMIT_MAX, now.limit * 5) })}>Find up to {Math.min(LIMIT_MAX, now.limit * 5)}</a>}
      </Panel>
    </>
  );
}
