// What stands where no service has sent anything yet.

import { Empty } from '../parts/state';

export function NoServices() {
  return (
    <Empty>
      <p><strong>No service has sent spans yet.</strong></p>
      <p>Point an OpenTelemetry SDK here and the first request shows up within seconds:</p>
      <pre>OTEL_EXPORTER_OTLP_ENDPOINT=http://{window.location.hostname}:4317</pre>
    </Empty>
  );
}
