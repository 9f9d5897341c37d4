// What the lines look like: each pattern, how often it comes, and when.

import { withQuery, type Sample } from '../api';
import { compact, percent } from '../format';
import { literal, withStage } from '../logql';
import { cutOf, type FoundPattern } from '../loki';
import { Spark } from '../parts/chart';
import { Panel } from '../parts/panel';
import { Answer, Empty } from '../parts/state';
import { useResource } from '../resource';
import { nanos, stepOf, type Period } from './period';
import type { Narrow } from './table';

const SHOWN = 200;

export function Patterns({ query, period, narrow }: { query: string; period: Period; narrow: Narrow }) {
  const step = Math.max(1000, stepOf(period, 240));
  const answer = useResource<{ data: FoundPattern[]; warnings?: string[] }>(withQuery('/loki/api/v1/patterns', {
    query: query || '{}', start: nanos(period.from), end: nanos(period.until), step: step / 1000,
  }));
  return (
    <Answer of={answer} what="patterns">
      {(data) => <Found patterns={data.data} cut={cutOf(data)} grid={{ period, step }} narrow={narrow} />}
    </Answer>
  );
}

interface Grid {
  period: Period;
  step: number;
}

const countOf = ({ samples }: FoundPattern): number => samples.reduce((sum, [, count]) => sum + count, 0);

function Found({ patterns, cut, grid, narrow }: { patterns: FoundPattern[]; cut: string | null; grid: Grid; narrow: Narrow }) {
  if (patterns.length === 0) return <Empty><p><strong>There are no lines to take patterns from in this time.</strong> {cut}</p></Empty>;
  const all = patterns.reduce((sum, pattern) => sum + countOf(pattern), 0);
  // The lines looked at may not reach back to where the period begins.
  const first = Math.min(...patterns.map(({ samples }) => (samples[0]?.[0] ?? Infinity) * 1000));
  const from = Math.max(grid.period.from, Math.min(first, grid.period.until));
  return (
    <Panel title={`${patterns.length} patterns`} aside={`of the newest ${compact(all)} lines`} testid="patterns">
      {cut && <p class="note">The answer is not complete: {cut}</p>}
      <div class="scroll">
        <table class="list patterns">
          <thead>
            <tr>
              <th scope="col" class="number">Lines</th>
              <th scope="col" class="number">Share</th>
              <th scope="col">Over time</th>
              <th scope="col">Pattern</th>
              <th scope="col"><span class="hidden">Filters</span></th>
            </tr>
          </thead>
          <tbody>
            {patterns.slice(0, SHOWN).map((one) => (
              <tr key={one.pattern} data-testid="pattern-row">
                <td class="number">{compact(countOf(one))}</td>
                <td class="number muted">{percent(countOf(one) / all)}</td>
                <td><Spark samples={filled(one.samples, { ...grid, period: { ...grid.period, from } })} /></td>
                <td class="pattern"><Pattern text={one.pattern} /></td>
                <td class="filters">
                  <a href={narrow((query) => withStage(query, `|> ${literal(one.pattern)}`))} title="Only lines like this" aria-label="Only lines like this">=</a>
                  <a href={narrow((query) => withStage(query, `!> ${literal(one.pattern)}`))} title="Lines unlike this" aria-label="Lines unlike this">≠</a>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {patterns.length > SHOWN && <p class="muted small">The {SHOWN} most frequent are shown.</p>}
    </Panel>
  );
}

/** A count for every step, 0 where there is none, so that a line falls between bursts. */
function filled(samples: [number, number][], { period, step }: Grid): Sample[] {
  const counts = new Map(samples.map(([seconds, count]) => [seconds * 1000, count]));
  const all: Sample[] = [];
  for (let time = Math.floor(period.from / step) * step; time <= period.until; time += step) all.push([time, counts.get(time) ?? 0]);
  return all;
}

/** The parts that vary stand back. */
function Pattern({ text }: { text: string }) {
  return <>{text.split('<_>').flatMap((piece, index) => (index ? [<i key={index}>…</i>, piece] : [piece]))}</>;
}
