// Places in a table: a row for each, a column for each signal, with how bad it is.

import { compact, inUnit } from '../format';
import { hereWith, to } from '../router';
import { aspectOf, heatOf, restOf, type Column, type Place } from './places';

interface PlaceTableProps {
  title: string;
  columns: Column[];
  places: Place[];
  /** The metric they are sorted by, and whether the reader may choose another. */
  sort?: string | undefined;
  sortable?: boolean;
  /** The one whose details stand below; elsewhere a row leads to its page. */
  open?: Place | undefined;
  scope?: string;
}

export function PlaceTable({ title, columns, places, sort, sortable = false, open, scope = 'node' }: PlaceTableProps) {
  const href = (place: Place) => (sortable ? hereWith({ of: place === open ? undefined : place.name }) : to.place(scope, place.name));
  return (
    <div class="scroll">
      <table class="list places">
        <thead>
          <tr>
            <th scope="col">{title}</th>
            {columns.map((column) => {
              const head = <><span>{named(column.resource)}</span> {headed(column)}</>;
              return (
                <th key={column.metric} scope="col" class="number" aria-sort={sort === column.metric ? 'descending' : undefined} title={`${column.help}\n${column.metric}`}>
                  {sortable ? <a class="quiet-link" href={hereWith({ sort: column.metric })}>{head}</a> : head}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>
          {places.map((place) => (
            <tr key={place.name} data-testid="place-row" class={place === open ? 'chosen-row' : ''}>
              <th scope="row"><a href={href(place)} aria-expanded={sortable ? place === open : undefined}>{place.name || 'this node'}</a></th>
              {columns.map((column) => <Cell key={column.metric} {...{ place, column }} />)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Cell({ place, column: { metric, unit } }: { place: Place; column: Column }) {
  const signal = place.cells.get(metric);
  if (!signal) return <td class="number muted">–</td>;
  return (
    <td class={`number ${heatOf(signal)}`} title={restOf(signal.labels).join(' ')}>
      {shownValue(signal)}
      {unit === 'ratio' && <i class="under-bar" style={{ width: `${Math.min(1, signal.value ?? 0) * 100}%` }} />}
    </td>
  );
}

/** A load is a number of tasks to a processor, not a share. */
export const shownValue = ({ metric, unit, value }: { metric: string; unit: string; value: number | null }): string =>
  (metric.includes('_load:') ? compact(value) : inUnit(value, unit));

export const named = (resource: string): string => (resource === 'cpu' ? 'CPU' : resource);

const WORDS: Record<string, string> = { utilization: 'busy', saturation: 'waits', errors: 'errors' };

function headed(column: Column): string {
  const aspect = aspectOf(column);
  return aspect && column.method !== 'errors' ? aspect : WORDS[column.method] ?? column.method;
}
