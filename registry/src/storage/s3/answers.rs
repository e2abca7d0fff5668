//! What answers tell beside their content: the store's time, that the bucket is there, and how many requests there were.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, Layer, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::{Storable, StoreReplace};

use super::super::clock::{Clock, ClockSamples};

/// So long an answer of the bucket proves that it is still there.
const PROOF: Duration = Duration::from_secs(10);
/// `Date` has no parts of a second.
const TICK: Duration = Duration::from_secs(1);

/// Shared by all requests to a bucket.
#[derive(Debug, Default)]
pub(super) struct Answers {
    clock: ClockSamples,
    seen: Mutex<Option<Instant>>,
    requests: Mutex<BTreeMap<&'static str, u64>>,
}

impl Answers {
    pub(super) fn clock(&self) -> Clock {
        self.clock.clock()
    }

    /// The bucket has answered as one that is there.
    pub(super) fn saw_bucket(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether it has, not long ago, or since then.
    pub(super) fn has_bucket(&self, since: Option<Instant>) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.is_some_and(|seen| match since {
            Some(since) => seen >= since,
            None => seen.elapsed() < PROOF,
        })
    }

    /// How many requests of each operation were sent, retries among them.
    #[cfg(test)]
    pub(super) fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn interceptor(self: Arc<Self>) -> Watch {
        Watch(self)
    }

    fn count(&self, operation: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let name = OPERATIONS.into_iter().find(|name| *name == operation);
        *requests.entry(name.unwrap_or("other")).or_default() += 1;
    }
}

const OPERATIONS: [&str; 15] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjects",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListMultipartUploads",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
];

/// Sees each request and its answer pass.
#[derive(Debug)]
pub(super) struct Watch(Arc<Answers>);

#[derive(Debug)]
struct Sent(SystemTime);

impl Storable for Sent {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0
            .count(bag.load::<Metadata>().map_or("other", Metadata::name));
        let mut layer = Layer::new("sent");
        layer.store_put(Sent(SystemTime::now()));
        bag.push_layer(layer);
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context
            .response()
            .headers()
            .get("date")
            .and_then(super::client::date);
        if let (Some(date), Some(Sent(sent))) = (date, bag.load::<Sent>()) {
            self.0.clock.observe(date, *sent, TICK);
        }
        Ok(())
    }
}
