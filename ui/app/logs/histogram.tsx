// How many lines there are over time, by level. Dragging over columns asks for their time
// alone; by keyboard the arrows move, Shift and arrows choose, Enter asks, Escape gives up.

import { useState } from 'preact/hooks';
import { withQuery } from '../api';
import { compact, moment, seconds } from '../format';
import { counted } from '../logql';
import { cutOf, type RangeAnswer } from '../loki';
import { timeLabel, useWidth } from '../parts/chart';
import { timeTicks, valueTicks } from '../parts/scale';
import { ErrorBanner } from '../parts/state';
import { useResource } from '../resource';
import { duration, type Period } from './period';
import { columnsOf, gridOf, STACK, totals, type Column, type Grid } from './buckets';

const HEIGHT = 104;
const LEFT = 44;
const RIGHT = 4;
const TOP = 6;
const BOTTOM = 18;

interface HistogramProps {
  query: string;
  period: Period;
  onZoom(period: Period): void;
}

export function Histogram({ query, period, onZoom }: HistogramProps) {
  const grid = gridOf(period);
  const answer = useResource<RangeAnswer>(withQuery('/loki/api/v1/query_range', {
    query: counted(query, ['level', 'detected_level'], duration(grid.step)),
    start: grid.first / 1000, end: grid.last / 1000, step: `${grid.step / 1000}`,
  }));
  const [under, setUnder] = useState<Column | null>(null);
  const { data } = answer;
  const columns = data && columnsOf(grid, data.data.resultType === 'matrix' ? data.data.result : []);
  const cut = data && cutOf(data);
  return (
    <figure class="histogram" data-testid="histogram">
      {answer.error && <ErrorBanner error={answer.error} stale={data !== undefined} retry={answer.reload} />}
      <figcaption>
        {columns ? <Legend columns={columns} under={under} /> : !answer.error && <span class="loading" role="status">Counting…</span>}
      </figcaption>
      {cut && <p class="note">The counts are not complete: {cut}</p>}
      <Bars columns={columns ?? []} grid={grid} onZoom={onZoom} onPoint={setUnder} />
    </figure>
  );
}

/** The counts of the column under the pointer, or of all. */
function Legend({ columns, under }: { columns: Column[]; under: Column | null }) {
  const shown = under ? [under] : columns;
  const all = shown.reduce((sum, { total }) => sum + total, 0);
  return (
    <>
      <b>{compact(all)} {all === 1 ? 'line' : 'lines'}</b>
      {totals(shown).map(([level, count]) => (
        <span key={level} class={`legend lvl-${level}`}><i />{level === 'unknown' ? 'no level' : level} {compact(count)}</span>
      ))}
      <span class="muted small at">
        {under ? `${moment(under.from * 1e6, under.until - under.from < 1000)} – ${moment(under.until * 1e6, under.until - under.from < 1000)}`
          : `${seconds(columns[0] ? (columns[0].until - columns[0].from) / 1000 : 0)} a column; drag to zoom`}
      </span>
    </>
  );
}

interface BarsProps {
  columns: Column[];
  grid: Grid;
  onZoom(period: Period): void;
  onPoint(column: Column | null): void;
}

/** The first and the last column chosen, in the order they were. */
type Choice = [number, number];

function Bars({ columns, grid, onZoom, onPoint }: BarsProps) {
  const [box, width] = useWidth();
  const [choice, setChoice] = useState<Choice | null>(null);
  const [dragged, setDragged] = useState(false);
  const inner = Math.max(1, width - LEFT - RIGHT);
  const count = Math.round((grid.last - grid.first) / grid.step) + 1;
  const at = (event: PointerEvent) => {
    const left = (event.currentTarget as Element).getBoundingClientRect().left;
    return Math.min(count - 1, Math.max(0, Math.floor(((event.clientX - left - LEFT) / inner) * count)));
  };
  const point = (index: number | null) => onPoint(index === null ? null : columns[index] ?? null);
  const leave = () => {
    setChoice(null);
    setDragged(false);
    point(null);
  };
  const zoom = ([one, other]: Choice) => {
    const [low, high] = [Math.min(one, other), Math.max(one, other)];
    leave();
    onZoom({ from: grid.first - grid.step + low * grid.step, until: grid.first + high * grid.step });
  };
  const press = (event: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Escape') leave();
    if (event.key === 'Enter' && choice) zoom(choice);
    if (!step) return;
    event.preventDefault();
    const next = Math.min(count - 1, Math.max(0, (choice ? choice[1] : step < 0 ? count : -1) + step));
    setChoice([event.shiftKey && choice ? choice[0] : next, next]);
    point(next);
  };
  return (
    <div class="plot bars" ref={box}>
      {width > 0 && (
        <svg
          width={width}
          height={HEIGHT}
          tabIndex={0}
          role="img"
          aria-label={`Lines over time, from ${moment((grid.first - grid.step) * 1e6)} to ${moment(grid.last * 1e6)}. Arrows move, Shift and arrows choose, Enter zooms.`}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            setChoice([at(event), at(event)]);
            setDragged(true);
          }}
          onPointerMove={(event) => {
            const index = at(event);
            point(index);
            if (dragged && choice) setChoice([choice[0], index]);
          }}
          onPointerUp={() => dragged && choice && zoom(choice)}
          onPointerCancel={leave}
          onPointerLeave={() => !dragged && point(null)}
          onKeyDown={press}
          onBlur={leave}
        >
          <Drawn {...{ columns, grid, width, choice, count }} />
        </svg>
      )}
    </div>
  );
}

function Drawn({ columns, grid, width, choice, count }: { columns: Column[]; grid: Grid; width: number; choice: Choice | null; count: number }) {
  const inner = width - LEFT - RIGHT;
  const ticks = valueTicks(Math.max(1, ...columns.map(({ total }) => total)), 2);
  const floor = HEIGHT - BOTTOM;
  const y = (value: number) => TOP + (1 - value / ticks.at(-1)!) * (floor - TOP);
  const begin = grid.first - grid.step;
  const x = (time: number) => LEFT + ((time - begin) / (grid.last - begin)) * inner;
  const each = inner / count;
  return (
    <>
      {(columns.length ? ticks : [0]).filter(Number.isInteger).map((tick) => (
        <g key={tick}>
          <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
          <text class="tick" x={LEFT - 7} y={y(tick) + 3.5} text-anchor="end">{compact(tick)}</text>
        </g>
      ))}
      {timeTicks(begin, grid.last, Math.max(2, Math.floor(width / 90))).map((tick) => (
        <text key={tick} class="tick" x={Math.min(Math.max(x(tick), LEFT + 12), width - RIGHT - 14)} y={HEIGHT - 4} text-anchor="middle">{timeLabel(tick, grid.last - begin)}</text>
      ))}
      {choice && (
        <rect class="chosen" x={LEFT + Math.min(...choice) * each} width={(Math.abs(choice[1] - choice[0]) + 1) * each} y={TOP} height={floor - TOP} />
      )}
      {columns.map((column, index) => {
        let stacked = 0;
        return STACK.map((level) => {
          const value = column.counts[level];
          if (!value) return null;
          const from = stacked;
          stacked += value;
          return <rect key={`${index} ${level}`} class={`bar-of lvl-${level}`} x={LEFT + index * each + Math.min(1, each / 8)} width={Math.max(1, each - Math.min(2, each / 4))} y={y(stacked)} height={Math.max(0.5, y(from) - y(stacked))} />;
        });
      })}
    </>
  );
}
