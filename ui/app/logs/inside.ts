// The fields in the text of a line, by the names that `| json` gives them.

import { valueOf, type Line } from '../loki';

const FIELDS_MAX = 200;
const DEPTH_MAX = 16;
const TEXT_MAX = 200_000;

function objectIn(text: string): object | null {
  if (text.length > TEXT_MAX || !/^\s*[{[]/.test(text)) return null;
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** The text with a line for each field, where it is JSON. */
export function prettyJson(text: string): string | null {
  const value = objectIn(text);
  return value && JSON.stringify(value, null, 2);
}

/** Name and value of each field; those that the line has as labels already are left out. */
export function fieldsIn(line: Line): [string, string][] {
  const value = objectIn(line.text);
  if (!value || Array.isArray(value)) return [];
  const found: [string, string][] = [];
  flatten(value, '', 0, (path, text) => {
    const known = valueOf(line, path);
    if (known !== text && found.length < FIELDS_MAX) found.push([known ? `${path}_extracted` : path, text]);
  });
  return found;
}

function flatten(value: object, prefix: string, depth: number, add: (name: string, value: string) => void) {
  for (const [key, inner] of Object.entries(value)) {
    const plain = key.replace(/[^A-Za-z0-9_]/g, '_');
    const name = prefix ? `${prefix}_${plain}` : /^\d/.test(plain) ? `_${plain}` : plain;
    if (Array.isArray(inner) || inner === null) continue;
    if (typeof inner !== 'object') add(name, String(inner));
    else if (depth < DEPTH_MAX) flatten(inner as object, name, depth + 1, add);
  }
}
