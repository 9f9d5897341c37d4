// One answer of the API as a component's state: loading, there, refreshed, or failed.
//
// Refreshing never flickers: the last answer stays until the next one differs from it,
// and a failed refresh leaves it in place beside the error. A hidden page asks nothing.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, ask } from './api';

export interface Resource<T> {
  data: T | undefined;
  error: ApiError | undefined;
  /** Nothing to show yet. */
  loading: boolean;
  reload(): void;
}

interface Options {
  /** Ask again after so many milliseconds. */
  every?: number;
  notFoundIsAnswer?: boolean;
}

interface State<T> {
  path: string | null;
  text?: string;
  data?: T;
  error?: ApiError;
}

/** Asks for `path` (nothing when null) and keeps asking if told so. */
export function useResource<T>(path: string | null, options: Options = {}): Resource<T> {
  const { every, notFoundIsAnswer } = options;
  const [state, setState] = useState<State<T>>({ path });
  const [round, setRound] = useState(0);
  const latest = useRef(path);
  latest.current = path;

  useEffect(() => {
    if (path === null) return;
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const load = async () => {
      const next = await answer<T>(path, stop.signal, notFoundIsAnswer);
      if (stop.signal.aborted) return;
      setState((old) => merge(old, next));
      if (every) timer = setTimeout(tick, every);
    };
    const tick = () => {
      if (!document.hidden) void load();
    };
    const shown = () => {
      if (document.hidden || !every) return;
      clearTimeout(timer);
      void load();
    };
    void load();
    document.addEventListener('visibilitychange', shown);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', shown);
    };
  }, [path, every, notFoundIsAnswer, round]);

  const reload = useCallback(() => setRound((n) => n + 1), []);
  const current = state.path === path ? state : undefined;
  return {
    data: current?.data,
    error: current?.error,
    loading: path !== null && current?.data === undefined && current?.error === undefined,
    reload,
  };
}

async function answer<T>(path: string, signal: AbortSignal, notFoundIsAnswer?: boolean): Promise<State<T>> {
  try {
    const text = await ask(path, signal, notFoundIsAnswer);
    return { path, text, data: JSON.parse(text) as T };
  } catch (error) {
    if (error instanceof ApiError) return { path, error };
    return { path, error: new ApiError(`The answer could not be read: ${String(error)}`, 0) };
  }
}

/** Keeps the very same data when nothing changed, so that nothing is drawn again. */
function merge<T>(old: State<T>, next: State<T>): State<T> {
  if (old.path !== next.path) return next;
  if (next.error) return { ...old, error: next.error };
  if (old.text === next.text && !old.error) return old;
  if (old.text === next.text) return { path: old.path, text: old.text!, data: old.data! };
  return next;
}
