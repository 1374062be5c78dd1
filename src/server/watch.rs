//! Whoever watches: each happening becomes a line of the log and figures.

use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, info, warn};

use super::logging::{Masked, Scrubbed};
use super::metrics::Metrics;
use crate::relay::{
    Content, Device, FitError, Fitted, Fitter, Forecast, Happening, Notice, Notifier, NotifyError,
    Watch,
};
use crate::store::DeliveryState;

/// Writes down what happens.
#[derive(Debug, Clone)]
pub(super) struct Watcher(pub(super) Arc<Metrics>);

impl Watch for Watcher {
    fn happened(&self, happening: &Happening<'_>) {
        let metrics = &self.0;
        match *happening {
            Happening::Opened(interface) => metrics.opened(interface.name()),
            Happening::Closed(interface) => metrics.closed(interface.name()),
            Happening::Received(interface, bytes) => {
                metrics.received_bytes(interface.name(), bytes);
            }
            Happening::Sent(interface, bytes) => metrics.sent_bytes(interface.name(), bytes),
            Happening::Submitted {
                interface,
                message_id,
                sender,
                octets,
                result,
                why,
            } => {
                let interface = interface.name();
                metrics.submitted(interface, result);
                let (id, sender) = (message_id.unwrap_or("-"), Masked(sender.unwrap_or("")));
                let why = Scrubbed(why.unwrap_or(""));
                if message_id.is_some() {
                    info!(message_id = id, interface, %sender, octets, result, %why, "submitted");
                } else {
                    warn!(message_id = id, interface, %sender, octets, result, %why, "refused");
                }
            }
            Happening::Retrieved {
                interface,
                message_id,
                octets,
                result,
            } => {
                let interface = interface.name();
                metrics.retrieved(interface, result);
                let id = message_id.unwrap_or("-");
                info!(message_id = id, interface, octets, result, "retrieved");
            }
            Happening::Step {
                message_id,
                recipient,
                from,
                to,
                attempts,
                what,
                detail,
            } => {
                if from != to {
                    metrics.came_to(to.name());
                }
                if attempts > 1 && matches!(what, "notified" | "notify-failed") {
                    metrics.retried();
                }
                let (recipient, detail) = (Masked(recipient), Scrubbed(detail));
                let (from, state) = (from.name(), to.name());
                let bad = matches!(to, DeliveryState::Unreachable | DeliveryState::Unrecognised)
                    || what == "notify-failed";
                if bad {
                    warn!(message_id, %recipient, from, state, attempts, %detail, "{what}");
                } else {
                    info!(message_id, %recipient, from, state, attempts, %detail, "{what}");
                }
            }
            Happening::Report {
                message_id,
                address,
                what,
                detail,
            } => {
                metrics.report(match what {
                    "report-sent" => "sent",
                    "report-failed" => "failed",
                    _ => "dropped",
                });
                let (address, detail) = (Masked(address), Scrubbed(detail));
                info!(message_id, %address, %detail, "{what}");
            }
        }
    }
}

/// A notifier whose pushes are counted.
pub(super) struct WatchedNotifier {
    pub(super) notifier: Arc<dyn Notifier>,
    pub(super) metrics: Arc<Metrics>,
}

impl Notifier for WatchedNotifier {
    fn push(&self, notice: &Notice<'_>) -> Result<(), NotifyError> {
        let started = Instant::now();
        let pushed = self.notifier.push(notice);
        let kind = if notice.url.is_some() {
            "notification"
        } else {
            "report"
        };
        let result = match &pushed {
            Ok(()) => "taken",
            Err(NotifyError::Temporary(_)) => "temporary",
            Err(NotifyError::Unavailable(_)) => "unavailable",
            Err(NotifyError::Permanent(_)) => "permanent",
        };
        self.metrics.pushed(kind, result, started.elapsed());
        pushed
    }
}

/// A fitter whose work is counted.
pub(super) struct WatchedFitter<F> {
    pub(super) fitter: F,
    pub(super) metrics: Arc<Metrics>,
}

impl<F: Fitter> Fitter for WatchedFitter<F> {
    fn fit(&self, content: Content<'_>, device: &Device<'_>) -> Result<Fitted, FitError> {
        let started = Instant::now();
        let fitted = self.fitter.fit(content, device);
        let took = started.elapsed();
        let verdict = match &fitted {
            Ok(Fitted { message: None, .. }) => "refused",
            Ok(fitted) if fitted.summary.starts_with("unchanged") => "unchanged",
            Ok(_) => "adapted",
            Err(FitError::Busy) => "busy",
            Err(FitError::Deadline) => "deadline",
            Err(_) => "broken",
        };
        self.metrics.adapted(verdict, took);
        debug!(verdict, millis = took.as_millis(), "fitted");
        fitted
    }

    fn known(&self, content: Content<'_>, device: &Device<'_>) -> Option<Fitted> {
        let started = Instant::now();
        let fitted = self.fitter.known(content, device)?;
        // One of which nothing fits is asked for again, and counted then.
        fitted.message.as_ref()?;
        let verdict = if fitted.summary.starts_with("unchanged") {
            "unchanged"
        } else {
            "adapted"
        };
        self.metrics.adapted(verdict, started.elapsed());
        Some(fitted)
    }

    fn foresee(&self, content: Content<'_>, device: &Device<'_>) -> Option<Forecast> {
        self.fitter.foresee(content, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::Interface;

    #[test]
    fn a_step_is_counted_when_it_leads_somewhere() {
        let metrics = Arc::new(Metrics::new());
        let watcher = Watcher(metrics.clone());
        let step = |from, to, attempts, what| {
            watcher.happened(&Happening::Step {
                message_id: "m1",
                recipient: "+15550001111/TYPE=PLMN",
                from,
                to,
                attempts,
                what,
                detail: "",
            });
        };
        step(
            DeliveryState::Queued,
            DeliveryState::Notified,
            1,
            "notified",
        );
        step(
            DeliveryState::Notified,
            DeliveryState::Notified,
            2,
            "notified",
        );
        watcher.happened(&Happening::Submitted {
            interface: Interface::Mm1,
            message_id: None,
            sender: None,
            octets: 5,
            result: "unsupported-message",
            why: None,
        });
        let text = metrics.text();
        for line in [
            "remold_recipient_states_total{state=\"notified\"} 1",
            "remold_notification_retries_total 1",
            "remold_messages_received_total{interface=\"mm1\",result=\"unsupported-message\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }

    #[test]
    fn a_push_is_counted_by_what_became_of_it() {
        struct Refuses;
        impl Notifier for Refuses {
            fn push(&self, _: &Notice<'_>) -> Result<(), NotifyError> {
                Err(NotifyError::Permanent("no".to_owned()))
            }
        }
        let metrics = Arc::new(Metrics::new());
        let notifier = WatchedNotifier {
            notifier: Arc::new(Refuses),
            metrics: metrics.clone(),
        };
        let number = crate::mms::address::Msisdn::parse("+15550001111").unwrap();
        let notice = Notice {
            message_id: "m1",
            number: &number,
            push: b"x",
            url: None,
        };
        notifier.push(&notice).unwrap_err();
        let line = "remold_notifications_total{kind=\"report\",result=\"permanent\"} 1";
        assert!(metrics.text().contains(line));
    }
}
