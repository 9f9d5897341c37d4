// Live lines, the newest first, which the reader may pause.

import { useEffect, useReducer, useState } from 'preact/hooks';
import { ApiError } from '../api';
import { compact } from '../format';
import type { Line } from '../loki';
import { count } from '../parts/words';
import { Panel } from '../parts/panel';
import { Empty, ErrorBanner } from '../parts/state';
import { KEPT_MAX, NOTHING, step, type Action } from './shown';
import { LineTable, type Narrow } from './table';
import { follow } from './tail';

const FIRST_LINES = 100;
/** Lines come to the page in bunches, or it would be drawn for each of them. */
const DRAWN_EVERY = 150;

interface LiveProps {
  query: string;
  narrow: Narrow;
  marks: string[];
  /** Told what is wrong with the query, if it is. */
  onWrong(message: string | undefined): void;
}

export function Live({ query, narrow, marks, onWrong }: LiveProps) {
  const [shown, act] = useReducer(step, NOTHING);
  const { error, retry } = useFollowed(query, act, onWrong);
  const waiting = shown.waiting.length + shown.lost;
  // What is wrong with the query stands under it.
  if (error?.status === 400) return null;
  return (
    <Panel
      title={<span data-testid="live-state">{error ? 'Ended' : shown.paused ? 'Paused' : 'Live'}, {count(shown.lines.length, 'line')}, newest first</span>}
      aside={
        <span class="line">
          {shown.paused && waiting > 0 && <span data-testid="live-waiting">{compact(waiting)} waiting{shown.lost > 0 && `, ${compact(shown.lost)} of them left out`}</span>}
          <button type="button" class={shown.paused ? 'primary' : ''} data-testid="live-pause" aria-pressed={shown.paused} onClick={() => act(shown.paused ? 'resume' : 'pause')}>
            {shown.paused ? 'Go on' : 'Pause'}
          </button>
          <button type="button" onClick={() => act('clear')}>Clear</button>
        </span>
      }
      testid="live"
    >
      {error && <ErrorBanner error={error} retry={retry} />}
      {shown.gaps > 0 && <p class="note">More lines came than could be sent; some were left out. A filter makes them fewer.</p>}
      {shown.late > 0 && <p class="note" data-testid="live-late">{count(shown.late, 'line')} of these streams, whatever the filter, came too late to be shown here. A search finds them.</p>}
      {shown.lines.length === 0 && !error && <Empty><p role="status">Waiting for lines…</p></Empty>}
      <LineTable lines={shown.lines} narrow={narrow} marks={marks} onOpen={() => act('pause')} />
      {shown.lines.length >= KEPT_MAX && <p class="muted small">Older lines made room: {KEPT_MAX} are kept here.</p>}
    </Panel>
  );
}

function useFollowed(query: string, act: (action: Action) => void, onWrong: (message: string | undefined) => void) {
  const [error, setError] = useState<ApiError | undefined>(undefined);
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    let came: Line[] = [];
    let [gaps, late] = [0, 0];
    const timer = setInterval(() => {
      if (came.length === 0 && gaps === 0 && late === 0) return;
      act({ came, gaps, late });
      [came, gaps, late] = [[], 0, 0];
    }, DRAWN_EVERY);
    // The first gap is where the past was cut off, which nobody asked for.
    let isFirst = true;
    const tail = {
      onLines: (lines: Line[]) => {
        isFirst = false;
        came.push(...lines);
        // A hidden page's timer is slow; what would fall out anyway is let go at once.
        if (came.length > KEPT_MAX * 2) came = came.slice(-KEPT_MAX);
      },
      onGap: () => {
        if (!isFirst) gaps += 1;
      },
      onLate: (lines: number) => {
        late += lines;
      },
    };
    setError(undefined);
    onWrong(undefined);
    act('clear');
    follow(query, '-5m', FIRST_LINES, tail, stop.signal).catch((reason: unknown) => {
      if (stop.signal.aborted) return;
      const failed = reason instanceof ApiError ? reason : new ApiError(`The answer could not be read: ${String(reason)}`, 0);
      if (failed.status === 400) onWrong(failed.message);
      setError(failed);
    });
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [query, round]);
  return { error, retry: () => setRound((n) => n + 1) };
}
