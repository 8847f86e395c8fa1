import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.Recorder;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.PulsarClient;

/**
 * Sends one message again and again, with the settings of `pulsar-perf produce`.
 *
 * Arguments: the broker's URL, the topic, messages a second (0: as many as go), seconds that do not count,
 * seconds that do, a file with the body, a file with the properties, one `key=value` a line. The event time
 * of a message is when it was due, in microseconds since 1970. Prints one line of JSON.
 */
public final class Produce {
    private static final long LONGEST_MICROS = TimeUnit.MINUTES.toMicros(5);

    private final LongAdder acknowledged = new LongAdder();
    private final Recorder recorder = new Recorder(LONGEST_MICROS, 3);
    private final ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
    private long sent;

    public static void main(String[] arguments) throws Exception {
        String url = arguments[0], topic = arguments[1];
        double rate = Double.parseDouble(arguments[2]);
        long warm = nanos(arguments[3]), span = nanos(arguments[4]);
        byte[] body = Files.readAllBytes(Path.of(arguments[5]));
        Map<String, String> properties = properties(Files.readAllLines(Path.of(arguments[6])));
        try (PulsarClient client = PulsarClient.builder().serviceUrl(url).build();
                Producer<byte[]> producer = producer(client, topic)) {
            new Produce().run(producer, rate, warm, span, body, properties);
        }
        // Threads of the libraries below would keep the program.
        System.exit(0);
    }

    private static long nanos(String seconds) {
        return (long) (Double.parseDouble(seconds) * 1e9);
    }

    private static Map<String, String> properties(List<String> lines) {
        Map<String, String> properties = new TreeMap<>();
        for (String line : lines) {
            int equals = line.indexOf('=');
            properties.put(line.substring(0, equals), line.substring(equals + 1));
        }
        return properties;
    }

    /** The defaults of `pulsar-perf produce`; what is not named here it leaves to the client. */
    private static Producer<byte[]> producer(PulsarClient client, String topic) throws Exception {
        return client.newProducer()
                .topic(topic)
                .sendTimeout(0, TimeUnit.SECONDS)
                .blockIfQueueFull(true)
                .maxPendingMessages(0)
                .enableBatching(true)
                .batchingMaxPublishDelay(1, TimeUnit.MILLISECONDS)
                .batchingMaxMessages(1_000)
                .batchingMaxBytes(4 << 20)
                .create();
    }

    private void run(Producer<byte[]> producer, double rate, long warm, long span, byte[] body,
            Map<String, String> properties) throws Exception {
        long begin = System.nanoTime(), measured = begin + warm, end = measured + span;
        long wall = micros(Instant.now());
        long due = begin;
        while (due < end && failures.isEmpty()) {
            send(producer, body, properties, wall + (due - begin) / 1_000, due, measured);
            due = rate > 0 ? begin + (long) (sent * 1e9 / rate) : System.nanoTime();
            await(due);
        }
        producer.flush();
        report(wall + warm / 1_000, wall + (warm + span) / 1_000);
    }

    private void send(Producer<byte[]> producer, byte[] body, Map<String, String> properties,
            long eventTime, long due, long measured) {
        sent++;
        producer.newMessage().value(body).properties(properties).eventTime(eventTime).sendAsync()
                .whenComplete((id, failure) -> {
                    if (failure != null) {
                        failures.add(failure);
                        return;
                    }
                    acknowledged.increment();
                    if (due >= measured) {
                        long took = (System.nanoTime() - due) / 1_000;
                        recorder.recordValue(Math.min(took, LONGEST_MICROS));
                    }
                });
    }

    private static void await(long due) {
        for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    private static long micros(Instant at) {
        return at.getEpochSecond() * 1_000_000 + at.getNano() / 1_000;
    }

    private void report(long begin, long end) throws Exception {
        if (!failures.isEmpty()) {
            throw new Exception("a message was not kept", failures.peek());
        }
        Histogram times = recorder.getIntervalHistogram();
        String line = String.format(
                "{\"sent\":%d,\"acknowledged\":%d,\"begin\":%d,\"end\":%d,\"p50_us\":%d,\"p99_us\":%d}%n",
                sent, acknowledged.sum(), begin, end, times.getValueAtPercentile(50),
                times.getValueAtPercentile(99));
        System.out.write(line.getBytes(StandardCharsets.UTF_8));
        System.out.flush();
    }
}
