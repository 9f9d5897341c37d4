// Finding one's way in a trace: a text to find, and which spans to show. Both stand in the
// address.

import { useMemo } from 'preact/hooks';
import type { CriticalPath, Span, Trace } from '../api';
import { isError, says } from '../parts/tree';
import { hereWith, navigate, place } from '../router';

export type Only = (span: Span) => boolean;

interface ToolsProps {
  trace: Trace;
  path: CriticalPath | undefined;
  matched: ReadonlySet<string> | undefined;
}

const CHOICES = ['path', 'errors', 'matched'] as const;
type Choice = (typeof CHOICES)[number];

/** Which spans the address asks for; undefined is all of them. */
export function useOnly({ path, matched }: Omit<ToolsProps, 'trace'>): Only | undefined {
  const choice = place.value.query.get('only');
  return useMemo(() => {
    if (choice === 'errors') return isError;
    if (choice === 'matched' && matched) return (span: Span) => matched.has(span.span_id);
    if (choice === 'path' && path) {
      const ids = new Set(path.steps.map(({ span_id }) => span_id));
      return (span: Span) => ids.has(span.span_id);
    }
    return undefined;
  }, [choice, path, matched]);
}

export function Tools({ trace, path, matched }: ToolsProps) {
  const { query } = place.value;
  const text = query.get('find') ?? '';
  const found = useMemo(() => (text.trim() ? trace.spans.filter((span) => says(span, text.trim())) : []), [trace, text]);
  const at = found.findIndex(({ span_id }) => span_id === query.get('span'));
  const step = (by: number) => {
    if (found.length === 0) return;
    const next = at < 0 ? (by > 0 ? 0 : found.length - 1) : (at + by + found.length) % found.length;
    navigate(hereWith({ span: found[next]!.span_id, only: undefined }), true);
  };
  const counts: Record<Choice, number> = {
    path: new Set(path?.steps.map(({ span_id }) => span_id)).size,
    errors: trace.spans.filter(isError).length,
    matched: matched?.size ?? 0,
  };
  const choices = CHOICES.filter((choice) => counts[choice] > 0);
  const only = choices.find((choice) => choice === query.get('only'));
  return (
    <div class="line tools">
      <nav class="views" aria-label="Which spans">
        <a href={hereWith({ only: undefined })} aria-current={only ? undefined : 'page'}>All {trace.spans.length.toLocaleString('en')}</a>
        {choices.map((choice) => (
          <a key={choice} href={hereWith({ only: choice })} data-testid={`only-${choice}`} aria-current={only === choice ? 'page' : undefined}>{NAMES[choice]} {counts[choice].toLocaleString('en')}</a>
        ))}
      </nav>
      <form
        class="find"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          step(1);
        }}
      >
        <input
          data-testid="find-span"
          aria-label="Find in this trace: a name, a service, an attribute. Enter goes to the next"
          placeholder="Find in this trace"
          value={text}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => navigate(hereWith({ find: event.currentTarget.value }), true)}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || !event.shiftKey) return;
            event.preventDefault();
            step(-1);
          }}
        />
        <span class="muted small count" role="status" data-testid="find-count">{text.trim() && (found.length ? `${at < 0 ? '' : `${at + 1} of `}${found.length.toLocaleString('en')}` : 'none')}</span>
        <button type="button" disabled={found.length === 0} aria-label="The one before" onClick={() => step(-1)}>↑</button>
        <button type="submit" disabled={found.length === 0} aria-label="The next one">↓</button>
      </form>
    </div>
  );
}

const NAMES: Record<Choice, string> = { path: 'Critical path', errors: 'Errors', matched: 'Found' };
