package shop;

import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.api.trace.propagation.W3CTraceContextPropagator;
import io.opentelemetry.context.Context;
import io.opentelemetry.context.Scope;
import io.opentelemetry.context.propagation.ContextPropagators;
import io.opentelemetry.context.propagation.TextMapPropagator;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.instrumentation.grpc.v1_6.GrpcTelemetry;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import shop.proto.Order;
import shop.proto.Receipt;

/**
 * The payment of the shop: gRPC in, with the instrumentation that OpenTelemetry has for it, HTTP
 * out and a span of its own by hand.
 *
 * <p>OTEL_* as the specification says; SHIPPING is host:port of whom it calls. Prints {@code
 * listening HOST:PORT}, serves until its standard input ends, then prints one JSON line of what it
 * sent: spans, and how many of them were acknowledged.
 */
public final class Payment {
  /** What the service definition says of `Charge`. */
  private static final MethodDescriptor<Order, Receipt> CHARGE =
      MethodDescriptor.<Order, Receipt>newBuilder()
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName(MethodDescriptor.generateFullMethodName("shop.Payment", "Charge"))
          .setRequestMarshaller(ProtoUtils.marshaller(Order.getDefaultInstance()))
          .setResponseMarshaller(ProtoUtils.marshaller(Receipt.getDefaultInstance()))
          .build();

  private static final Duration SLOW = Duration.ofMillis(400);

  private final Tracer tracer;
  private final TextMapPropagator propagator;
  private final HttpClient http =
      HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
  private final String shipping = System.getenv("SHIPPING");

  private Payment(OpenTelemetrySdk telemetry) {
    tracer = telemetry.getTracer("payment");
    propagator = telemetry.getPropagators().getTextMapPropagator();
  }

  private ServerServiceDefinition service() {
    return ServerServiceDefinition.builder("shop.Payment")
        .addMethod(CHARGE, ServerCalls.asyncUnaryCall(this::charge))
        .build();
  }

  private void charge(Order order, StreamObserver<Receipt> answer) {
    try {
      chargeCard(order);
      answer.onNext(Receipt.newBuilder().setParcel(ship(order)).build());
      answer.onCompleted();
    } catch (StatusException refused) {
      answer.onError(refused);
    } catch (IOException | InterruptedException failed) {
      answer.onError(Status.INTERNAL.withDescription(failed.toString()).asException());
    }
  }

  /** Some cards are refused, and some banks are slow. */
  private void chargeCard(Order order) throws StatusException, InterruptedException {
    Span span = tracer.spanBuilder("charge card").startSpan();
    try (Scope scope = span.makeCurrent()) {
      span.setAttribute("order.number", order.getNumber());
      span.setAttribute("request.id", order.getRequestId());
      if (order.getNumber() % 10 == 5) {
        throw new IllegalStateException("the card is refused");
      }
      if (order.getNumber() % 10 == 9) {
        Thread.sleep(SLOW.toMillis());
      }
    } catch (IllegalStateException refused) {
      span.recordException(refused);
      span.setStatus(StatusCode.ERROR, refused.getMessage());
      throw Status.FAILED_PRECONDITION.withDescription(refused.getMessage()).asException();
    } finally {
      span.end();
    }
  }

  /** Calls by hand what nothing instruments: a span, and its context in the headers. */
  private String ship(Order order) throws IOException, InterruptedException, StatusException {
    Span span =
        tracer
            .spanBuilder("POST /parcels")
            .setSpanKind(SpanKind.CLIENT)
            .setAttribute("http.request.method", "POST")
            .setAttribute("server.address", shipping)
            .startSpan();
    try (Scope scope = span.makeCurrent()) {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create("http://" + shipping + "/parcels"))
              .header("x-request-id", order.getRequestId())
              .POST(HttpRequest.BodyPublishers.ofString(Integer.toString(order.getNumber())));
      propagator.inject(Context.current(), request, HttpRequest.Builder::setHeader);
      HttpResponse<String> parcel =
          http.send(request.build(), HttpResponse.BodyHandlers.ofString());
      span.setAttribute("http.response.status_code", parcel.statusCode());
      if (parcel.statusCode() != 200) {
        span.setStatus(StatusCode.ERROR);
        throw Status.UNAVAILABLE.withDescription(parcel.body()).asException();
      }
      return parcel.body();
    } finally {
      span.end();
    }
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    Counted sent =
        new Counted(
            OtlpGrpcSpanExporter.builder()
                .setEndpoint(System.getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
                .build());
    long delay = Long.parseLong(System.getenv("OTEL_BSP_SCHEDULE_DELAY"));
    SdkTracerProvider traces =
        SdkTracerProvider.builder()
            .setResource(
                Resource.getDefault()
                    .merge(
                        Resource.create(
                            Attributes.of(
                                AttributeKey.stringKey("service.name"),
                                System.getenv("OTEL_SERVICE_NAME")))))
            .addSpanProcessor(
                BatchSpanProcessor.builder(sent)
                    .setScheduleDelay(delay, TimeUnit.MILLISECONDS)
                    .build())
            .build();
    OpenTelemetrySdk telemetry =
        OpenTelemetrySdk.builder()
            .setTracerProvider(traces)
            .setPropagators(ContextPropagators.create(W3CTraceContextPropagator.getInstance()))
            .build();
    Server server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", 0))
            .intercept(GrpcTelemetry.create(telemetry).createServerInterceptor())
            .addService(new Payment(telemetry).service())
            .build()
            .start();
    System.out.println("listening 127.0.0.1:" + server.getPort());

    System.in.transferTo(OutputStream.nullOutputStream());
    server.shutdownNow().awaitTermination();
    traces.shutdown().join(60, TimeUnit.SECONDS);
    System.out.printf(
        "{\"spans\": %d, \"spans_acknowledged\": %d}%n",
        sent.spans.get(), sent.acknowledged.get());
    System.exit(0);
  }
}
