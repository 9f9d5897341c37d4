package names;

import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.metrics.DoubleCounter;
import io.opentelemetry.api.metrics.DoubleGauge;
import io.opentelemetry.api.metrics.DoubleHistogram;
import io.opentelemetry.api.metrics.LongCounter;
import io.opentelemetry.api.metrics.LongUpDownCounter;
import io.opentelemetry.api.metrics.Meter;
import io.opentelemetry.exporter.otlp.http.metrics.OtlpHttpMetricExporter;
import io.opentelemetry.exporter.otlp.metrics.OtlpGrpcMetricExporter;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.metrics.Aggregation;
import io.opentelemetry.sdk.metrics.InstrumentSelector;
import io.opentelemetry.sdk.metrics.SdkMeterProvider;
import io.opentelemetry.sdk.metrics.View;
import io.opentelemetry.sdk.metrics.export.AggregationTemporalitySelector;
import io.opentelemetry.sdk.metrics.export.MetricExporter;
import io.opentelemetry.sdk.metrics.export.PeriodicMetricReader;
import io.opentelemetry.sdk.metrics.data.AggregationTemporality;
import io.opentelemetry.sdk.resources.Resource;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Every kind of instrument of the OpenTelemetry SDK for Java, sent once.
 *
 * <p>{@code Names --protocol grpc|http/protobuf --endpoint URL --temporality cumulative|delta
 * --service NAME}. Exit code 1 when anything was not delivered.
 */
public final class Names {
  /** As long as the tests wait. */
  private static final Duration PATIENCE = Duration.ofMinutes(4);

  public static void main(String[] arguments) {
    Map<String, String> options = new HashMap<>();
    for (int at = 0; at + 1 < arguments.length; at += 2) {
      options.put(arguments[at], arguments[at + 1]);
    }
    String service = options.get("--service");
    Resource resource =
        Resource.create(
            Attributes.of(
                AttributeKey.stringKey("service.name"), service,
                AttributeKey.stringKey("service.instance.id"), service + "-1"));
    SdkMeterProvider provider =
        SdkMeterProvider.builder()
            .setResource(resource)
            // The histogram of this name is exponential.
            .registerView(
                InstrumentSelector.builder().setName("names.exponential").build(),
                View.builder()
                    .setAggregation(Aggregation.base2ExponentialBucketHistogram())
                    .build())
            .registerMetricReader(
                PeriodicMetricReader.builder(exporter(options))
                    .setInterval(Duration.ofHours(1))
                    .build())
            .build();
    record(provider.get("names"));
    CompletableResultCode sent = provider.forceFlush().join(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    CompletableResultCode ended = provider.shutdown().join(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    System.exit(sent.isSuccess() && ended.isSuccess() ? 0 : 1);
  }

  private static MetricExporter exporter(Map<String, String> options) {
    String endpoint = options.get("--endpoint");
    AggregationTemporality temporality =
        AggregationTemporality.valueOf(options.get("--temporality").toUpperCase());
    AggregationTemporalitySelector selector = instrument -> temporality;
    if (options.get("--protocol").equals("grpc")) {
      return OtlpGrpcMetricExporter.builder()
          .setEndpoint(endpoint)
          .setAggregationTemporalitySelector(selector)
          .setTimeout(PATIENCE)
          .build();
    }
    return OtlpHttpMetricExporter.builder()
        .setEndpoint(endpoint + "/v1/metrics")
        .setAggregationTemporalitySelector(selector)
        .setTimeout(PATIENCE)
        .build();
  }

  private static void record(Meter meter) {
    LongCounter counter = meter.counterBuilder("names.counter").setUnit("{request}").build();
    DoubleCounter bytes = meter.counterBuilder("names.bytes").setUnit("By").ofDoubles().build();
    LongUpDownCounter upDown = meter.upDownCounterBuilder("names.up_down").setUnit("By").build();
    DoubleGauge gauge = meter.gaugeBuilder("names.gauge").setUnit("Cel").build();
    DoubleGauge share = meter.gaugeBuilder("names.share").setUnit("1").build();
    DoubleHistogram histogram =
        meter
            .histogramBuilder("names.histogram")
            .setUnit("s")
            .setExplicitBucketBoundariesAdvice(List.of(1.0, 2.0))
            .build();
    DoubleHistogram exponential =
        meter.histogramBuilder("names.exponential").setUnit("ms").build();
    meter
        .counterBuilder("names.observable.counter")
        .setUnit("s")
        .buildWithCallback(observed -> observed.record(11));
    meter
        .upDownCounterBuilder("names.observable.up_down")
        .buildWithCallback(observed -> observed.record(-12));
    meter
        .gaugeBuilder("names.observable.gauge")
        .setUnit("m/s")
        .buildWithCallback(observed -> observed.record(13));

    counter.add(1, Attributes.of(AttributeKey.stringKey("http.route"), "/a"));
    bytes.add(2);
    upDown.add(5);
    upDown.add(-2);
    gauge.set(4);
    share.set(0.5);
    for (double value : new double[] {0.5, 1.5, 6}) {
      histogram.record(value);
      exponential.record(value);
    }
  }

  private Names() {}
}
