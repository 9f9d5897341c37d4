// A page that is loaded only when somebody goes to it.

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../api';
import { ErrorBanner, Loading } from './state';

export function Late({ load }: { load: () => Promise<ComponentType> }) {
  const [Page, setPage] = useState<ComponentType | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let isHere = true;
    load().then((page) => isHere && setPage(() => page), () => isHere && setFailed(true));
    return () => {
      isHere = false;
    };
  }, [load]);
  if (Page) return <Page />;
  // A newer collector has other files: the frame around the page must be its own too.
  if (failed) return <ErrorBanner error={new ApiError('The page could not be loaded. The collector may be another one now.', 0)} retry={() => window.location.reload()} />;
  return <Loading what="the page" />;
}
