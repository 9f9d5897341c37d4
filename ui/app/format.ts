// Numbers and times as people read them.

const MISSING = '–';

/** Three significant digits, with k, M, G above a thousand. */
export function compact(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const size = Math.abs(value);
  if (size === 0) return '0';
  for (const [unit, scale] of [['G', 1e9], ['M', 1e6], ['k', 1e3]] as const) {
    if (size >= scale) return trim(value / scale) + unit;
  }
  if (size < 0.001) return value.toExponential(1);
  return trim(value);
}

function trim(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return String(Number(value.toFixed(digits)));
}

export function rate(value: number | null | undefined): string {
  return value === null || value === undefined ? MISSING : `${compact(value)}/s`;
}

export function percent(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const hundred = value * 100;
  if (hundred === 0) return '0 %';
  if (Math.abs(hundred) < 0.01) return '<0.01 %';
  return `${trim(hundred)} %`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let size = value;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? compact(size) : trim(size)} ${units[unit]}`;
}

/** A duration in seconds, in the unit that reads best. */
export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return MISSING;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size < 1e-6) return `${trim(value * 1e9)} ns`;
  if (size < 1e-3) return `${trim(value * 1e6)} µs`;
  if (size < 1) return `${trim(value * 1e3)} ms`;
  if (size < 90) return `${trim(value)} s`;
  return span(value);
}

export const nanoseconds = (value: number): string => seconds(value / 1e9);

/** A long duration: the two largest units. */
function span(value: number): string {
  const whole = Math.round(Math.abs(value));
  const parts: [number, string][] = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

/** How long ago, or until when: "4 min 12 s". */
export function since(from: number, until = Date.now() * 1e6): string {
  const passed = (until - from) / 1e9;
  return passed < 1 ? 'just now' : span(passed);
}

const two = (value: number): string => String(value).padStart(2, '0');

/** Local time of day; `millis` for logs and spans. */
export function clock(nanos: number, millis = false): string {
  const date = new Date(nanos / 1e6);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return millis ? `${time}.${String(date.getMilliseconds()).padStart(3, '0')}` : time;
}

/** Day and time, the day left out when it is today. */
export function moment(nanos: number, millis = false): string {
  const date = new Date(nanos / 1e6);
  const today = date.toDateString() === new Date().toDateString();
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return today ? clock(nanos, millis) : `${day} ${clock(nanos, millis)}`;
}

/** The whole instant, for a tooltip. */
export const instant = (nanos: number): string => new Date(nanos / 1e6).toISOString();

/** A value in the unit a signal declares. */
export function inUnit(value: number | null | undefined, unit: string): string {
  switch (unit.toLowerCase()) {
    case 'ratio':
    case '1':
      return percent(value);
    case 's':
    case 'seconds':
      return seconds(value);
    case 'by':
    case 'bytes':
      return bytes(value);
    case 'by/s':
    case 'bytes/s':
    case 'bytes per second':
      return value === null || value === undefined ? MISSING : `${bytes(value)}/s`;
    case '1/s':
    case 'per_second':
    case 'per second':
      return rate(value);
    case 'operations':
    case '':
      return compact(value);
    default:
      return value === null || value === undefined ? MISSING : `${compact(value)} ${unit}`;
  }
}
