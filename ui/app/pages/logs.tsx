// Searching logs: the lines of a query, how many there are over time, what they look like,
// what one could filter by; or the numbers it computes from them; or the lines as they come.

import { useCallback, useMemo, useState } from 'preact/hooks';
import { withQuery } from '../api';
import { bytes, compact, seconds } from '../format';
import { asked, hrefOf, periodOf, type Asked } from '../logs/asked';
import { nanos, stepOf, type Period } from '../logs/period';
import { LogBar, shownPeriod, Views } from '../logs/bar';
import { Facets } from '../logs/facets';
import { Histogram } from '../logs/histogram';
import { Live } from '../logs/live';
import { Numbers } from '../logs/numbers';
import { LINES_MAX, PAGE_LINES, useOlder } from '../logs/older';
import { Patterns } from '../logs/patterns';
import { LineTable, type Narrow } from '../logs/table';
import { selector, sought } from '../logql';
import type { RangeAnswer } from '../loki';
import { Panel, useTitle } from '../parts/panel';
import { ServiceLinks } from '../parts/services';
import { Answer, Empty, ErrorBanner } from '../parts/state';
import { useResource } from '../resource';
import { navigate } from '../router';
import { count } from '../parts/words';

const POINTS = 200;

export function Logs() {
  const now = asked();
  const { query, view } = now;
  useTitle('Logs');
  const [round, setRound] = useState(0);
  const [tailWrong, setTailWrong] = useState<string | undefined>(undefined);
  const period = usePeriod(now, round);
  const live = view === 'live';
  const answer = useResource<RangeAnswer>(live ? null : withQuery('/loki/api/v1/query_range', {
    query: query || '{}', start: nanos(period.from), end: nanos(period.until), limit: PAGE_LINES, step: stepOf(period, POINTS) / 1000,
  }));
  const refused = answer.error?.status === 400;
  const wrong = live ? tailWrong : refused ? answer.error?.message : undefined;
  const narrow: Narrow = (change) => hrefOf(now, { query: change(query) });
  const onAsk = useCallback(() => setRound((n) => n + 1), []);
  const marks = useMemo(() => sought(query), [query]);
  return (
    <>
      <h1 class="hidden">Logs</h1>
      <LogBar now={now} wrong={wrong} onAsk={onAsk} />
      {!query && (
        <p class="quick line">
          <span class="muted">Lines of</span>
          <ServiceLinks href={(name) => hrefOf(now, { query: selector('service_name', name) })} />
        </p>
      )}
      {live && <><Views now={now} /><Live {...{ query, narrow, marks }} onWrong={setTailWrong} /></>}
      {!live && !refused && (
        <Answer of={answer} what="log lines">
          {(data) => (data.data.resultType === 'streams'
            ? <Found {...{ now, period, narrow, marks }} answer={data} />
            : <Numbers answer={data} period={period} />)}
        </Answer>
      )}
    </>
  );
}

/** The period asked for: until now, where it is a range, and anew each time one asks. */
function usePeriod(now: Asked, round: number): Period {
  return useMemo(() => periodOf(now, Date.now()), [now.query, now.range, now.period?.from, now.period?.until, now.view, round]);
}

interface FoundProps {
  now: Asked;
  period: Period;
  narrow: Narrow;
  marks: string[];
  answer: RangeAnswer;
}

function Found({ now, period, narrow, marks, answer }: FoundProps) {
  const query = now.query || '{}';
  const zoom = (to: Period) => navigate(hrefOf(now, { period: to }));
  return (
    <>
      <Panel title="Lines over time" aside={now.period && <Around now={now} period={now.period} />}>
        <Histogram {...{ query, period }} onZoom={zoom} />
      </Panel>
      <div class="with-facets">
        <Facets {...{ query, period, narrow }} />
        <div>
          <Views now={now} />
          {now.view === 'patterns'
            ? <Patterns {...{ query, period, narrow }} />
            : <Lines {...{ now, period, narrow, marks, answer }} />}
        </div>
      </div>
    </>
  );
}

/** Out of a period again. */
function Around({ now, period }: { now: Asked; period: Period }) {
  const length = period.until - period.from;
  return (
    <span class="line">
      {shownPeriod(period)}
      <a href={hrefOf(now, { period: { from: Math.max(1, period.from - length), until: period.until + length } })}>wider</a>
      <a href={hrefOf(now, { period: null })}>until now</a>
    </span>
  );
}

function Lines({ now, period, narrow, marks, answer }: FoundProps) {
  const { lines, cut, more, loading, error, load } = useOlder(now.query, period, answer);
  const summary = answer.data.stats?.summary;
  if (lines.length === 0) {
    return (
      <Panel title="No lines">
        <Empty>
          <p><strong>{now.query ? 'No line matches in this time range.' : 'No line arrived in this time range.'}</strong></p>
          <p>{now.query && 'Widen the range, or drop a filter.'} {cut && `The answer is not complete: ${cut}`}</p>
        </Empty>
      </Panel>
    );
  }
  const aside = summary && `${compact(summary.totalLinesProcessed)} lines read, ${bytes(summary.totalBytesProcessed)}, ${seconds(summary.execTime)}`;
  const oldest = Number(lines.at(-1)!.time) / 1e6;
  return (
    <Panel title={`${count(lines.length, 'line')}, newest first${more || cut ? '' : ', all there are'}`} aside={aside} testid="lines">
      {cut && <p class="note" data-testid="cut">The answer is not complete: {cut}</p>}
      <LineTable {...{ lines, narrow, marks }} />
      {error && <ErrorBanner error={error} retry={load} />}
      {more && lines.length < LINES_MAX && (
        <button type="button" class="more" data-testid="older" disabled={loading} onClick={load}>{loading ? 'Loading older lines…' : 'Older lines'}</button>
      )}
      {more && lines.length >= LINES_MAX && (
        <a class="more" href={hrefOf(now, { period: { from: period.from, until: Math.ceil(oldest) } })}>{lines.length} lines are shown; go on with those before them</a>
      )}
    </Panel>
  );
}
