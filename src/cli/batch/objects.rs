//! Objects of buckets as inputs. Where a bucket is and who may read it says the environment, as it
//! does to other programs that speak S3.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::batch::object::{self, Found, Objects};
use crate::store::{Bucket, Listed, S3, StoreError};

/// A client for each bucket that is named.
#[derive(Default)]
pub(super) struct Buckets(Mutex<HashMap<String, Arc<S3>>>);

impl std::fmt::Debug for Buckets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Buckets")
    }
}

impl Buckets {
    /// The bucket of a URL, and the key.
    fn of<'a>(&self, url: &'a str) -> Result<(Arc<S3>, &'a str, &'a str), String> {
        let (name, key) = object::parts(url).ok_or("is no URL such as s3://bucket/key")?;
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = open.get(name) {
            return Ok((bucket.clone(), name, key));
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let bucket = S3::new(&Bucket {
            name: name.to_owned(),
            endpoint: variable("AWS_ENDPOINT_URL").or_else(|| variable("AWS_ENDPOINT")),
            ..Bucket::default()
        });
        let bucket = Arc::new(bucket.map_err(|error| said(&error))?);
        open.insert(name.to_owned(), bucket.clone());
        Ok((bucket, name, key))
    }
}

impl Objects for Buckets {
    fn below(&self, url: &str) -> Result<Vec<(String, Found)>, String> {
        let (bucket, name, key) = self.of(url)?;
        let key = key.trim_end_matches('/');
        let mut listed = bucket.below(key).map_err(|error| said(&error))?;
        if listed.is_empty() && !key.is_empty() {
            listed.extend(bucket.look(key).map_err(|error| said(&error))?);
        }
        let named = |listed: Listed| (object::of(name, &listed.key), found(&listed));
        Ok(listed.into_iter().map(named).collect())
    }

    fn look(&self, url: &str) -> Result<Found, String> {
        let (bucket, _, key) = self.of(url)?;
        let listed = bucket.look(key).map_err(|error| said(&error))?;
        listed.as_ref().map(found).ok_or_else(missing)
    }

    fn read(&self, url: &str, most: usize) -> Result<Bytes, String> {
        let (bucket, _, key) = self.of(url)?;
        let octets = bucket.read(key, most).map_err(|error| said(&error))?;
        octets.ok_or_else(missing)
    }
}

fn found(listed: &Listed) -> Found {
    // Some services tell milliseconds in a listing, and seconds of an object alone.
    let seconds = listed.written.div_euclid(1_000);
    Found {
        len: listed.len,
        modified: seconds.checked_mul(1_000_000_000),
    }
}

fn missing() -> String {
    "there is no such object".to_owned()
}

fn said(error: &StoreError) -> String {
    error.to_string()
}
