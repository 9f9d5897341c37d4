// Which live lines are in the page: so many at most, the newest first; and at most as many
// wait while it is paused. Older ones make room.

import { byTime, type Line } from '../loki';

export const KEPT_MAX = 1000;

export interface Shown {
  lines: Line[];
  waiting: Line[];
  /** Lines that came while paused and had no room. */
  lost: number;
  /** Gaps the collector told of, and lines that it says came too late. */
  gaps: number;
  late: number;
  paused: boolean;
}

export type Action = { came: Line[]; gaps: number; late: number } | 'pause' | 'resume' | 'clear';

export const NOTHING: Shown = { lines: [], waiting: [], lost: 0, gaps: 0, late: 0, paused: false };

/** New lines in front of older ones, bounded. */
const joined = (came: Line[], before: Line[]): Line[] =>
  [...came].sort((a, b) => byTime(b.time, a.time)).concat(before).slice(0, KEPT_MAX);

export function step(state: Shown, action: Action): Shown {
  if (action === 'pause') return { ...state, paused: true };
  if (action === 'clear') return { ...NOTHING, paused: state.paused };
  if (action === 'resume') {
    return { ...state, lines: joined(state.waiting, state.lines), waiting: [], lost: 0, paused: false };
  }
  const told = { gaps: state.gaps + action.gaps, late: state.late + action.late };
  if (!state.paused) return { ...state, ...told, lines: joined(action.came, state.lines) };
  const lost = state.lost + Math.max(0, state.waiting.length + action.came.length - KEPT_MAX);
  return { ...state, ...told, lost, waiting: joined(action.came, state.waiting) };
}
