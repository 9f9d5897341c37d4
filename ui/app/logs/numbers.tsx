// The answer to a query that asks for numbers: its series as lines, and as a table.

import { useState } from 'preact/hooks';
import type { LabelMap } from '../api';
import { clock, compact, moment } from '../format';
import { cutOf, type RangeAnswer, type Series } from '../loki';
import { timeLabel, useWidth } from '../parts/chart';
import { Panel } from '../parts/panel';
import { runs, ticksAround, timeTicks } from '../parts/scale';
import { Empty } from '../parts/state';
import type { Period } from './period';

const SHOWN = 40;
const TONES = 8;
const HEIGHT = 240;
const LEFT = 56;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 20;

export interface Drawn {
  name: string;
  points: [number, number][];
  last: number;
  min: number;
  max: number;
  mean: number;
}

const nameOf = (metric: LabelMap): string => {
  const labels = Object.entries(metric);
  return labels.length ? labels.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(' ') : 'all';
};

/** The series with the largest values first; those without any number are left out. */
export function drawnOf(series: Series[]): Drawn[] {
  const all = series.map(({ metric, values }) => {
    const points = values.map(([seconds, text]): [number, number] => [seconds * 1000, Number(text)]).filter(([, value]) => Number.isFinite(value));
    const numbers = points.map(([, value]) => value);
    const [min, max] = numbers.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
    return { name: nameOf(metric), points, last: numbers.at(-1) ?? NaN, min, max, mean: numbers.reduce((sum, value) => sum + value, 0) / numbers.length };
  });
  return all.filter(({ points }) => points.length > 0).sort((a, b) => b.max - a.max);
}

export function Numbers({ answer, period }: { answer: RangeAnswer; period: Period }) {
  const [only, setOnly] = useState<string | null>(null);
  const series = answer.data.resultType === 'matrix' ? drawnOf(answer.data.result) : [];
  const cut = cutOf(answer);
  const shown = series.slice(0, SHOWN);
  if (series.length === 0) return <Empty><p><strong>There are no numbers in this time range.</strong> {cut}</p></Empty>;
  return (
    <Panel title={`${series.length} series`} aside={shown.length < series.length ? `the ${SHOWN} with the largest values are shown` : undefined} testid="numbers">
      {cut && <p class="note">The answer is not complete: {cut}</p>}
      <Lines {...{ shown, period, only }} />
      <div class="scroll">
        <table class="list">
          <thead>
            <tr>
              <th scope="col">Series</th>
              {['Last', 'Mean', 'Least', 'Most'].map((name) => <th key={name} scope="col" class="number">{name}</th>)}
            </tr>
          </thead>
          <tbody>
            {shown.map(({ name, last, mean, min, max }, index) => (
              <tr key={name} class={`svc-${index % TONES}`} data-testid="series-row" onPointerEnter={() => setOnly(name)} onPointerLeave={() => setOnly(null)}>
                <th scope="row"><span class="legend"><i />{name}</span></th>
                {[last, mean, min, max].map((value, column) => <td key={column} class="number">{compact(value)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function Lines({ shown, period, only }: { shown: Drawn[]; period: Period; only: string | null }) {
  const [box, width] = useWidth();
  const [at, setAt] = useState<number | null>(null);
  const ticks = ticksAround(Math.min(...shown.map(({ min }) => min)), Math.max(...shown.map(({ max }) => max)), 4);
  const [low, high] = [ticks[0]!, ticks.at(-1)!];
  const { from, until } = period;
  const inner = Math.max(1, width - LEFT - RIGHT);
  const x = (time: number) => LEFT + ((time - from) / (until - from)) * inner;
  const y = (value: number) => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const point = (event: PointerEvent) => {
    const share = (event.clientX - (event.currentTarget as Element).getBoundingClientRect().left - LEFT) / inner;
    setAt(share >= 0 && share <= 1 ? from + share * (until - from) : null);
  };
  return (
    <div class="plot tall" ref={box}>
      {width > 0 && (
        <svg width={width} height={HEIGHT} role="img" aria-label={`${shown.length} series from ${clock(from * 1e6)} to ${clock(until * 1e6)}`} onPointerMove={point} onPointerLeave={() => setAt(null)}>
          {ticks.map((tick) => (
            <g key={tick}>
              <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
              <text class="tick" x={LEFT - 7} y={y(tick) + 3.5} text-anchor="end">{compact(tick)}</text>
            </g>
          ))}
          {timeTicks(from, until, Math.max(2, Math.floor(width / 90))).map((tick) => (
            <text key={tick} class="tick" x={Math.min(Math.max(x(tick), LEFT + 12), width - RIGHT - 14)} y={HEIGHT - 5} text-anchor="middle">{timeLabel(tick, until - from)}</text>
          ))}
          {shown.map(({ name, points }, index) => (
            <g key={name} class={`svc-${index % TONES} ${only && only !== name ? 'faint' : ''}`}>
              {runs(points).map((run) => (run.length === 1
                ? <circle key={run[0]![0]} class="dot" cx={x(run[0]![0])} cy={y(run[0]![1])} r="2" />
                : <path key={run[0]![0]} class="line" d={`M${run.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join('L')}`} />))}
            </g>
          ))}
          {at !== null && (
            <g class="under">
              <line x1={x(at)} x2={x(at)} y1={TOP} y2={HEIGHT - BOTTOM} />
              <text class="tick" x={Math.min(Math.max(x(at), LEFT + 30), width - RIGHT - 30)} y={TOP + 8} text-anchor="middle">{moment(at * 1e6)}</text>
            </g>
          )}
        </svg>
      )}
    </div>
  );
}
