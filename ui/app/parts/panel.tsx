// A titled box, and the page's own title.

import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';

interface PanelProps {
  title: ComponentChildren;
  aside?: ComponentChildren;
  testid?: string;
  class?: string;
  children: ComponentChildren;
}

export function Panel({ title, aside, testid, class: extra, children }: PanelProps) {
  return (
    <section class={extra ? `panel ${extra}` : 'panel'} data-testid={testid}>
      <header>
        <h2>{title}</h2>
        {aside && <div class="aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** Names the browser's tab. */
export function useTitle(title: string) {
  useEffect(() => {
    document.title = title ? `${title} · Sonde` : 'Sonde';
  }, [title]);
}
