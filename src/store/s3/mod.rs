//! A bucket that speaks S3.

#[cfg(test)]
pub(super) mod double;

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{
    ClientOptions, Error, ObjectMeta, ObjectStore as _, ObjectStoreExt, PutMode, PutOptions,
    RetryConfig,
};
use tokio::runtime::Runtime;

use super::objects::{ObjectStore, Unknown};
use super::{Millis, StoreError};

/// Time to reach the bucket.
const CONNECT: Duration = Duration::from_secs(3);
/// Time for one request.
const REQUEST: Duration = Duration::from_secs(15);
/// Attempts beside the first, and the time for all of them: a phone waits meanwhile.
const RETRIES: (usize, Duration) = (3, Duration::from_secs(20));
/// Names that are asked for at once.
const LISTED: usize = 1_000;

/// Where a bucket is. What is `None` is taken from the environment (`AWS_REGION`,
/// `AWS_ACCESS_KEY_ID` and so on), or from the machine's role where it has one.
#[derive(Clone, Default)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What the names of objects begin with; empty for nothing.
    pub prefix: String,
    /// URL of the service, where it is not Amazon's. With `http://` it is spoken in the clear.
    pub endpoint: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Id and secret of the access key.
    pub key: Option<(String, String)>,
}

/// What a bucket says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its octets.
    pub len: u64,
    /// When it was written.
    pub written: Millis,
}

impl From<ObjectMeta> for Listed {
    fn from(meta: ObjectMeta) -> Self {
        Self {
            key: meta.location.to_string(),
            len: meta.size,
            written: meta.last_modified.timestamp_millis(),
        }
    }
}

/// A bucket, with the threads that talk to it.
pub struct S3 {
    client: Arc<AmazonS3>,
    prefix: Path,
    /// Dropped without waiting for what nobody waits for any more.
    runtime: Option<Runtime>,
}

