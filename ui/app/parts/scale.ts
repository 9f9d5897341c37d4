// From values to pixels: ticks people can read, and lines that stop where samples do.

import type { Sample } from '../api';

/** Round values from zero to at least `max`, about `count` of them. */
export function valueTicks(max: number, count: number): number[] {
  if (!(max > 0) || !Number.isFinite(max)) return [0, 1];
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough)!;
  const ticks: number[] = [];
  for (let tick = 0; ; tick += step) {
    ticks.push(Number(tick.toPrecision(12)));
    if (tick >= max) return ticks;
  }
}

/** The same where values may lie below zero, from `min` on. */
export function ticksAround(min: number, max: number, count: number): number[] {
  if (!(min < 0)) return valueTicks(max, count);
  const ticks = valueTicks(Math.max(-min, max), count);
  const below = ticks.slice(1).reverse().map((tick) => -tick);
  const lowest = below.findLast((tick) => tick <= min) ?? below[0]!;
  const highest = ticks.find((tick) => tick >= max) ?? ticks.at(-1)!;
  return [...below, ...ticks].filter((tick) => tick >= lowest && tick <= highest);
}

const MINUTE = 60_000;
const TIME_STEPS = [100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  60 * MINUTE, 180 * MINUTE, 360 * MINUTE, 720 * MINUTE, 1440 * MINUTE, 2880 * MINUTE, 10_080 * MINUTE];

/** Whole minutes or hours of local time between two instants, at most `count` of them. */
export function timeTicks(from: number, until: number, count: number): number[] {
  const step = TIME_STEPS.find((candidate) => (until - from) / candidate <= count) ?? TIME_STEPS.at(-1)!;
  const offset = new Date(from).getTimezoneOffset() * MINUTE;
  const ticks: number[] = [];
  for (let tick = Math.ceil((from - offset) / step) * step + offset; tick <= until; tick += step) ticks.push(tick);
  return ticks;
}

/** Runs of samples that belong together: a missing value or a long silence ends one. */
export function runs(samples: Sample[]): [number, number][][] {
  const pause = 3.5 * typicalStep(samples);
  const all: [number, number][][] = [];
  let run: [number, number][] = [];
  for (const [time, value] of samples) {
    const last = run.at(-1);
    if (value === null || !Number.isFinite(value) || (last && time - last[0] > pause)) {
      if (run.length) all.push(run);
      run = [];
    }
    if (value !== null && Number.isFinite(value)) run.push([time, value]);
  }
  if (run.length) all.push(run);
  return all;
}

function typicalStep(samples: Sample[]): number {
  const steps = samples.slice(1).map(([time], index) => time - samples[index]![0]);
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? Infinity;
}

/** The sample nearest to an instant, by time. */
export function nearest(samples: [number, number][], time: number): [number, number] | undefined {
  let low = 0;
  let high = samples.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (samples[middle]![0] < time) low = middle + 1;
    else high = middle;
  }
  const after = samples[low];
  const before = samples[low - 1];
  return before && after && time - before[0] < after[0] - time ? before : after;
}

export function maximum(samples: Sample[]): number {
  let max = 0;
  for (const [, value] of samples) if (value !== null && value > max && Number.isFinite(value)) max = value;
  return max;
}
