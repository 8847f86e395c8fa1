//! tokio's watch channel, whose receivers wake in the order in which they wait: tokio's own wakes
//! them in an order of its own chance.

use std::sync::Arc;

use openraft::{
    OptionalSend, OptionalSync,
    type_config::async_runtime::watch::{RecvError, SendError, Watch, WatchReceiver, WatchSender},
};
use tokio::sync::{Notify, watch};

/// See the module.
pub(crate) struct InOrder;

/// The sending side. The last to go wakes whoever waits.
pub(crate) struct Sender<T> {
    values: watch::Sender<T>,
    waiting: Arc<Notify>,
}

/// The receiving side.
pub(crate) struct Receiver<T> {
    values: watch::Receiver<T>,
    waiting: Arc<Notify>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), waiting: Arc::clone(&self.waiting) }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self { values: self.values.clone(), waiting: Arc::clone(&self.waiting) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // They look again only after this one is gone.
        self.waiting.notify_waiters();
    }
}

impl Watch for InOrder {
    type Sender<T: OptionalSend + OptionalSync> = Sender<T>;
    type Receiver<T: OptionalSend + OptionalSync> = Receiver<T>;
    type Ref<'a, T: OptionalSend + 'a> = watch::Ref<'a, T>;

    fn channel<T: OptionalSend + OptionalSync>(init: T) -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = watch::channel(init);
        let waiting = Arc::new(Notify::new());
        let sender = Sender { values: sender, waiting: Arc::clone(&waiting) };
        (sender, Receiver { values: receiver, waiting })
    }
}

impl<T: OptionalSend + OptionalSync> WatchSender<InOrder, T> for Sender<T> {
    fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.values.send(value).map_err(|refused| SendError(refused.0))?;
        self.waiting.notify_waiters();
        Ok(())
    }

    fn send_if_modified<F: FnOnce(&mut T) -> bool>(&self, modify: F) -> bool {
        let modified = self.values.send_if_modified(modify);
        if modified {
            self.waiting.notify_waiters();
        }
        modified
    }

    fn borrow_watched(&self) -> watch::Ref<'_, T> {
        self.values.borrow()
    }

    fn subscribe(&self) -> Receiver<T> {
        Receiver { values: self.values.subscribe(), waiting: Arc::clone(&self.waiting) }
    }
}

impl<T: OptionalSend + OptionalSync> WatchReceiver<InOrder, T> for Receiver<T> {
    async fn changed(&mut self) -> Result<(), RecvError> {
        loop {
            let waiting = Arc::clone(&self.waiting);
            let woken = waiting.notified();
            if self.values.has_changed().map_err(|_| RecvError(()))? {
                self.values.mark_unchanged();
                return Ok(());
            }
            woken.await;
        }
    }

    fn borrow_watched(&self) -> watch::Ref<'_, T> {
        self.values.borrow()
    }

    fn borrow_and_update(&mut self) -> watch::Ref<'_, T> {
        self.values.borrow_and_update()
    }
}
