// A small time series: axes, area, line, and the value under the pointer.
//
// All charts of a page share the hovered instant, so that a peak in one is read off the
// others. By keyboard, the arrow keys move that instant.

import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Sample } from '../api';
import { clock } from '../format';
import { maximum, nearest, runs, timeTicks, valueTicks } from './scale';

const HEIGHT = 132;
const LEFT = 50;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 20;

/** The instant the reader points at, in milliseconds. */
const pointed = signal<number | null>(null);

export interface Mark {
  /** In milliseconds. */
  time: number;
  text: string;
  kind: 'alert' | 'change';
}

export interface Point {
  /** In milliseconds. */
  time: number;
  value: number;
  href: string;
  title: string;
  bad: boolean;
}

export interface ChartProps {
  title: ComponentChildren;
  samples: Sample[];
  format: (value: number | null) => string;
  tone: 'rate' | 'errors' | 'duration' | 'plain';
  testid?: string;
  /** Instants worth a line: when the alert began, what changed. */
  marks?: Mark[] | undefined;
  /** Fainter lines in the same unit, by name; the main one is `name`. */
  also?: { name: string; samples: Sample[] }[];
  name?: string;
  /** Single calls that lead to their traces. */
  points?: Point[];
  /** The least the axis reaches, so that noise near zero stays flat. */
  atLeast?: number;
}

export function Chart({ title, samples, format, tone, testid, marks = [], also = [], name, points = [], atLeast = 0 }: ChartProps) {
  const [box, width] = useWidth();
  const pieces = runs(samples);
  const known = pieces.flat();
  const others = also.map((line) => ({ name: line.name, pieces: runs(line.samples) }));
  const at = pointed.value;
  const under = at === null ? undefined : nearest(known, at);
  const shown = under ?? known.at(-1);
  const max = Math.max(atLeast, maximum(samples), ...also.map((line) => maximum(line.samples)), ...points.map(({ value }) => value));
  return (
    <figure class={`chart tone-${tone}`} data-testid={testid}>
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="chart-value">{name && <small>{name} </small>}{shown ? format(shown[1]) : '–'}</span>
        {others.map((line) => {
          const known = line.pieces.flat();
          const one = at === null ? known.at(-1) : nearest(known, at);
          return <span key={line.name} class="chart-also"><small>{line.name} </small>{one ? format(one[1]) : '–'}</span>;
        })}
        <span class="chart-at">{under ? clock(under[0] * 1e6) : known.length ? 'now' : ''}</span>
      </figcaption>
      <div class="plot" ref={box}>
        {known.length === 0 ? (
          <p class="no-samples">No samples in this time range.</p>
        ) : (
          width > 0 && <Plot {...{ pieces, known, others, width, format, marks, points, under, max }} />
        )}
      </div>
    </figure>
  );
}

type Pieces = [number, number][][];

interface PlotProps {
  pieces: Pieces;
  known: [number, number][];
  others: { name: string; pieces: Pieces }[];
  width: number;
  max: number;
  format: (value: number | null) => string;
  marks: Mark[];
  points: Point[];
  under: [number, number] | undefined;
}

function Plot({ pieces, known, others, width, max, format, marks, points, under }: PlotProps) {
  const until = Math.max(known.at(-1)![0], known[0]![0] + 1);
  const from = begun(known[0]![0], until, marks);
  const ticks = valueTicks(max, 3);
  const top = ticks.at(-1)!;
  const x = (time: number) => LEFT + ((time - from) / (until - from)) * (width - LEFT - RIGHT);
  const y = (value: number) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const floor = y(0);
  const isWithin = ({ time }: { time: number }) => time >= from && time <= until;
  const drawn = (piece: [number, number][]) => piece.map(([time, value]) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join('L');
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
    <>
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
        {others.flatMap((line) => line.pieces.map((piece) => <path key={`${line.name} ${piece[0]![0]}`} class="line also" d={`M${drawn(piece)}`} />))}
        {pieces.map((piece) => {
          if (piece.length === 1) return <circle key={piece[0]![0]} class="dot" cx={x(piece[0]![0])} cy={y(piece[0]![1])} r="2" />;
          const line = drawn(piece);
          return (
            <g key={piece[0]![0]}>
              <path class="area" d={`M${x(piece[0]![0]).toFixed(1)},${floor}L${line}L${x(piece.at(-1)![0]).toFixed(1)},${floor}Z`} />
              <path class="line" d={`M${line}`} />
            </g>
          );
        })}
        {marks.filter(isWithin).map(({ time, text, kind }) => (
          <g key={`${time} ${text}`} class={`mark mark-${kind}`} data-testid={`mark-${kind}`}>
            <line x1={x(time)} x2={x(time)} y1={TOP} y2={floor} />
            <path d={`M${x(time) - 4},${TOP - 6}h8l-4,6z`}><title>{text}</title></path>
          </g>
        ))}
        {under && (
          <g class="under">
            <line x1={x(under[0])} x2={x(under[0])} y1={TOP} y2={floor} />
            <circle class="dot" cx={x(under[0])} cy={y(under[1])} r="3.5" />
          </g>
        )}
      </svg>
      {points.filter(isWithin).map(({ time, value, href, title, bad }) => (
        <a key={href} class={bad ? 'point bad' : 'point'} href={href} title={title} aria-label={title} data-testid="exemplar" style={{ left: `${x(time)}px`, top: `${y(value)}px` }} />
      ))}
    </>
  );
}

/** From the first sample on; what happened just before it has made room for it. */
function begun(first: number, until: number, marks: Mark[]): number {
  const least = first - (until - first) / 4 - 60_000;
  return Math.min(first, ...marks.map(({ time }) => time).filter((time) => time >= least));
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
    <svg class="spark" viewBox="0 0 96 22" width="96" height="22" preserveAspectRatio="none" aria-hidden="true">
      {pieces.map((piece) => <path key={piece[0]![0]} class="line" d={`M${piece.map(draw).join('L')}`} />)}
    </svg>
  );
}
