//! Repeating what a lost connection interrupted.

use std::time::Duration;

use zabra_client::Error;

/// The pause before a request is repeated: requests wait for a connection by themselves, so this only slows down a
/// client whose connections break at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    tries: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_secs(1);

    /// Waits, longer with each call: 10 ms doubling up to a second, less up to half of it at random.
    pub(crate) async fn pause(&mut self) {
        let full = Self::FIRST.saturating_mul(1 << self.tries.min(10)).min(Self::LONGEST);
        self.tries += 1;
        tokio::time::sleep(full.mul_f64(1.0 - fastrand::f64() / 2.0)).await;
    }
}

/// Repeats a request until no lost connection (nor a throttling server) stands in its way. Only for what may be done
/// twice: reads, syncs, and writes whose second attempt is recognized.
pub(crate) async fn through_cuts<T, F>(mut request: impl FnMut() -> F) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    let mut backoff = Backoff::default();
    loop {
        match request().await {
            Err(error) if error.is_passing() => backoff.pause().await,
            answer => return answer,
        }
    }
}

/// Whether there will be another chance as long as the session lives: there is no connection, or the server asks to wait.
pub(crate) const fn may_pass(error: &Error) -> bool {
    error.is_passing() || matches!(error, Error::NotConnected { .. })
}

/// As [`through_cuts`], however long there is no connection and whatever the client's `connect_within` says: for what is
/// not over before the session is.
pub(crate) async fn through_all<T, F>(mut request: impl FnMut() -> F) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    let mut backoff = Backoff::default();
    loop {
        match request().await {
            Err(error) if may_pass(&error) => backoff.pause().await,
            answer => return answer,
        }
    }
}

/// How many sessions in a row may expire under one request before it fails: a client that does not renew its session
/// answers so at once, and for ever.
pub(crate) const EXPIRIES_MAX: u32 = 3;

/// As [`through_cuts`], and also under the next session of a client that renews expired ones. Only for what does not
/// depend on the session.
pub(crate) async fn through_sessions<T, F>(mut request: impl FnMut() -> F) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    let mut expiries = 0;
    loop {
        match through_cuts(&mut request).await {
            Err(Error::SessionExpired { .. }) if expiries < EXPIRIES_MAX => expiries += 1,
            answer => return answer,
        }
    }
}
