// The box that takes any ID; one on every page.

import { useEffect, useRef, useState } from 'preact/hooks';
import { navigate, to } from '../router';

export function LookupBox({ compact = false, id = '' }: { compact?: boolean; id?: string }) {
  const [text, setText] = useState(id);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(id), [id]);
  useEffect(() => {
    if (!compact && !id) input.current?.focus({ preventScroll: true });
  }, []);
  return (
    <form
      class={compact ? 'lookup compact' : 'lookup'}
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) navigate(to.lookup(text.trim()));
      }}
    >
      <input
        ref={input}
        data-testid="lookup-input"
        aria-label="Request, trace or span ID, or pod"
        placeholder={compact ? 'Any ID…   /' : 'A request ID, trace ID, span ID or pod'}
        value={text}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {!compact && <button type="submit" class="primary">Look up</button>}
    </form>
  );
}
