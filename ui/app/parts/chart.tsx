// A small time series: axes, area, line, and the value under the pointer.
//
// All charts of a page share the hovered instant, so that a peak in one is read off the
// others. By keyboard, the arrow keys move that instant.

import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Sample } from '../api';
import { clock, moment } from '../format';
import { maximum, nearest, runs, timeTicks, valueTicks } from './scale';

const HEIGHT = 132;
const LEFT = 50;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 20;

/** The instant the reader points at, in milliseconds. */
const pointed = signal<number | null>(null);

export interface ChartProps {
  title: ComponentChildren;
  samples: Sample[];
  format: (value: number | null) => string;
  tone: 'rate' | 'errors' | 'duration' | 'plain';
  testid?: string;
  /** An instant worth a line, in milliseconds: when the alert began. */
  mark?: number | undefined;
  /** The least the axis reaches, so that noise near zero stays flat. */
  atLeast?: number;
}

export function Chart({ title, samples, format, tone, testid, mark, atLeast = 0 }: ChartProps) {
  const [box, width] = useWidth();
  const pieces = runs(samples);
  const known = pieces.flat();
  const at = pointed.value;
  const under = at === null ? undefined : nearest(known, at);
  const shown = under ?? known.at(-1);
  return (
    <figure class={`chart tone-${tone}`} data-testid={testid}>
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="chart-value">{shown ? format(shown[1]) : '–'}</span>
        <span class="chart-at">{under ? clock(under[0] * 1e6) : known.length ? 'now' : ''}</span>
      </figcaption>
      <div class="plot" ref={box}>
        {known.length === 0 ? (
          <p class="no-samples">No samples in this time range.</p>
        ) : (
          width > 0 && <Plot {...{ pieces, known, width, format, mark, under }} max={Math.max(maximum(samples), atLeast)} />
        )}
      </div>
    </figure>
  );
}

interface PlotProps {
  pieces: [number, number][][];
  known: [number, number][];
  width: number;
  max: number;
  format: (value: number | null) => string;
  mark: number | undefined;
  under: [number, number] | undefined;
}

function Plot({ pieces, known, width, max, format, mark, under }: PlotProps) {
  const from = known[0]![0];
  const until = Math.max(known.at(-1)![0], from + 1);
  const ticks = valueTicks(max, 3);
  const top = ticks.at(-1)!;
  const x = (time: number) => LEFT + ((time - from) / (until - from)) * (width - LEFT - RIGHT);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const floor = y(0);
  const point = (event: PointerEvent) => {
    const left = (event.currentTarget as Element).getBoundingClientRect().left;
    const share = (event.clientX - left - LEFT) / (width - LEFT - RIGHT);
    pointed.value = from + Math.min(1, Math.max(0, share)) * (until - from);
  };
  const step = (event: KeyboardEvent) => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Escape') pointed.value = null;
    if (!direction) return;
    event.preventDefault();
    const index = under ? known.indexOf(under) : known.length - 1;
    pointed.value = known[Math.min(known.length - 1, Math.max(0, index + direction))]![0];
  };
  return (
    <svg
      width={width}
      height={HEIGHT}
      tabIndex={0}
      role="img"
      aria-label={`from ${clock(from * 1e6)} to ${clock(until * 1e6)}, now ${format(known.at(-1)![1])}, at most ${format(max)}`}
      onPointerMove={point}
      onPointerLeave={() => (pointed.value = null)}
      onKeyDown={step}
      onBlur={() => (pointed.value = null)}
    >
      {ticks.map((tick) => (
        <g key={tick}>
          <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
          <text class="tick" x={LEFT - 7} y={y(tick) + 3.5} text-anchor="end">{format(tick)}</text>
        </g>
      ))}
      {timeTicks(from, until, Math.max(2, Math.floor(width / 80))).map((tick) => (
        <text key={tick} class="tick" x={Math.min(Math.max(x(tick), LEFT), width - RIGHT - 12)} y={HEIGHT - 5} text-anchor="middle">{timeLabel(tick, until - from)}</text>
      ))}
      {pieces.map((piece) => {
        const line = piece.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join('L');
        if (piece.length === 1) return <circle key={piece[0]![0]} class="dot" cx={x(piece[0]![0])} cy={y(piece[0]![1])} r="2" />;
        return (
          <g key={piece[0]![0]}>
            <path class="area" d={`M${x(piece[0]![0]).toFixed(1)},${floor}L${line}L${x(piece.at(-1)![0]).toFixed(1)},${floor}Z`} />
            <path class="line" d={`M${line}`} />
          </g>
        );
      })}
      {mark !== undefined && mark >= from && mark <= until && (
        <g class="mark">
          <line x1={x(mark)} x2={x(mark)} y1={TOP} y2={floor} />
          <path d={`M${x(mark) - 4},${TOP - 6}h8l-4,6z`}><title>{`the alert began at ${moment(mark * 1e6)}`}</title></path>
        </g>
      )}
      {under && (
        <g class="under">
          <line x1={x(under[0])} x2={x(under[0])} y1={TOP} y2={floor} />
          <circle class="dot" cx={x(under[0])} cy={y(under[1])} r="3.5" />
        </g>
      )}
    </svg>
  );
}

export function timeLabel(millis: number, range: number): string {
  const date = new Date(millis);
  if (range > 36 * 3_600_000) return `${date.getMonth() + 1}/${date.getDate()}`;
  return clock(millis * 1e6, range < 5000).slice(0, range < 5000 ? 12 : range < 180_000 ? 8 : 5);
}

export function useWidth(): [{ current: HTMLDivElement | null }, number] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);
  return [box, width];
}

/** A line without axes, for a table's cell. */
export function Spark({ samples, ceiling }: { samples: Sample[]; ceiling?: number | undefined }) {
  const pieces = runs(samples);
  const known = pieces.flat();
  if (known.length < 2) return <span class="spark-none" />;
  const from = known[0]![0];
  const until = known.at(-1)![0];
  const top = Math.max(maximum(samples), ceiling ?? 0) || 1;
  const draw = ([time, value]: [number, number]) =>
    `${(((time - from) / (until - from)) * 96).toFixed(1)},${(21 - (value / top) * 19).toFixed(1)}`;
  return (
    <svg class="spark" viewBox="0 0 96 22" width="96" height="22" aria-hidden="true">
      {pieces.map((piece) => <path key={piece[0]![0]} class="line" d={`M${piece.map(draw).join('L')}`} />)}
    </svg>
  );
}
