// What stands where an answer is not yet, not at all, or not any more.

import type { ComponentChildren } from 'preact';
import type { ApiError } from '../api';
import type { Resource } from '../resource';

export function Loading({ what }: { what: string }) {
  return <p class="loading" role="status">Loading {what}…</p>;
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="empty">{children}</div>;
}

/** An error, in the server's words; parse errors keep their caret line. */
export function ErrorBanner({ error, stale, retry }: { error: ApiError; stale?: boolean; retry?: () => void }) {
  return (
    <div class={stale ? 'banner stale' : 'banner'} role="alert" data-testid="error-banner">
      <pre>{stale ? `Not refreshed: ${error.message}` : error.message}</pre>
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

/** The answer when there is one, otherwise why not. */
export function Answer<T>({ of, what, children }: { of: Resource<T>; what: string; children: (data: T) => ComponentChildren }) {
  return (
    <>
      {of.error && <ErrorBanner error={of.error} stale={of.data !== undefined} retry={of.reload} />}
      {of.loading && <Loading what={what} />}
      {of.data !== undefined && children(of.data)}
    </>
  );
}
