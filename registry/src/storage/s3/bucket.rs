//! The bucket as all the rest of this module sees it: requests by key, and errors that say what they are about.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::{ObjectCannedAcl, ServerSideEncryption, StorageClass};
use tokio::sync::Mutex;

use super::super::{Error, Key};
use super::answers::Answers;
use super::client;
use super::errors::Failure;
use super::keys::Keys;
use super::settings::{Encryption, Settings};

#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) keys: Keys,
    pub(super) answers: Arc<Answers>,
    pub(super) settings: Settings,
    /// Who asks whether the bucket is there asks for all who wait.
    probing: Mutex<()>,
}

/// What new objects are like.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    pub(super) encryption: Option<ServerSideEncryption>,
    pub(super) kms_key: Option<String>,
    pub(super) class: Option<StorageClass>,
    pub(super) acl: Option<ObjectCannedAcl>,
}

impl Bucket {
    pub(super) async fn open(settings: Settings) -> io::Result<Self> {
        let answers = Arc::new(Answers::default());
        Ok(Self {
            client: client::connect(&settings, &answers).await?,
            name: settings.bucket.clone(),
            keys: Keys::below(&settings.root),
            answers,
            settings,
            probing: Mutex::default(),
        })
    }

    pub(super) fn attributes(&self) -> Attributes {
        let (encryption, kms_key) = match &self.settings.encryption {
            None => (None, None),
            Some(Encryption::Aes256) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::Kms(key)) => (Some(ServerSideEncryption::AwsKms), Some(key.clone())),
        };
        Attributes {
            encryption,
            kms_key,
            class: self.settings.storage_class.as_deref().map(StorageClass::from),
            acl: self.settings.acl.as_deref().map(ObjectCannedAcl::from),
        }
    }

    /// PutObject, to which only the body is missing.
    pub(super) fn put(&self, key: &Key) -> PutObjectFluentBuilder {
        let attributes = self.attributes();
        self.client
            .put_object()
            .bucket(&self.name)
            .key(self.keys.object(key))
            .set_server_side_encryption(attributes.encryption)
            .set_ssekms_key_id(attributes.kms_key)
            .set_storage_class(attributes.class)
            .set_acl(attributes.acl)
    }

    /// The answer, or what went wrong.
    pub(super) fn told<T, E>(&self, answer: Result<T, SdkError<E, HttpResponse>>) -> Result<T, Failure>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        let told = answer.map_err(Failure::of);
        if told.as_ref().err().is_none_or(Failure::is_missing_for_sure) {
            self.answers.saw_bucket();
        }
        told
    }

    /// As [`Self::told`]. `None`: there is no such object, in a bucket that is there.
    pub(super) async fn found<T, E>(
        &self,
        action: &'static str,
        key: &Key,
        answer: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<Option<T>, Error>
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    {
        match self.told(answer) {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.is_missing_for_sure() => Ok(None),
            Err(failure) if failure.may_be_missing() => {
                let since = (!failure.is_of_a_store()).then(Instant::now);
                self.must_be_there(action, key, since).await?;
                Ok(None)
            }
            Err(failure) => Err(failure.into_error(action, key)),
        }
    }

    /// An outage must not look like a missing object: asks for the bucket, unless it has answered lately, or `since` then.
    async fn must_be_there(
        &self,
        action: &'static str,
        key: &Key,
        since: Option<Instant>,
    ) -> Result<(), Error> {
        if self.answers.has_bucket(since) {
            return Ok(());
        }
        let _one = self.probing.lock().await;
        if self.answers.has_bucket(since) {
            return Ok(());
        }
        let answer = self.client.head_bucket().bucket(&self.name).send().await;
        match self.told(answer) {
            Ok(_) => Ok(()),
            Err(failure) if failure.may_be_missing() => {
                let what = format!("there is no bucket {}", self.name);
                Err(Failure::protocol(what).into_error(action, key))
            }
            Err(failure) => Err(failure.into_error(action, key)),
        }
    }
}
