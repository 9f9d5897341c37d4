// Times as the pages count them, in milliseconds, and as the collector is told them.

/** A time between two instants, in milliseconds. */
export interface Period {
  from: number;
  until: number;
}

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The milliseconds of `15m`; 0 where the text is no such time. */
export function millisOf(range: string): number {
  const match = /^(\d{1,6})([smhd])$/.exec(range);
  return match ? Number(match[1]) * UNITS[match[2]!]! : 0;
}

/** Milliseconds as the digits of nanoseconds. */
export const nanos = (millis: number): string => `${Math.round(millis)}000000`;

const SECOND = 1000;
const STEPS = [10, 20, 50, 100, 200, 500, ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800]
  .map((seconds) => seconds * SECOND)];

/** A round step of which at most `count` make up the period. */
export const stepOf = ({ from, until }: Period, count: number): number =>
  STEPS.find((step) => (until - from) / step <= count) ?? Math.ceil((until - from) / count);

/** Milliseconds as LogQL writes a duration. */
export const duration = (millis: number): string =>
  (millis % SECOND === 0 ? `${millis / SECOND}s` : `${Math.max(1, Math.round(millis))}ms`);
