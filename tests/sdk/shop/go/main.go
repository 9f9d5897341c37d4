// The checkout of the shop: gRPC in, gRPC and HTTP out, with the instrumentation that
// OpenTelemetry has for both.
//
// OTEL_* as the specification says; CART and PAYMENT are host:port of whom it calls. Prints
// `listening HOST:PORT`, serves until its standard input ends, then prints one JSON line of what
// it sent: spans, and how many of them were acknowledged.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"sonde.test/shop/pb"
)

// counted is the SDK's own exporter, with what it takes and gets acknowledged counted.
type counted struct {
	sdk.SpanExporter
	spans, acknowledged atomic.Int64
}

func (c *counted) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	c.spans.Add(int64(len(spans)))
	err := c.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		c.acknowledged.Add(int64(len(spans)))
	}
	return err
}

// checkout reads the cart and has it paid.
type checkout struct {
	pb.UnimplementedCheckoutServer
	cart    string
	http    http.Client
	payment pb.PaymentClient
}

func (c *checkout) Place(ctx context.Context, order *pb.Order) (*pb.Receipt, error) {
	if err := c.readCart(ctx, order); err != nil {
		return nil, err
	}
	// What payment says is passed on as it is.
	return c.payment.Charge(ctx, order)
}

func (c *checkout) readCart(ctx context.Context, order *pb.Order) error {
	url := fmt.Sprintf("http://%s/carts/%d", c.cart, order.Number)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	request.Header.Set("x-request-id", order.RequestId)
	answer, err := c.http.Do(request)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return status.Error(codes.NotFound, "there is no such cart")
	case answer.StatusCode != http.StatusOK:
		return status.Error(codes.Internal, "the cart cannot be read")
	}
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "checkout:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	exporter, err := otlptracegrpc.New(ctx)
	if err != nil {
		return err
	}
	sent := &counted{SpanExporter: exporter}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(sent))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.TraceContext{})

	payment, err := grpc.NewClient(os.Getenv("PAYMENT"),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler()))
	if err != nil {
		return err
	}
	defer payment.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler()))
	pb.RegisterCheckoutServer(server, &checkout{
		cart:    os.Getenv("CART"),
		http:    http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)},
		payment: pb.NewPaymentClient(payment),
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Println("listening", listener.Addr())

	_, _ = io.Copy(io.Discard, os.Stdin)
	server.Stop()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	err = errors.Join(<-served, provider.Shutdown(ctx))
	return errors.Join(err, json.NewEncoder(os.Stdout).Encode(map[string]int64{
		"spans": sent.spans.Load(), "spans_acknowledged": sent.acknowledged.Load(),
	}))
}
