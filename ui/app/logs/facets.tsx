// What one could filter by: labels and fields, each opening to its most frequent values.

import { useState } from 'preact/hooks';
import { withQuery } from '../api';
import { compact } from '../format';
import { counted, fieldStage, hasMatcher, hasStage, withField, withMatcher, withoutMatcher, withoutStage, withParser, withStage, type Op } from '../logql';
import { cutOf, levelNamed, type DetectedField, type VectorAnswer } from '../loki';
import { Panel } from '../parts/panel';
import { useResource } from '../resource';
import { duration, nanos, type Period } from './period';
import type { Narrow } from './table';

const VALUES = 8;
const SHOWN = 40;
/** Labels that stand first, and open. */
const FIRST = ['level', 'detected_level', 'service_name'];

interface FacetsProps {
  query: string;
  period: Period;
  narrow: Narrow;
}

/** How a facet's filters come into a query, and out of it. */
interface Kind {
  has(query: string, op: Op, value: string): boolean;
  add(query: string, op: Op, value: string): string;
  remove(query: string, op: Op, value: string): string;
  /** The query whose lines have the values. */
  over(query: string): string;
}

const label = (name: string): Kind => ({
  has: (query, op, value) => hasMatcher(query, name, op, value),
  add: (query, op, value) => withMatcher(query, name, op, value),
  remove: (query, op, value) => withoutMatcher(query, name, op, value),
  over: (query) => query,
});

const field = (name: string, parser: string | undefined): Kind => ({
  has: (query, op, value) => hasStage(query, fieldStage(name, op, value)),
  add: (query, op, value) => withField(query, name, op, value, parser),
  remove: (query, op, value) => withoutStage(query, fieldStage(name, op, value)),
  over: (query) => (parser ? withStage(withParser(query, parser), '| __error__=""') : query),
});

export function Facets({ query, period, narrow }: FacetsProps) {
  const asked = { query: query || '{}', start: nanos(period.from), end: nanos(period.until) };
  const labels = useResource<{ detectedLabels: { label: string; cardinality: number }[] | null }>(withQuery('/loki/api/v1/detected_labels', asked));
  const fields = useResource<{ fields: DetectedField[] | null }>(withQuery('/loki/api/v1/detected_fields', { ...asked, limit: 200 }));
  const foundLabels = byName(labels.data?.detectedLabels ?? []);
  const names = new Set(foundLabels.map((one) => one.label));
  // A field that repeats a label is that label, so labels must be known first.
  const hasLevel = names.has('level');
  const isKnown = labels.data !== undefined || labels.error !== undefined;
  const foundFields = byName((isKnown && fields.data?.fields || []).filter((one) => !names.has(one.label) && !(hasLevel && one.label === 'detected_level')));
  return (
    <Panel title="Labels" class="facets" testid="facets">
      {labels.error && <p class="hot small">{labels.error.message}</p>}
      {foundLabels.slice(0, SHOWN).map((one) => (
        <Facet key={one.label} name={one.label} cardinality={one.cardinality} kind={label(one.label)} {...{ query, period, narrow }} />
      ))}
      {labels.data && foundLabels.length === 0 && <p class="muted small">None in this time.</p>}
      {labels.loading && <p class="loading small" role="status">Loading…</p>}
      <h2>Fields</h2>
      {fields.error && <p class="hot small">{fields.error.message}</p>}
      {foundFields.slice(0, SHOWN).map((one) => (
        <Facet key={one.label} name={one.label} cardinality={one.cardinality} kind={field(one.label, one.parsers?.[0])} {...{ query, period, narrow }} />
      ))}
      {(fields.loading || !isKnown) && <p class="loading small" role="status">Loading…</p>}
      {isKnown && fields.data && foundFields.length === 0 && <p class="muted small">None in the newest lines.</p>}
      {foundFields.length > SHOWN && <p class="muted small">And {foundFields.length - SHOWN} more: ask for them by name.</p>}
    </Panel>
  );
}

function byName<T extends { label: string }>(all: T[]): T[] {
  const rank = ({ label }: T) => (FIRST.includes(label) ? FIRST.indexOf(label) : FIRST.length);
  return [...all].sort((a, b) => rank(a) - rank(b) || a.label.localeCompare(b.label));
}

interface FacetProps extends FacetsProps {
  name: string;
  cardinality: number;
  kind: Kind;
}

function Facet({ name, cardinality, ...rest }: FacetProps) {
  const [open, setOpen] = useState(FIRST.includes(name));
  return (
    <div class="facet">
      <button type="button" class="facet-name" aria-expanded={open} data-testid={`facet-${name}`} onClick={() => setOpen(!open)}>
        <span>{name}</span>
        <span class="muted">{compact(cardinality)}</span>
      </button>
      {open && <Values name={name} {...rest} />}
    </div>
  );
}

function Values({ name, query, period, narrow, kind }: Omit<FacetProps, 'cardinality'>) {
  const over = counted(kind.over(query), [name], duration(Math.max(1, period.until - period.from)));
  const answer = useResource<VectorAnswer>(withQuery('/loki/api/v1/query', { query: `topk(${VALUES}, ${over})`, time: nanos(period.until) }));
  if (answer.error) return <p class="hot small" role="alert">{answer.error.message}</p>;
  if (!answer.data) return <p class="loading small" role="status">Counting…</p>;
  const values = answer.data.data.result
    .map(({ metric, value }): [string, number] => [metric[name] ?? '', Number(value[1])])
    .sort((a, b) => b[1] - a[1]);
  const most = Math.max(1, ...values.map(([, count]) => count));
  const cut = cutOf(answer.data);
  return (
    <ul class="facet-values">
      {cut && <li class="note small" title={cut}>Counted in part</li>}
      {values.map(([value, count]) => <FacetValue key={value} {...{ name, value, count, most, kind, query, narrow }} />)}
      {values.length === 0 && <li class="muted small">No values.</li>}
    </ul>
  );
}

interface FacetValueProps {
  name: string;
  value: string;
  count: number;
  most: number;
  kind: Kind;
  query: string;
  narrow: Narrow;
}

function FacetValue({ name, value, count, most, kind, query, narrow }: FacetValueProps) {
  const wanted = kind.has(query, '=', value);
  const shown = value || '(none)';
  const tone = name === 'level' || name === 'detected_level' ? `lvl-${levelNamed(value)}` : '';
  return (
    <li class={`${tone} ${wanted ? 'wanted' : ''}`}>
      <a
        class="facet-value"
        data-testid="facet-value"
        aria-current={wanted ? 'true' : undefined}
        title={wanted ? `${name}: ${shown}. Take this filter away` : `Only lines with ${name}: ${shown}`}
        href={narrow((now) => (wanted ? kind.remove(now, '=', value) : kind.add(now, '=', value)))}
      >
        <i style={{ width: `${(count / most) * 100}%` }} />
        <span class="text">{shown}</span>
        <span class="count">{compact(count)}</span>
      </a>
      <a class="without" href={narrow((now) => kind.add(now, '!=', value))} title={`Lines without ${name}: ${shown}`} aria-label={`Lines without ${name}: ${shown}`}>≠</a>
    </li>
  );
}
