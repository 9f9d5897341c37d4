package shop;

import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.trace.data.SpanData;
import io.opentelemetry.sdk.trace.export.SpanExporter;
import java.util.Collection;
import java.util.concurrent.atomic.AtomicLong;

/** The SDK's own exporter, with what it takes and gets acknowledged counted. */
final class Counted implements SpanExporter {
  final AtomicLong spans = new AtomicLong();
  final AtomicLong acknowledged = new AtomicLong();
  private final SpanExporter inner;

  Counted(SpanExporter inner) {
    this.inner = inner;
  }

  @Override
  public CompletableResultCode export(Collection<SpanData> batch) {
    int size = batch.size();
    spans.addAndGet(size);
    CompletableResultCode result = inner.export(batch);
    return result.whenComplete(
        () -> {
          if (result.isSuccess()) {
            acknowledged.addAndGet(size);
          }
        });
  }

  @Override
  public CompletableResultCode flush() {
    return inner.flush();
  }

  @Override
  public CompletableResultCode shutdown() {
    return inner.shutdown();
  }
}
