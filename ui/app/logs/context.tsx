// What a line's stream said just before it and just after it.

import { useState } from 'preact/hooks';
import { withQuery } from '../api';
import { instant, moment } from '../format';
import { streamSelector } from '../logql';
import { levelOf, linesOf, nanosOf, type Line, type RangeAnswer } from '../loki';
import { Answer } from '../parts/state';
import { useResource, type Resource } from '../resource';

const LINES = 8;
const LINES_MAX = 200;
const DAY = 86_400_000_000_000n;

export function Context({ line }: { line: Line }) {
  const [before, setBefore] = useState(LINES);
  const [after, setAfter] = useState(LINES);
  const query = streamSelector(line.labels);
  const path = (parameters: Record<string, string | number>) => withQuery('/loki/api/v1/query_range', { query, ...parameters });
  const time = BigInt(line.time);
  const earlier = useKept(useResource<RangeAnswer>(path({ start: String(time > DAY ? time - DAY : 0n), end: line.time, limit: before })));
  // The line itself comes first among those from its time on.
  const later = useKept(useResource<RangeAnswer>(path({ start: line.time, end: String(time + DAY), limit: after + 1, direction: 'forward' })));
  return (
    <section class="context" data-testid="log-context" aria-label="Lines around this one in its stream">
      <p class="muted small">Its stream, oldest first</p>
      <Answer of={earlier} what="the lines before">
        {(data) => {
          const lines = linesOf(data).reverse();
          return (
            <>
              <More full={lines.length >= before} shown={before} onMore={setBefore} name="Earlier" />
              {lines.map((one, index) => <ContextLine key={lines.length - index} line={one} />)}
            </>
          );
        }}
      </Answer>
      <ContextLine line={line} here />
      <Answer of={later} what="the lines after">
        {(data) => {
          const lines = others(linesOf(data).reverse(), line);
          return (
            <>
              {lines.slice(0, after).map((one, index) => <ContextLine key={index} line={one} />)}
              <More full={lines.length >= after} shown={after} onMore={setAfter} name="Later" />
            </>
          );
        }}
      </Answer>
    </section>
  );
}

/** The answer before stays until there is the next one, so that lines do not jump. */
function useKept<T>(resource: Resource<T>): Resource<T> {
  const [last, setLast] = useState<T | undefined>(undefined);
  if (resource.data !== undefined && resource.data !== last) setLast(resource.data);
  const data = resource.data ?? last;
  return { ...resource, data, loading: resource.loading && data === undefined };
}

/** All but the line itself, once. */
function others(lines: Line[], line: Line): Line[] {
  const own = lines.findIndex(({ time, text }) => time === line.time && text === line.text);
  return own < 0 ? lines : lines.toSpliced(own, 1);
}

function More({ full, shown, onMore, name }: { full: boolean; shown: number; onMore(lines: number): void; name: string }) {
  if (!full) return <p class="muted small">{name === 'Earlier' ? 'Nothing earlier within a day.' : 'Nothing later within a day.'}</p>;
  if (shown >= LINES_MAX) return null;
  return <button type="button" class="quiet" onClick={() => onMore(Math.min(LINES_MAX, shown * 3))}>{name} lines</button>;
}

function ContextLine({ line, here = false }: { line: Line; here?: boolean }) {
  const level = levelOf(line);
  return (
    <div class={`log level-${level} ${here ? 'here' : ''}`} data-testid={here ? 'context-here' : 'context-line'}>
      <div class="context-row">
        <time title={instant(nanosOf(line))}>{moment(nanosOf(line), true)}</time>
        <span class="level">{level === 'unknown' ? '–' : level}</span>
        <span class="body">{line.text}</span>
      </div>
    </div>
  );
}
