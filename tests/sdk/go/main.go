// Every kind of instrument of the OpenTelemetry SDK for Go, sent once.
//
//	go run . --protocol grpc|http/protobuf --endpoint URL --temporality cumulative|delta
//	         --service NAME
//
// Exit code 1 when anything was not delivered.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// As long as the tests wait.
const patience = 4 * time.Minute

func main() {
	protocol := flag.String("protocol", "grpc", "grpc or http/protobuf")
	endpoint := flag.String("endpoint", "", "where to send to")
	temporality := flag.String("temporality", "cumulative", "cumulative or delta")
	service := flag.String("service", "names-go", "service.name")
	flag.Parse()
	if err := run(*protocol, *endpoint, *temporality, *service); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(protocol, endpoint, temporality, service string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	exporter, err := exporter(ctx, protocol, endpoint, temporality)
	if err != nil {
		return err
	}
	from := resource.NewSchemaless(
		attribute.String("service.name", service),
		attribute.String("service.instance.id", service+"-1"),
	)
	// The histogram of this name is exponential.
	exponential := sdk.NewView(
		sdk.Instrument{Name: "names.exponential"},
		sdk.Stream{Aggregation: sdk.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}},
	)
	reader := sdk.NewPeriodicReader(exporter, sdk.WithInterval(time.Hour), sdk.WithTimeout(patience))
	provider := sdk.NewMeterProvider(sdk.WithResource(from), sdk.WithView(exponential), sdk.WithReader(reader))
	err = record(ctx, provider.Meter("names"))
	return errors.Join(err, provider.ForceFlush(ctx), provider.Shutdown(ctx))
}

func exporter(ctx context.Context, protocol, endpoint, temporality string) (sdk.Exporter, error) {
	place := strings.TrimPrefix(endpoint, "http://")
	of := func(sdk.InstrumentKind) metricdata.Temporality {
		if temporality == "delta" {
			return metricdata.DeltaTemporality
		}
		return metricdata.CumulativeTemporality
	}
	if protocol == "grpc" {
		return otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(place), otlpmetricgrpc.WithInsecure(),
			otlpmetricgrpc.WithTemporalitySelector(of), otlpmetricgrpc.WithTimeout(patience))
	}
	return otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(place), otlpmetrichttp.WithInsecure(),
		otlpmetrichttp.WithTemporalitySelector(of), otlpmetrichttp.WithTimeout(patience))
}

func record(ctx context.Context, meter metric.Meter) error {
	counter, e1 := meter.Int64Counter("names.counter", metric.WithUnit("{request}"))
	bytes, e2 := meter.Float64Counter("names.bytes", metric.WithUnit("By"))
	upDown, e3 := meter.Int64UpDownCounter("names.up_down", metric.WithUnit("By"))
	gauge, e4 := meter.Float64Gauge("names.gauge", metric.WithUnit("Cel"))
	ratio, e5 := meter.Float64Gauge("names.share", metric.WithUnit("1"))
	histogram, e6 := meter.Float64Histogram("names.histogram", metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(1, 2))
	exponential, e7 := meter.Float64Histogram("names.exponential", metric.WithUnit("ms"))
	_, e8 := meter.Int64ObservableCounter("names.observable.counter", metric.WithUnit("s"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(11)
			return nil
		}))
	_, e9 := meter.Int64ObservableUpDownCounter("names.observable.up_down",
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(-12)
			return nil
		}))
	_, e10 := meter.Float64ObservableGauge("names.observable.gauge", metric.WithUnit("m/s"),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(13)
			return nil
		}))
	if err := errors.Join(e1, e2, e3, e4, e5, e6, e7, e8, e9, e10); err != nil {
		return err
	}
	counter.Add(ctx, 1, metric.WithAttributes(attribute.String("http.route", "/a")))
	bytes.Add(ctx, 2)
	upDown.Add(ctx, 5)
	upDown.Add(ctx, -2)
	gauge.Record(ctx, 4)
	ratio.Record(ctx, 0.5)
	for _, value := range []float64{0.5, 1.5, 6} {
		histogram.Record(ctx, value)
		exponential.Record(ctx, value)
	}
	return nil
}
