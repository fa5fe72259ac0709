//! Counters and shared values.

use bytes::Bytes;
use zabra_client::blocking::Client;

use super::Blocking;
use crate::atomic::{self, Change, Format};
use crate::common::Result;
use crate::receipt::Receipt;
use crate::shared::{self, Versioned};

/// [`atomic::AtomicNumber`], blocking.
pub type AtomicNumber<F> = Blocking<atomic::AtomicNumber<F>>;
/// [`atomic::AtomicInteger`], blocking.
pub type AtomicInteger = Blocking<atomic::AtomicInteger>;
/// [`atomic::AtomicLong`], blocking.
pub type AtomicLong = Blocking<atomic::AtomicLong>;
/// [`kazoo::Counter`](crate::kazoo::Counter), blocking.
pub type KazooCounter = Blocking<crate::kazoo::Counter>;
/// [`atomic::AtomicValue`], blocking.
pub type AtomicValue = Blocking<atomic::AtomicValue>;
/// [`atomic::NumberBlocks`], blocking.
pub type NumberBlocks = Blocking<atomic::NumberBlocks>;
/// [`shared::SharedValue`], blocking.
pub type SharedValue = Blocking<shared::SharedValue>;
/// [`shared::SharedCount`], blocking.
pub type SharedCount = Blocking<shared::SharedCount>;

/// Opens a [`Receipt`], blocking.
///
/// # Errors
///
/// As [`Receipt::open`].
pub fn receipt(client: &Client, path: impl Into<String>) -> Result<Receipt> {
    client.block_on(Receipt::open(client, path))
}

impl<F: Format> AtomicNumber<F> {
    /// The number at this path. For its options, make the asynchronous one and put it into [`Blocking::of`].
    pub fn new(client: &Client, path: impl Into<String>) -> Self {
        Self::of(client, atomic::AtomicNumber::new(client, path))
    }
}

blocking_calls! {
    [F: Format] atomic::AtomicNumber<F> {
        get() -> F::Number;
        initialize(number: F::Number) -> bool;
        force_set(number: F::Number) -> ();
        compare_and_set(expected: F::Number, number: F::Number) -> Change<F::Number>;
        try_set(number: F::Number) -> Change<F::Number>;
        add(delta: F::Number) -> Change<F::Number>;
        subtract(delta: F::Number) -> Change<F::Number>;
    }
}

impl AtomicValue {
    /// The value at this path. For its options, make the asynchronous one and put it into [`Blocking::of`].
    pub fn new(client: &Client, path: impl Into<String>) -> Self {
        Self::of(client, atomic::AtomicValue::new(client, path))
    }
}

blocking_calls! {
    [] atomic::AtomicValue {
        get() -> Option<Bytes>;
        initialize(value: impl Into<Bytes>) -> bool;
        force_set(value: impl Into<Bytes>) -> ();
        compare_and_set(expected: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Change<Bytes>;
        try_set(value: impl Into<Bytes>) -> Change<Bytes>;
        update(make: impl Fn(Option<&Bytes>) -> Result<Bytes>) -> Change<Bytes>;
    }
}

impl NumberBlocks {
    /// Takes blocks of this many from the number at this path.
    ///
    /// # Errors
    ///
    /// As [`atomic::NumberBlocks::new`].
    pub fn new(client: &Client, path: impl Into<String>, block: i64) -> Result<Self> {
        Ok(Self::of(client, atomic::NumberBlocks::new(atomic::AtomicLong::new(client, path), block)?))
    }
}

blocking_calls! {
    [] atomic::NumberBlocks {
        next() -> Option<i64>;
    }
}

impl SharedValue {
    /// The value at this path; `seed` if there is none.
    ///
    /// # Errors
    ///
    /// As [`shared::SharedValue::open`].
    pub fn open(client: &Client, path: impl Into<String>, seed: impl Into<Bytes>) -> Result<Self> {
        Ok(Self::of(client, client.block_on(shared::SharedValue::open(client, path, seed))?))
    }

    /// Calls `told` for every change from now on, on the thread of the client: it must not block.
    pub fn call_on_change(&self, told: impl FnMut(Versioned<Bytes>) + Send + 'static) {
        self.wait_for(async { drop(self.inner.on_change(told)) });
    }
}

blocking_calls! {
    [] shared::SharedValue {
        set(value: impl Into<Bytes>) -> ();
        try_set(previous: &Versioned<Bytes>, value: impl Into<Bytes>) -> bool;
    }
}

impl SharedCount {
    /// The number at this path; `seed` if there is none.
    ///
    /// # Errors
    ///
    /// As [`shared::SharedCount::open`].
    pub fn open(client: &Client, path: impl Into<String>, seed: i32) -> Result<Self> {
        Ok(Self::of(client, client.block_on(shared::SharedCount::open(client, path, seed))?))
    }
}

blocking_calls! {
    [] shared::SharedCount {
        set(count: i32) -> ();
        try_set(previous: &Versioned<i32>, count: i32) -> bool;
    }
}
