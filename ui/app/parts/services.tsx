// The services known, each a link into a search.

import type { Service } from '../api';
import { useResource } from '../resource';

export function ServiceLinks({ href }: { href: (name: string) => string }) {
  const { data } = useResource<{ services: Service[] }>('/services');
  return (
    <span class="line">
      {data?.services.slice(0, 40).map(({ name }) => <a key={name} class="chip" href={href(name)}><span class="chip-value">{name}</span></a>)}
    </span>
  );
}
