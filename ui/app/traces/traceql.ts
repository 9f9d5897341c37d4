// Changes to a TraceQL query that a click makes, without understanding all of the language:
// the collector does that.

import { skeleton } from '../logql';
import { quoted } from '../router';

/** What is between the braces, where the query is a single pair of them. */
function inside(query: string): string | null {
  const bare = skeleton(query);
  const open = bare.indexOf('{');
  if (bare.slice(0, open).trim() || open < 0) return null;
  const close = bare.indexOf('}', open);
  if (close < 0 || bare.slice(close + 1).trim() || bare.indexOf('{', open + 1) >= 0) return null;
  return query.slice(open + 1, close).trim();
}

/** The query for those spans of it that satisfy a condition too; else for all that do. */
export function narrowed(query: string, condition: string): string {
  const own = inside(query);
  if (!own || own === 'true') return `{ ${condition} }`;
  const all = skeleton(own).includes('||') ? `(${own})` : own;
  return `{ ${all} && ${condition} }`;
}

/** `span.http.route`, with what is no plain name in quotes. */
export function field(name: string): string {
  const [, scope = '', key = name] = /^(span|resource|event|link|instrumentation)\.([^]*)$/.exec(name) ?? [];
  return `${scope}.${/^[\p{L}_][\p{L}\p{N}_.\-/]*$/u.test(key) ? key : quoted(key)}`;
}

/** That an attribute has a value, of which only the text is known. */
export function has(name: string, value: string): string {
  const text = `${field(name)} = ${quoted(value)}`;
  const isOther = value === 'true' || value === 'false' || /^-?\d{1,15}(\.\d{1,15})?$/.test(value);
  return isOther ? `(${field(name)} = ${value} || ${text})` : text;
}
