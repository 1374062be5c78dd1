//! Telling other nodes that there is work. A notification is sent by itself, after the transaction
//! it tells of and rarely: inside the transactions it would make the server commit them one at a
//! time. Nobody depends on it, for who hears nothing looks by itself before long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_postgres::AsyncMessage;

use super::connect::Target;
use crate::store::StoreError;

/// Pause between two notifications of this node.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause before the connection is made anew.
const TROUBLE: Duration = Duration::from_secs(2);

/// A connection that tells and listens.
pub(super) struct Waker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// There is something to do: to tell, or to end.
    change: Notify,
    closed: AtomicBool,
}

impl Waker {
    pub(super) fn start(
        target: Target,
        node: Arc<str>,
        wake: Box<dyn Fn() + Send>,
    ) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::io("runtime of the store", &error))?;
        let shared = Arc::<Shared>::default();
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("store-waker".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    while !of_thread.closed.load(Ordering::Relaxed) {
                        // What went wrong passes, or the database does not know of this.
                        let _ = exchange(&target, &node, &of_thread, &wake).await;
                        tokio::select! {
                            () = sleep(TROUBLE) => {}
                            () = of_thread.closing() => {}
                        }
                    }
                });
            })
            .map_err(|error| StoreError::io("thread of the store", &error))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Other nodes shall look for work.
    pub(super) fn announce(&self) {
        self.shared.change.notify_one();
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        self.shared.change.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    async fn closing(&self) {
        while !self.closed.load(Ordering::Relaxed) {
            self.change.notified().await;
        }
        // For who looks after this.
        self.change.notify_one();
    }
}

/// Tells and listens until the connection breaks or the store is closed.
async fn exchange(
    target: &Target,
    node: &str,
    shared: &Shared,
    wake: &(dyn Fn() + Send),
) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = target.connect().await?;
    let listening = async {
        // Ends with the connection.
        while let Some(Ok(message)) =
            std::future::poll_fn(|context| connection.poll_message(context)).await
        {
            if let AsyncMessage::Notification(told) = message
                && told.payload() != node
            {
                wake();
            }
        }
    };
    let telling = async {
        client.batch_execute("LISTEN remold_work").await?;
        let tell = client
            .prepare("SELECT pg_notify('remold_work', $1)")
            .await?;
        while !shared.closed.load(Ordering::Relaxed) {
            shared.change.notified().await;
            client.execute(&tell, &[&node]).await?;
            sleep(PAUSE).await;
        }
        Ok(())
    };
    tokio::select! {
        () = listening => Ok(()),
        told = telling => told,
    }
}
