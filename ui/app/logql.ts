// Changes to a LogQL query that a click makes, without understanding all of the language:
// the collector does that. Only strings, comments and the first selector are recognised, so
// a query that is wrong stays wrong and nothing in it is lost.

export type Op = '=' | '!=';

/** A text as it stands in a query: JSON's escapes are among LogQL's. */
export const literal = (value: string): string => JSON.stringify(value);

export const selector = (name: string, value: string): string => `{${name}=${literal(value)}}`;

/** The query with strings and comments blanked, so that what is left is structure. */
export function skeleton(query: string): string {
  return query.replace(/"(?:[^"\\\n]|\\.)*"?|`[^`]*`?|#[^\n]*/g, (text) => ' '.repeat(text.length));
}

interface Matcher {
  name: string;
  op: string;
  value: string;
}

interface Selector {
  /** Where the braces stand. */
  open: number;
  close: number;
  /** Null where what is between them cannot be read. */
  matchers: Matcher[] | null;
}

function selectorOf(query: string): Selector | null {
  const bare = skeleton(query);
  const open = bare.indexOf('{');
  const close = bare.indexOf('}', open);
  if (open < 0 || close < 0) return null;
  return { open, close, matchers: matchersOf(query.slice(open + 1, close)) };
}

function matchersOf(inside: string): Matcher[] | null {
  const one = /\s*([A-Za-z_][\w.]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\\n]|\\.)*"|`[^`]*`)\s*(?:,|$)/y;
  const found: Matcher[] = [];
  while (one.lastIndex < inside.trimEnd().length) {
    const match = one.exec(inside);
    if (!match) return null;
    found.push({ name: match[1]!, op: match[2]!, value: match[3]! });
  }
  return found;
}

/** Whether two texts in quotes mean the same. */
const means = (quoted: string, value: string): boolean => quoted === literal(value) || quoted === `\`${value}\``;

function withMatchers(query: string, { open, close }: Selector, matchers: Matcher[]): string {
  const inside = matchers.map(({ name, op, value }) => `${name}${op}${value}`).join(', ');
  return query.slice(0, open + 1) + inside + query.slice(close);
}

/** The query for streams whose label is, or is not, a value. */
export function withMatcher(query: string, name: string, op: Op, value: string): string {
  const added = { name, op, value: literal(value) };
  const found = selectorOf(query);
  if (!found) return query.trim() ? query : `{${name}${op}${literal(value)}}`;
  if (!found.matchers) {
    return `${query.slice(0, found.close)}, ${name}${op}${literal(value)}${query.slice(found.close)}`;
  }
  // One value replaces another; what is left out and what is wanted cannot be the same.
  const others = found.matchers.filter((own) => own.name !== name
    || (op === '=' ? own.op !== '=' && !(own.op === '!=' && means(own.value, value)) : !means(own.value, value)));
  return withMatchers(query, found, [...others, added]);
}

export function hasMatcher(query: string, name: string, op: Op, value: string): boolean {
  const matchers = selectorOf(query)?.matchers ?? [];
  return matchers.some((own) => own.name === name && own.op === op && means(own.value, value));
}

export function withoutMatcher(query: string, name: string, op: Op, value: string): string {
  const found = selectorOf(query);
  if (!found?.matchers) return query;
  return withMatchers(query, found, found.matchers.filter((own) => !(own.name === name && own.op === op && means(own.value, value))));
}

/** The query with one more stage. A comment at the end must not swallow it. */
export function withStage(query: string, stage: string): string {
  const base = query.trim() || '{}';
  return base + (base.includes('#') ? '\n' : ' ') + stage;
}

/** The stage where it is the whole of one, with the blanks before it. */
const stagePattern = (stage: string): RegExp =>
  new RegExp(`\\s*${stage.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?=\\s*(?:\\||$))`, 'g');

export const hasStage = (query: string, stage: string): boolean => stagePattern(stage).test(query);

export const withoutStage = (query: string, stage: string): string => query.replace(stagePattern(stage), '');

/** The query with a parser, unless it has it. */
export function withParser(query: string, parser: string | undefined): string {
  if (!parser || new RegExp(`\\|\\s*${parser}\\b`).test(skeleton(query))) return query;
  return withStage(query, `| ${parser}`);
}

export const fieldStage = (name: string, op: Op, value: string): string => `| ${name}${op}${literal(value)}`;

/** The query for lines whose field is, or is not, a value. */
export function withField(query: string, name: string, op: Op, value: string, parser?: string): string {
  const turned = withoutStage(query, fieldStage(name, op === '=' ? '!=' : '=', value));
  const stage = fieldStage(name, op, value);
  return hasStage(turned, stage) ? turned : withStage(withParser(turned, parser), stage);
}

/** How many lines of the query there were in each `period`, by some labels. */
export function counted(query: string, by: string[], period: string): string {
  return `sum by (${by.join(', ')}) (count_over_time(${query.trim() || '{}'}\n[${period}]))`;
}

/** The selector of one stream. Lines of all levels belong together, so that label is left out. */
export function streamSelector(labels: Record<string, string>): string {
  const matchers = Object.entries(labels).filter(([name]) => name !== 'level' && name !== 'detected_level');
  return `{${matchers.map(([name, value]) => `${name}=${literal(value)}`).join(', ')}}`;
}

/** The texts that the line filters of the query look for. */
export function sought(query: string): string[] {
  const bare = skeleton(query);
  const found: string[] = [];
  for (const { index } of bare.matchAll(/\|=/g)) {
    const match = /^\|=\s*("(?:[^"\\\n]|\\.)*"|`[^`]+`)/.exec(query.slice(index));
    const text = match && unquoted(match[1]!);
    if (text) found.push(text);
  }
  return found;
}

function unquoted(text: string): string {
  if (text.startsWith('`')) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch {
    return '';
  }
}

export interface Mistake {
  message: string;
  /** The line of the query it is in, and how many characters stand before it. */
  shown?: string;
  before?: number;
}

/** `parse error at line 1, col 2: …`, as Loki's API says it, or `1:2: …`, as the native one. */
const PLACED = /^(?:parse error at line (\d+), col(?:umn)? (\d+): )?(?:(\d+):(\d+): )?(.*)/;

/** What the collector says is wrong with a query, and where. */
export function mistake(query: string, message: string): Mistake {
  const [, line, column, ownLine = line, ownColumn = column, why = ''] = PLACED.exec(message) ?? [];
  if (ownLine === undefined) return { message };
  const shown = query.split('\n')[Number(ownLine) - 1];
  return shown === undefined ? { message: why } : { message: why, shown, before: Number(ownColumn) - 1 };
}
