//! Figures in the words of Prometheus and OpenMetrics: what came and went, what waits, how long
//! things take.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::process::Process;
use crate::store::Millis;
use crate::store::records::Queue;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every figure of a server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    received: Family<Outcome, Counter>,
    sent: Family<Outcome, Counter>,
    bytes_received: Family<InterfaceLabel, Counter>,
    bytes_sent: Family<InterfaceLabel, Counter>,
    connections: Family<InterfaceLabel, Counter>,
    connections_open: Family<InterfaceLabel, Gauge>,
    steps: Family<StateLabel, Counter>,
    reports: Family<ResultLabel, Counter>,
    pushes: Family<PushLabel, Counter>,
    push_seconds: Histogram,
    retries: Counter,
    queue: Family<StateLabel, Gauge>,
    queue_due: Family<StateLabel, Gauge>,
    queue_oldest: Family<StateLabel, Gauge<f64, AtomicU64>>,
    stored: Gauge,
    adaptations: Family<VerdictLabel, Histogram, fn() -> Histogram>,
    cache: Family<ResultLabel, Counter>,
    commit_seconds: Histogram,
    commit_group: Histogram,
    store_errors: Counter,
    reloads: Family<ResultLabel, Counter>,
    reloaded_at: Gauge<f64, AtomicU64>,
    admin: Family<RouteLabel, Counter>,
    plugin_jobs: Family<PluginLabel, Counter>,
    plugin_seconds: Family<PluginLabel, Counter<f64, AtomicU64>>,
    plugin_failures: Family<PluginFailureLabel, Counter>,
    plugin_quarantines: Family<PluginLabel, Counter>,
    records: Counter,
    records_waiting: Gauge,
    record_errors: Counter,
    draining: Gauge,
    ready: Gauge,
    process: Process,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    interface: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InterfaceLabel {
    interface: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PushLabel {
    kind: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabel {
    plugin: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginFailureLabel {
    plugin: String,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabel {
    version: &'static str,
}

/// Registers under one prefix.
struct Registrar(Registry);

impl Registrar {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    fn add_in<M: Metric + Clone>(&mut self, name: &str, help: &str, unit: Unit, metric: M) -> M {
        self.0.register_with_unit(name, help, unit, metric.clone());
        metric
    }
}

/// From a millisecond to half a minute, doubling.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Figures that begin at zero.
    #[must_use]
    #[allow(
        clippy::too_many_lines,
        reason = "one line a figure, in the order of its fields"
    )]
    pub fn new() -> Self {
        let mut r = Registrar(Registry::with_prefix("remold"));
        let build = BuildLabel {
            version: env!("CARGO_PKG_VERSION"),
        };
        r.0.register("build", "Version of the program", Info::new(build));
        let new: fn() -> Histogram = seconds;
        Self {
            received: r.add(
                "messages_received",
                "Submissions by interface and X-Mms-Response-Status",
                Family::default(),
            ),
            sent: r.add(
                "messages_sent",
                "Retrievals by interface and X-Mms-Retrieve-Status",
                Family::default(),
            ),
            bytes_received: r.add_in(
                "received",
                "Octets of content that came in",
                Unit::Bytes,
                Family::default(),
            ),
            bytes_sent: r.add_in(
                "sent",
                "Octets of content that went out",
                Unit::Bytes,
                Family::default(),
            ),
            connections: r.add(
                "connections",
                "Connections that were accepted",
                Family::default(),
            ),
            connections_open: r.add(
                "connections_open",
                "Connections that are open",
                Family::default(),
            ),
            steps: r.add(
                "recipient_states",
                "Recipients that came to a state",
                Family::default(),
            ),
            reports: r.add(
                "reports",
                "Delivery and read reports to senders",
                Family::default(),
            ),
            pushes: r.add(
                "notifications",
                "Pushes by what they carry and what the notifier said",
                Family::default(),
            ),
            push_seconds: r.add_in(
                "notification",
                "Time until the notifier took or refused a push",
                Unit::Seconds,
                seconds(),
            ),
            retries: r.add(
                "notification_retries",
                "Notifications after the first of a recipient",
                Counter::default(),
            ),
            queue: r.add(
                "queue_length",
                "Recipients in no final state, and reports under way",
                Family::default(),
            ),
            queue_due: r.add(
                "queue_due",
                "Those of the queue whose time has come",
                Family::default(),
            ),
            queue_oldest: r.add_in(
                "queue_oldest_due",
                "Since when the oldest of those is due",
                Unit::Seconds,
                Family::default(),
            ),
            stored: r.add("messages_stored", "Messages in the store", Gauge::default()),
            adaptations: r.add_in(
                "adaptation",
                "Time to fit a message to a device, by what became of it",
                Unit::Seconds,
                Family::new_with_constructor(new),
            ),
            cache: r.add(
                "adaptation_cache",
                "Adapted messages that were there already, and that were not",
                Family::default(),
            ),
            commit_seconds: r.add_in(
                "store_commit",
                "Time a commit of the store takes",
                Unit::Seconds,
                Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            ),
            commit_group: r.add(
                "store_commit_group_size",
                "Changes that share a commit of the store",
                Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            ),
            store_errors: r.add(
                "store_errors",
                "Failures of the store that stopped the dispatcher for a moment",
                Counter::default(),
            ),
            reloads: r.add(
                "configuration_reloads",
                "Reloads of the configuration",
                Family::default(),
            ),
            reloaded_at: r.add_in(
                "configuration_loaded_timestamp",
                "When the configuration in use was loaded",
                Unit::Seconds,
                Gauge::default(),
            ),
            admin: r.add(
                "admin_requests",
                "Requests of operators by route and status",
                Family::default(),
            ),
            plugin_jobs: r.add(
                "plugin_jobs",
                "Pictures and tracks that a plugin was given, and files it was asked about",
                Family::default(),
            ),
            plugin_seconds: r.add_in(
                "plugin_run",
                "Time that the code of a plugin ran",
                Unit::Seconds,
                Family::default(),
            ),
            plugin_failures: r.add(
                "plugin_failures",
                "Jobs that failed through a fault of the plugin",
                Family::default(),
            ),
            plugin_quarantines: r.add(
                "plugin_quarantines",
                "Times that a plugin was left alone because it failed too often in a row",
                Family::default(),
            ),
            records: r.add(
                "charging_records",
                "Charging records that are in a file",
                Counter::default(),
            ),
            records_waiting: r.add(
                "charging_records_waiting",
                "Charging records that are in no file yet",
                Gauge::default(),
            ),
            record_errors: r.add(
                "charging_errors",
                "Failures to write charging records",
                Counter::default(),
            ),
            draining: r.add(
                "draining",
                "1 while the server lets what has begun end",
                Gauge::default(),
            ),
            ready: r.add("ready", "1 while the store answers", Gauge::default()),
            process: Process::new(),
            registry: r.0,
        }
    }

    /// Counts a submission.
    pub fn submitted(&self, interface: &'static str, result: &'static str) {
        let labels = Outcome { interface, result };
        self.received.get_or_create(&labels).inc();
    }

    /// Counts a retrieval.
    pub fn retrieved(&self, interface: &'static str, result: &'static str) {
        let labels = Outcome { interface, result };
        self.sent.get_or_create(&labels).inc();
    }

    /// Counts octets that came in.
    pub fn received_bytes(&self, interface: &'static str, bytes: u64) {
        let labels = InterfaceLabel { interface };
        self.bytes_received.get_or_create(&labels).inc_by(bytes);
    }

    /// Counts octets that went out.
    pub fn sent_bytes(&self, interface: &'static str, bytes: u64) {
        let labels = InterfaceLabel { interface };
        self.bytes_sent.get_or_create(&labels).inc_by(bytes);
    }

    /// Counts a connection that was accepted.
    pub fn opened(&self, interface: &'static str) {
        let labels = InterfaceLabel { interface };
        self.connections.get_or_create(&labels).inc();
        self.connections_open.get_or_create(&labels).inc();
    }

    /// Counts a connection that ended.
    pub fn closed(&self, interface: &'static str) {
        let labels = InterfaceLabel { interface };
        self.connections_open.get_or_create(&labels).dec();
    }

    /// Counts a recipient that came to a state.
    pub fn came_to(&self, state: &'static str) {
        self.steps.get_or_create(&StateLabel { state }).inc();
    }

    /// Counts what became of a report: `sent`, `failed` or `dropped`.
    pub fn report(&self, result: &'static str) {
        self.reports.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts a push and its time. `kind` is `notification` or `report`; `result` is `taken`,
    /// `temporary`, `unavailable` or `permanent`.
    pub fn pushed(&self, kind: &'static str, result: &'static str, took: Duration) {
        let labels = PushLabel { kind, result };
        self.pushes.get_or_create(&labels).inc();
        self.push_seconds.observe(took.as_secs_f64());
    }

    /// Counts a notification after the first of its recipient.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// Counts an adaptation and its time. `verdict` is `unchanged`, `adapted`, `refused` or why
    /// there is none.
    pub fn adapted(&self, verdict: &'static str, took: Duration) {
        let labels = VerdictLabel { verdict };
        let histogram = self.adaptations.get_or_create(&labels);
        histogram.observe(took.as_secs_f64());
    }

    /// Counts a look into the cache of adapted messages.
    pub fn cache(&self, hit: bool) {
        let result = if hit { "hit" } else { "miss" };
        self.cache.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts a commit of the store.
    pub fn committed(&self, group: usize, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
        let group = u32::try_from(group).unwrap_or(u32::MAX);
        self.commit_group.observe(f64::from(group));
    }

    /// Counts a failure of the store.
    pub fn store_failed(&self) {
        self.store_errors.inc();
    }

    /// Counts a reload: `loaded` or `refused`.
    pub fn reloaded(&self, result: &'static str) {
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// When the configuration in use was loaded.
    pub fn loaded_at(&self, now: Millis) {
        self.reloaded_at.set(in_seconds(now));
    }

    /// Counts a request of an operator.
    pub fn admin(&self, route: &'static str, status: u16) {
        let labels = RouteLabel { route, status };
        self.admin.get_or_create(&labels).inc();
    }

    /// Counts a job of a plugin and how long its code ran.
    pub fn plugin_job(&self, plugin: &str, took: Duration) {
        let labels = PluginLabel {
            plugin: plugin.to_owned(),
        };
        self.plugin_jobs.get_or_create(&labels).inc();
        let seconds = self.plugin_seconds.get_or_create(&labels);
        seconds.inc_by(took.as_secs_f64());
    }

    /// Counts a failure of a plugin.
    pub fn plugin_failed(&self, plugin: &str, kind: &'static str) {
        let plugin = plugin.to_owned();
        let labels = PluginFailureLabel { plugin, kind };
        self.plugin_failures.get_or_create(&labels).inc();
    }

    /// Counts that a plugin is left alone for a while.
    pub fn plugin_quarantined(&self, plugin: &str) {
        let labels = PluginLabel {
            plugin: plugin.to_owned(),
        };
        self.plugin_quarantines.get_or_create(&labels).inc();
    }

    /// Counts charging records that are in a file.
    pub fn recorded(&self, records: u64) {
        self.records.inc_by(records);
    }

    /// Counts a failure to write charging records.
    pub fn record_failed(&self) {
        self.record_errors.inc();
    }

    /// The server lets what has begun end.
    pub fn drain(&self) {
        self.draining.set(1);
    }

    /// What waits now, where the store says it.
    pub fn waiting(
        &self,
        now: Millis,
        stored: Option<u64>,
        queues: &[Queue],
        records: Option<u64>,
    ) {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.ready.set(i64::from(stored.is_some()));
        if let Some(stored) = stored {
            self.stored.set(count(stored));
        }
        if let Some(records) = records {
            self.records_waiting.set(count(records));
        }
        let states = crate::store::DeliveryState::ALL
            .into_iter()
            .filter(|state| !state.is_final())
            .map(Some)
            .chain([None]);
        for state in states {
            let labels = StateLabel {
                state: state.map_or("report", crate::store::DeliveryState::name),
            };
            let queue = queues.iter().find(|queue| queue.state == state);
            let of = |value: fn(&Queue) -> u64| queue.map_or(0, |queue| count(value(queue)));
            self.queue.get_or_create(&labels).set(of(|q| q.waiting));
            self.queue_due.get_or_create(&labels).set(of(|q| q.due));
            let age = queue
                .and_then(|queue| queue.due_since)
                .map_or(0, |since| now.saturating_sub(since).max(0));
            self.queue_oldest
                .get_or_create(&labels)
                .set(in_seconds(age));
        }
    }

    /// All of it as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode_registry(&mut text, &self.registry)
            .and_then(|()| encode_registry(&mut text, self.process.read()))
            .and_then(|()| encode_eof(&mut text));
        text
    }
}

fn in_seconds(time: Millis) -> f64 {
    Duration::from_millis(u64::try_from(time).unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DeliveryState;

    #[test]
    fn what_is_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.submitted("mm1", "ok");
        metrics.submitted("mm1", "ok");
        metrics.committed(3, Duration::from_millis(2));
        metrics.adapted("adapted", Duration::from_millis(30));
        metrics.opened("mm1");
        metrics.opened("mm1");
        metrics.closed("mm1");
        let queue = Queue {
            state: Some(DeliveryState::Queued),
            waiting: 4,
            due: 2,
            due_since: Some(1_000),
        };
        metrics.waiting(3_500, Some(9), &[queue], Some(0));
        let text = metrics.text();
        for line in [
            "remold_messages_received_total{interface=\"mm1\",result=\"ok\"} 2",
            "remold_store_commit_group_size_count 1",
            "remold_adaptation_seconds_count{verdict=\"adapted\"} 1",
            "remold_connections_open{interface=\"mm1\"} 1",
            "remold_queue_length{state=\"queued\"} 4",
            "remold_queue_oldest_due_seconds{state=\"queued\"} 2.5",
            "remold_queue_length{state=\"report\"} 0",
            "remold_messages_stored 9",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn plugins_are_counted_by_name() {
        let metrics = Metrics::new();
        metrics.plugin_job("qoi", Duration::from_millis(1_500));
        metrics.plugin_failed("qoi", "deadline");
        metrics.plugin_quarantined("qoi");
        let text = metrics.text();
        for line in [
            "remold_plugin_jobs_total{plugin=\"qoi\"} 1",
            "remold_plugin_run_seconds_total{plugin=\"qoi\"} 1.5",
            "remold_plugin_failures_total{plugin=\"qoi\",kind=\"deadline\"} 1",
            "remold_plugin_quarantines_total{plugin=\"qoi\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    /// The names under which figures are found, once each of them was counted.
    fn names() -> std::collections::BTreeSet<String> {
        let metrics = Metrics::new();
        let took = Duration::from_millis(1);
        metrics.submitted("mm1", "ok");
        metrics.retrieved("mm1", "ok");
        metrics.received_bytes("mm1", 1);
        metrics.sent_bytes("mm1", 1);
        metrics.opened("mm1");
        metrics.came_to("queued");
        metrics.report("sent");
        metrics.pushed("report", "taken", took);
        metrics.adapted("adapted", took);
        metrics.cache(true);
        metrics.reloaded("loaded");
        metrics.admin("/livez", 200);
        metrics.plugin_job("qoi", took);
        metrics.plugin_failed("qoi", "trap");
        metrics.plugin_quarantined("qoi");
        metrics.waiting(0, Some(0), &[], Some(0));
        let text = metrics.text();
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types
            .flat_map(|line| {
                let (name, kind) = line.split_once(' ').unwrap();
                let ends: &[&str] = match kind {
                    "counter" => &["_total"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "info" => &["_info"],
                    _ => &[""],
                };
                ends.iter().map(move |end| format!("{name}{end}"))
            })
            .collect()
    }

    #[test]
    fn alerts_and_dashboard_ask_for_figures_that_there_are() {
        let names = names();
        let mut asked = 0;
        for text in [
            include_str!("../../packaging/prometheus/remold.rules.yml"),
            include_str!("../../packaging/grafana/remold.json"),
        ] {
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            for word in words {
                if word.starts_with("remold_") || word.starts_with("process_") {
                    assert!(names.contains(word), "{word} is none of {names:?}");
                    asked += 1;
                }
            }
        }
        assert!(asked > 30);
    }

    #[test]
    fn the_process_tells_of_itself() {
        let text = Metrics::new().text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes ") > 1e6);
        assert!(value("process_open_fds ") > 2.0);
        assert!(value("process_start_time_seconds ") > 1e9);
        assert!(value("process_threads ") >= 1.0);
    }
}