impl S3 {
    /// A client of the bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// Where what is known of the bucket is no address, or the system gives no threads.
    pub fn new(bucket: &Bucket) -> Result<Self, StoreError> {
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&bucket.name)
            .with_checksum_algorithm(Checksum::SHA256)
            // One by one, which every service understands.
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig {
                max_retries: RETRIES.0,
                retry_timeout: RETRIES.1,
                ..RetryConfig::default()
            });
        let mut options = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_timeout(REQUEST);
        if let Some(endpoint) = &bucket.endpoint {
            builder = builder.with_endpoint(endpoint);
            options = options.with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some(region) = &bucket.region {
            builder = builder.with_region(region);
        }
        if let Some((id, secret)) = &bucket.key {
            builder = builder
                .with_access_key_id(id)
                .with_secret_access_key(secret);
        }
        let client = builder
            .with_client_options(options)
            .build()
            .map_err(|error| refused(&error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("bucket")
            .enable_all()
            .build()
            .map_err(|error| StoreError::io("threads of the bucket", &error))?;
        Ok(Self {
            client: Arc::new(client),
            prefix: Path::from(bucket.prefix.as_str()),
            runtime: Some(runtime),
        })
    }

    /// The objects whose keys are below `key`, in the order of their keys; the prefix of the bucket
    /// has no part in it.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub fn below(&self, key: &str) -> Result<Vec<Listed>, StoreError> {
        let (client, below) = (self.client.clone(), key_of(key)?);
        let listed = self.wait(async move {
            let below = (!below.as_ref().is_empty()).then_some(&below);
            let metas: Vec<_> = client.list(below).collect().await;
            metas.into_iter().collect::<Result<Vec<_>, Error>>()
        })?;
        let listed = listed.map_err(|error| refused(&error))?;
        let mut listed: Vec<Listed> = listed.into_iter().map(Listed::from).collect();
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listed)
    }

    /// What there is of this key; `None` where there is nothing.
    ///
    /// # Errors
    /// Where the bucket does not say.
    pub fn look(&self, key: &str) -> Result<Option<Listed>, StoreError> {
        let (client, path) = (self.client.clone(), key_of(key)?);
        match self.wait(async move { client.head(&path).await })? {
            Ok(meta) => Ok(Some(meta.into())),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    /// The octets of this key, of which there may be `most`; `None` where there is nothing.
    ///
    /// # Errors
    /// Where they cannot be read, or are more: then none of them is waited for.
    pub fn read(&self, key: &str, most: usize) -> Result<Option<Bytes>, StoreError> {
        self.fetch(key_of(key)?, most)
    }

    fn fetch(&self, path: Path, most: usize) -> Result<Option<Bytes>, StoreError> {
        let client = self.client.clone();
        let fetched = self.wait(async move {
            let found = client.get(&path).await?;
            if usize::try_from(found.meta.size).is_ok_and(|size| size <= most) {
                return found.bytes().await.map(Ok);
            }
            Ok(Err(format!("{} octets are too many", found.meta.size)))
        })?;
        match fetched {
            Ok(Ok(octets)) => Ok(Some(octets)),
            Ok(Err(why)) => Err(StoreError::Bucket(why)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// Runs `work` on the threads of the bucket and waits for it. The caller may be on any thread.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<Result<T, Error>, StoreError> {
        let (answer, result) = sync_channel(1);
        let runtime = self.runtime.as_ref().ok_or(StoreError::Closed)?;
        runtime.spawn(async move {
            let _ = answer.send(work.await);
        });
        result.recv().map_err(|_| StoreError::Closed)
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl ObjectStore for S3 {
    fn put(&self, name: &str, octets: &Bytes) -> Result<(), StoreError> {
        let (client, path, octets) = (self.client.clone(), self.path(name), octets.clone());
        let put = self.wait(async move {
            let options = PutOptions::from(PutMode::Create);
            client.put_opts(&path, octets.into(), options).await
        })?;
        match put {
            Ok(_) | Err(Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(refused(&error)),
        }
    }

    fn get(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.fetch(self.path(name), usize::MAX)
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        let (client, path) = (self.client.clone(), self.path(name));
        match self.wait(async move { client.delete(&path).await })? {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(refused(&error)),
        }
    }

    fn sweep(&self, before: Millis, unknown: &mut Unknown<'_>) -> Result<(), StoreError> {
        let mut after: Option<Path> = None;
        loop {
            let (client, prefix, from) = (self.client.clone(), self.prefix.clone(), after.clone());
            let listed = self.wait(async move {
                let prefix = (!prefix.as_ref().is_empty()).then_some(&prefix);
                let listing = match &from {
                    Some(from) => client.list_with_offset(prefix, from),
                    None => client.list(prefix),
                };
                let metas: Vec<_> = listing.take(LISTED).collect().await;
                metas.into_iter().collect::<Result<Vec<_>, Error>>()
            })?;
            let listed = listed.map_err(|error| refused(&error))?;
            let old: Vec<String> = listed
                .iter()
                .filter(|meta| meta.last_modified.timestamp_millis() < before)
                .filter_map(|meta| meta.location.filename().map(str::to_owned))
                .collect();
            for name in unknown(&old)? {
                self.delete(&name)?;
            }
            after = listed.last().map(|meta| meta.location.clone());
            if listed.len() < LISTED || after.is_none() {
                return Ok(());
            }
        }
    }
}

/// A key as it is in the bucket.
fn key_of(key: &str) -> Result<Path, StoreError> {
    Path::parse(key).map_err(|error| StoreError::Bucket(error.to_string()))
}

/// What the bucket says, as ours.
fn refused(error: &Error) -> StoreError {
    let mut text = error.to_string().replace('\n', " ");
    text.truncate(text.floor_char_boundary(300));
    StoreError::Bucket(text)
}

#[cfg(test)]
pub(super) mod tests {
    use super::double::Double;
    use super::*;

    pub(in crate::store) fn bucket(double: &Double, prefix: &str) -> S3 {
        S3::new(&Bucket {
            name: "mms".to_owned(),
            prefix: prefix.to_owned(),
            endpoint: Some(format!("http://{}", double.address)),
            region: Some("eu-central-1".to_owned()),
            key: Some(("id".to_owned(), "secret".to_owned())),
        })
        .unwrap()
    }

    #[test]
    fn an_object_is_written_once_read_and_deleted() {
        let double = Double::start();
        let bucket = bucket(&double, "site/bodies");
        let octets = Bytes::from(vec![7; 300_000]);
        bucket.put("ab01", &octets).unwrap();
        bucket.put("ab01", &octets).unwrap();
        assert_eq!(double.names(), ["site/bodies/ab01"]);
        assert_eq!(bucket.get("ab01").unwrap(), Some(octets));
        assert_eq!(bucket.get("ab02"), Ok(None));
        bucket.delete("ab01").unwrap();
        bucket.delete("ab01").unwrap();
        assert!(double.names().is_empty());
    }

    #[test]
    fn objects_are_found_and_read_by_their_keys() {
        let double = Double::start();
        for key in [
            "in/b.jpg",
            "in/a/1.jpg",
            "in/a/2.jpg",
            "in/c.jpg",
            "inbox/d.jpg",
        ] {
            double.put(key, key.as_bytes());
        }
        let bucket = bucket(&double, "elsewhere");
        let below = |key: &str| {
            let listed = bucket.below(key).unwrap();
            listed
                .into_iter()
                .map(|listed| listed.key)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            below("in"),
            ["in/a/1.jpg", "in/a/2.jpg", "in/b.jpg", "in/c.jpg"]
        );
        assert_eq!(below("").len(), 5);
        assert!(below("none").is_empty());
        let listed = bucket.look("in/b.jpg").unwrap().unwrap();
        assert_eq!((listed.len, listed.written > 1_700_000_000_000), (8, true));
        assert_eq!(bucket.look("in").unwrap(), None);
        assert_eq!(bucket.read("in/b.jpg", 8).unwrap().unwrap(), "in/b.jpg");
        assert_eq!(bucket.read("in/d.jpg", 8).unwrap(), None);
        assert!(bucket.read("in//b.jpg", 8).is_err());
        let large = bucket.read("in/b.jpg", 7).unwrap_err();
        assert_eq!(
            large,
            StoreError::Bucket("8 octets are too many".to_owned())
        );
    }

    #[test]
    fn a_bucket_that_is_away_is_tried_again_and_then_told_of() {
        let double = Double::start();
        let bucket = bucket(&double, "");
        double.be_away(true);
        let put = bucket.put("ab01", &Bytes::from_static(b"x"));
        assert!(matches!(put, Err(StoreError::Bucket(_))), "{put:?}");
        assert_eq!(double.asked("PUT"), 4, "the first and three more");
        double.be_away(false);
        bucket.put("ab01", &Bytes::from_static(b"x")).unwrap();
    }

    #[test]
    fn a_sweep_deletes_what_is_old_and_unknown() {
        let double = Double::start();
        let bucket = bucket(&double, "bodies");
        for number in 0..8 {
            let name = format!("a{number}");
            bucket.put(&name, &Bytes::from_static(b"x")).unwrap();
        }
        bucket.sweep(0, &mut |names| Ok(names.to_vec())).unwrap();
        assert_eq!(double.names().len(), 8, "nothing is that old");
        let far_off = 7_000_000_000_000;
        bucket
            .sweep(far_off, &mut |names| {
                let odd = names
                    .iter()
                    .filter(|name| name.ends_with(['1', '3', '5', '7']));
                Ok(odd.cloned().collect())
            })
            .unwrap();
        let left = double.names().join(" ");
        assert_eq!(left, "bodies/a0 bodies/a2 bodies/a4 bodies/a6");
    }
}
