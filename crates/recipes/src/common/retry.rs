//! Repeating what a lost connection interrupted.

use std::time::Duration;

use zabra_client::{Error, Outcome};

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

/// What attempts of a request may have done that failed, for the error of the last one.
#[derive(Debug, Default)]
pub(crate) struct Doubt(Option<Error>);

impl Doubt {
    /// One more attempt has failed.
    pub(crate) fn note(&mut self, error: &Error) {
        if error.outcome() == Outcome::Unknown {
            self.0 = Some(error.clone());
        }
    }

    /// Whether an attempt may have done what was asked.
    pub(crate) const fn is_any(&self) -> bool {
        self.0.is_some()
    }

    /// The failure of the attempt that may have done it.
    pub(crate) fn lost(&mut self) -> Option<Error> {
        self.0.take()
    }

    /// The error to end with when no further attempt is made: one that was not even sent says nothing about those before.
    /// What a server says of the last attempt stands.
    pub(crate) fn told(&mut self, last: Error) -> Error {
        let Some(doubt) = self.0.take() else { return last };
        let outcome = Outcome::Unknown;
        match last {
            Error::SessionExpired { op, path, .. } => Error::SessionExpired { outcome, op, path },
            Error::SessionClosed { op, path, .. } => Error::SessionClosed { outcome, op, path },
            Error::AuthFailed { reason, op, path, .. } => Error::AuthFailed { reason, outcome, op, path },
            Error::NotConnected { .. } => doubt,
            other => other,
        }
    }
}

/// Repeats a request until no lost connection (nor a throttling server) stands in its way. Only for what may be done
/// twice: reads, syncs, and writes whose second attempt is recognized.
pub(crate) async fn through_cuts<T, F>(request: impl FnMut() -> F) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    repeat(request, Error::is_passing).await
}

/// Whether there will be another chance as long as the session lives: there is no connection, or the server asks to wait.
pub(crate) const fn may_pass(error: &Error) -> bool {
    error.is_passing() || matches!(error, Error::NotConnected { .. })
}

/// As [`through_cuts`], however long there is no connection and whatever the client's `connect_within` says: for what is
/// not over before the session is.
pub(crate) async fn through_all<T, F>(request: impl FnMut() -> F) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    repeat(request, may_pass).await
}

/// How many sessions in a row may expire under one request before it fails: a client that does not renew its session
/// answers so at once, and for ever.
pub(crate) const EXPIRIES_MAX: u32 = 3;

/// As [`through_cuts`], and also under the next session of a client that renews expired ones. Only for what does not
/// depend on the session.
pub(crate) async fn through_sessions<T, F>(request: impl FnMut() -> F) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    repeat_through_expiries(request, Error::is_passing).await
}

/// As [`through_all`], and also under the next session: for what follows a node as long as there is a client.
pub(crate) async fn through_everything<T, F>(request: impl FnMut() -> F) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    repeat_through_expiries(request, may_pass).await
}

async fn repeat<T, F>(mut request: impl FnMut() -> F, passes: fn(&Error) -> bool) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    let (mut backoff, mut doubt) = (Backoff::default(), Doubt::default());
    loop {
        match request().await {
            Err(error) if passes(&error) => {
                doubt.note(&error);
                backoff.pause().await;
            }
            answer => return answer.map_err(|error| doubt.told(error)),
        }
    }
}

async fn repeat_through_expiries<T, F>(
    mut request: impl FnMut() -> F,
    passes: fn(&Error) -> bool,
) -> Result<T, Error>
where
    F: IntoFuture<Output = Result<T, Error>>,
{
    let (mut expiries, mut doubt) = (0, Doubt::default());
    loop {
        match repeat(&mut request, passes).await {
            Err(error @ Error::SessionExpired { .. }) if expiries < EXPIRIES_MAX => {
                doubt.note(&error);
                expiries += 1;
            }
            answer => return answer.map_err(|error| doubt.told(error)),
        }
    }
}
