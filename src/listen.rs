//! What every interface that listens does: take connections as there are places for them, and let
//! no address have more than its share.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pause after the system could give no connection, such as for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// The next connection, once there is a place for it. `None` where the system could give none: it
/// is to be asked again.
pub async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((place, stream, peer)),
        Err(_) => {
            tokio::time::sleep(PAUSE).await;
            None
        }
    }
}

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
pub struct Shares(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of the connections of an address, as long as it is held.
#[derive(Debug)]
pub struct Share {
    shares: Shares,
    address: IpAddr,
}

impl Shares {
    /// One more connection of an address; `None` where it has `most` already.
    #[must_use]
    pub fn take(&self, address: IpAddr, most: usize) -> Option<Share> {
        // One subscriber has a whole IPv6 network of this length.
        let address = match address.to_canonical() {
            IpAddr::V6(long) => IpAddr::V6((long.to_bits() >> 64 << 64).into()),
            short => short,
        };
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.get(&address).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        taken.insert(address, count.saturating_add(1));
        drop(taken);
        Some(Share {
            shares: self.clone(),
            address,
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let shares = Shares::default();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let first = shares.take(one, 2).unwrap();
        let _second = shares.take(one, 2).unwrap();
        assert!(shares.take(one, 2).is_none());
        assert!(
            shares
                .take("::ffff:192.0.2.1".parse().unwrap(), 2)
                .is_none()
        );
        assert!(shares.take("192.0.2.2".parse().unwrap(), 2).is_some());
        drop(first);
        assert!(shares.take(one, 2).is_some());
        assert!(shares.take(one, 0).is_none());
    }

    #[test]
    fn a_network_of_one_subscriber_is_one_address_and_nothing_is_kept() {
        let shares = Shares::default();
        let share = shares.take("2001:db8::1".parse().unwrap(), 1).unwrap();
        assert!(shares.take("2001:db8::2".parse().unwrap(), 1).is_none());
        assert!(shares.take("2001:db8:0:1::1".parse().unwrap(), 1).is_some());
        drop(share);
        assert!(shares.0.lock().unwrap().is_empty());
    }
}
