// Where a service runs, as its lines and spans say, and how busy that is.

import { withQuery, type UseSignal } from '../api';
import { placeOf, type Scope } from '../nodes/places';
import { useResource } from '../resource';
import { quoted, spansOf } from '../router';

interface Values {
  tagValues: { value: string }[];
}

interface Series {
  data: Record<string, string>[];
}

const NODE = ['host_name', 'k8s_node_name'];
const POD = 'k8s_pod_name';

/** The names of the nodes and pods; undefined as long as nobody has answered. */
export function usePlaces(service: string): { nodes: Set<string>; pods: Set<string> } | undefined {
  const lines = useResource<Series>(withQuery('/loki/api/v1/series', { 'match[]': `{service_name=${quoted(service)}}`, since: '1h' }));
  const q = spansOf(service);
  const hosts = useResource<Values>(withQuery('/tempo/api/v2/search/tag/resource.host.name/values', { q }));
  const pods = useResource<Values>(withQuery('/tempo/api/v2/search/tag/resource.k8s.pod.name/values', { q }));
  if (!lines.data && !hosts.data && !pods.data) return undefined;
  const series = lines.data?.data ?? [];
  const named = (labels: string[]) => series.flatMap((one) => labels.map((label) => one[label] ?? '')).filter(Boolean);
  const values = (of: Values | undefined) => (of?.tagValues ?? []).map(({ value }) => value);
  return {
    nodes: new Set([...named(NODE), ...values(hosts.data)]),
    pods: new Set([...named([POD]), ...values(pods.data)]),
  };
}

/** The signals of those of a scope that have one of the names. */
export function useSignals(scope: Scope, names: Set<string> | undefined): UseSignal[] {
  const path = names?.size ? withQuery('/signals/use', { scope, start: '-1h' }) : null;
  const { data } = useResource<{ signals: UseSignal[] }>(path, { every: 30_000 });
  return (data?.signals ?? []).filter(({ labels }) => names?.has(scope === 'node' ? placeOf(labels) : labels['pod'] ?? ''));
}
