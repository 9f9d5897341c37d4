// A page that is loaded only when somebody goes to it.

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../api';
import { ErrorBanner, Loading } from './state';

interface LateProps<P> {
  load: () => Promise<ComponentType<P>>;
  of: P;
}

export function Late<P extends object>({ load, of }: LateProps<P>) {
  const [loaded, setLoaded] = useState<{ from: unknown; Page: ComponentType<P> } | null>(null);
  const [failed, setFailed] = useState<unknown>(null);
  useEffect(() => {
    let isHere = true;
    load().then((Page) => isHere && setLoaded({ from: load, Page }), () => isHere && setFailed(() => load));
    return () => {
      isHere = false;
    };
  }, [load]);
  // The page before is not this one, however long this one takes.
  if (loaded?.from === load) return <loaded.Page {...of} />;
  // A newer collector has other files: the frame around the page must be its own too.
  if (failed === load) return <ErrorBanner error={new ApiError('The page could not be loaded. The collector may be another one now.', 0)} retry={() => window.location.reload()} />;
  return <Loading what="the page" />;
}
