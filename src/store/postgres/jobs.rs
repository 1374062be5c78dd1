//! Batch jobs that any number of workers share.
//!
//! A job's inputs are handed out in shares of neighbours. A share is leased as a recipient is: for a
//! while, and with a fence that a worker who comes too late no longer knows. What a worker dies of is
//! counted where the share is leased, because a dead worker counts nothing: a share that took two
//! workers with it is split, and an input that took three is set aside.

use std::sync::Arc;

use super::connect::{Failure, Session, Target};
use super::pool::{Pool, Use};
use super::query::{count, get, number, sql};
use super::{Settings, schema};
use crate::store::fault::Asked;
use crate::store::{Millis, StoreError};

/// Workers that an input may take with it before it is set aside.
const ATTEMPTS: i64 = 3;

/// The jobs of a database.
pub struct Jobs {
    pool: Pool,
}

/// A job as it is handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Its id: unique for ever.
    pub id: String,
    /// The arguments that say what is done to each input, as JSON.
    pub arguments: String,
    /// The folder that paths in them begin from.
    pub folder: String,
    /// The inputs, one a line.
    pub inputs: Vec<u8>,
    /// How many they are.
    pub count: u64,
    /// How many a worker gets at once.
    pub share: u64,
    /// When it was handed in.
    pub submitted_at: Millis,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: String,
    /// The folder that paths begin from.
    pub folder: String,
    /// The arguments that say what is done to each input, as JSON.
    pub arguments: String,
    /// Inputs.
    pub inputs: u64,
    /// When it was handed in.
    pub submitted_at: Millis,
    /// Whether it was cancelled.
    pub cancelled: bool,
    /// Inputs that are done, failed ones among them.
    pub done: u64,
    /// Inputs that workers have now.
    pub leased: u64,
    /// Results that were written.
    pub results: u64,
    /// Results that failed.
    pub failures: u64,
    /// Numbers of the inputs that were set aside, from 0.
    pub set_aside: Vec<u64>,
}

/// Inputs of a job that a worker has for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Number of the row.
    pub id: i64,
    /// Id of the job.
    pub job: String,
    /// Number of the first input, from 0.
    pub first: usize,
    /// Number of the input after the last.
    pub beyond: usize,
    /// How often it was handed out, this time included.
    pub attempts: u32,
    /// Raised by every change.
    pub fence: i64,
}

impl Jobs {
    /// Opens the jobs of a database, where the tables are made if they are not there.
    ///
    /// # Errors
    /// What the database says.
    pub fn open(settings: &Settings) -> Result<Self, StoreError> {
        let target = Target::new(settings)?;
        schema::migrate(&target)?;
        let nobody = Arc::new(|_, _| {});
        let pool = Pool::start(&target, 1, Use::Write, Asked::default(), nobody)?;
        Ok(Self { pool })
    }

    /// Takes a job over.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn submit(&self, job: NewJob) -> Result<(), StoreError> {
        self.pool.run(async move |session| {
            session
                .execute(
                    sql!("job_submit"),
                    &[
                        &job.id,
                        &job.arguments,
                        &job.folder,
                        &job.inputs,
                        &number(job.count),
                        &job.submitted_at,
                        &number(job.share.max(1)),
                    ],
                )
                .await
                .map(|_| ())
        })
    }

    /// Where one job stands, or all of them.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn status(&self, id: Option<&str>, now: Millis) -> Result<Vec<JobRow>, StoreError> {
        let id = id.map(str::to_owned);
        self.pool.run(async move |session| {
            let rows = session.rows(sql!("job_status"), &[&now, &id]).await?;
            rows.iter()
                .map(|row| {
                    let state: &str = get(row, 5)?;
                    let set_aside: Option<Vec<i64>> = get(row, 10)?;
                    let set_aside = set_aside.unwrap_or_default().into_iter();
                    Ok(JobRow {
                        id: get(row, 0)?,
                        folder: get(row, 1)?,
                        arguments: get(row, 2)?,
                        inputs: count(row, 3)?,
                        submitted_at: get(row, 4)?,
                        cancelled: state == "cancelled",
                        done: count(row, 6)?,
                        leased: count(row, 7)?,
                        results: count(row, 8)?,
                        failures: count(row, 9)?,
                        set_aside: set_aside.filter_map(|at| u64::try_from(at).ok()).collect(),
                    })
                })
                .collect()
        })
    }

    /// Hands out no more of a job; workers stop what they have of it. Gives whether it is there.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn cancel(&self, id: &str) -> Result<bool, StoreError> {
        let id = id.to_owned();
        self.pool.run(async move |session| {
            let sql = "UPDATE jobs SET state = 'cancelled' WHERE id = $1";
            Ok(session.execute(sql, &[&id]).await? > 0)
        })
    }

    /// The inputs of a job, one a line.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn inputs(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let id = id.to_owned();
        self.pool.run(async move |session| {
            let sql = "SELECT inputs FROM jobs WHERE id = $1";
            let row = session.row(sql, &[&id]).await?;
            row.as_ref().map(|row| get(row, 0)).transpose()
        })
    }

    /// Gives `tell` the lines of each share that is done, in the order of the inputs.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn report(&self, id: &str, tell: &mut dyn FnMut(&[u8])) -> Result<(), StoreError> {
        let mut after: i64 = -1;
        loop {
            let id = id.to_owned();
            let next = self.pool.run(async move |session| {
                let sql = "SELECT first, lines FROM shares \
                           WHERE job = $1 AND first > $2 AND state = 'done' ORDER BY first LIMIT 1";
                let row = session.row(sql, &[&id, &after]).await?;
                let Some(row) = row else { return Ok(None) };
                let lines: Option<Vec<u8>> = get(&row, 1)?;
                Ok(Some((get::<i64>(&row, 0)?, lines.unwrap_or_default())))
            })?;
            let Some((first, lines)) = next else {
                return Ok(());
            };
            tell(&lines);
            after = first;
        }
    }

    /// Hands out a share for `ttl` milliseconds; `None` where there is nothing to do now.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub fn lease(
        &self,
        worker: &str,
        now: Millis,
        ttl: Millis,
    ) -> Result<Option<Share>, StoreError> {
        let (worker, until) = (worker.to_owned(), now.saturating_add(ttl));
        self.pool.run(async move |session| {
            session.execute(sql!("share_split"), &[&now]).await?;
            session
                .execute(sql!("share_set_aside"), &[&now, &ATTEMPTS])
                .await?;
            let row = session
                .row(sql!("share_lease"), &[&now, &until, &worker])
                .await?;
            let Some(row) = row else { return Ok(None) };
            let place =
                |at| Ok::<usize, Failure>(usize::try_from(count(&row, at)?).unwrap_or(usize::MAX));
            Ok(Some(Share {
                id: get(&row, 0)?,
                job: get(&row, 1)?,
                first: place(2)?,
                beyond: place(3)?,
                attempts: u32::try_from(count(&row, 4)?).unwrap_or(u32::MAX),
                fence: get(&row, 5)?,
            }))
        })
    }

    /// Whether any job that is not cancelled has shares that are not done.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn is_open(&self) -> Result<bool, StoreError> {
        self.pool.run(async move |session| {
            let sql = "SELECT EXISTS (SELECT 1 FROM shares s JOIN jobs j ON j.id = s.job \
                       WHERE s.state = 'waiting' AND j.state = 'open')";
            session.one(sql, &[]).await
        })
    }

    /// Holds a share until `until`.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where somebody else has it, or its job was cancelled.
    pub fn renew(&self, share: &Share, until: Millis) -> Result<(), StoreError> {
        let (id, fence) = (share.id, share.fence);
        self.change(async move |session| {
            session
                .execute(sql!("share_renew"), &[&id, &fence, &until])
                .await
        })
    }

    /// A share is done: so many results were written, so many failed, and these are the lines of the
    /// report.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where somebody else has it.
    pub fn settle(
        &self,
        share: &Share,
        results: u64,
        failures: u64,
        lines: Vec<u8>,
    ) -> Result<(), StoreError> {
        let (id, fence) = (share.id, share.fence);
        self.change(async move |session| {
            session
                .execute(
                    sql!("share_settle"),
                    &[&id, &fence, &number(results), &number(failures), &lines],
                )
                .await
        })
    }

    /// Gives a share back, to be handed out again from `due_at` on. `counts` is whether that was an
    /// attempt.
    ///
    /// # Errors
    /// [`StoreError::Stale`] where somebody else has it.
    pub fn give_back(&self, share: &Share, due_at: Millis, counts: bool) -> Result<(), StoreError> {
        let (id, fence) = (share.id, share.fence);
        self.change(async move |session| {
            session
                .execute(
                    sql!("share_give_back"),
                    &[&id, &fence, &due_at, &i64::from(!counts)],
                )
                .await
        })
    }

    fn change(
        &self,
        work: impl AsyncFn(&Session) -> Result<u64, Failure> + Send + 'static,
    ) -> Result<(), StoreError> {
        match self.pool.run(work)? {
            0 => Err(StoreError::Stale),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::server;
    use super::*;

    fn jobs(url: String) -> Jobs {
        Jobs::open(&Settings {
            database: url,
            password: None,
            roots: None,
            objects: None,
        })
        .unwrap()
    }

    fn job(id: &str, count: u64, share: u64, submitted_at: Millis) -> NewJob {
        NewJob {
            id: id.to_owned(),
            arguments: "[]".to_owned(),
            folder: "/".to_owned(),
            inputs: b"a\nb\n".to_vec(),
            count,
            share,
            submitted_at,
        }
    }

    #[test]
    fn every_input_is_handed_out_once_and_reported_in_order() {
        let Some(server) = server() else { return };
        let jobs = jobs(server.database());
        jobs.submit(job("j", 10, 4, 1)).unwrap();
        let mut seen = Vec::new();
        while let Some(share) = jobs.lease("w", 5, 60).unwrap() {
            seen.push((share.first, share.beyond));
            let line = format!("{}\n", share.first).into_bytes();
            jobs.settle(&share, 3, 1, line).unwrap();
            assert_eq!(
                jobs.settle(&share, 3, 1, Vec::new()),
                Err(StoreError::Stale)
            );
        }
        assert_eq!(seen, [(0, 4), (4, 8), (8, 10)]);
        let status = jobs.status(Some("j"), 6).unwrap().remove(0);
        assert_eq!((status.done, status.leased, status.results), (10, 0, 9));
        assert_eq!((status.failures, jobs.is_open()), (3, Ok(false)));
        let mut lines = Vec::new();
        jobs.report("j", &mut |text| lines.extend_from_slice(text))
            .unwrap();
        assert_eq!(lines, b"0\n4\n8\n");
        assert_eq!(jobs.inputs("j").unwrap().unwrap(), b"a\nb\n");
        assert_eq!(jobs.inputs("k"), Ok(None));
    }

    #[test]
    fn a_small_job_does_not_wait_for_a_large_one() {
        let Some(server) = server() else { return };
        let jobs = jobs(server.database());
        jobs.submit(job("large", 100, 1, 1)).unwrap();
        jobs.submit(job("small", 2, 1, 2)).unwrap();
        let order: Vec<String> = (0..5)
            .map(|_| jobs.lease("w", 5, 60).unwrap().unwrap().job)
            .collect();
        assert_eq!(order, ["large", "small", "large", "small", "large"]);
    }

    #[test]
    fn who_comes_too_late_changes_nothing() {
        let Some(server) = server() else { return };
        let jobs = jobs(server.database());
        jobs.submit(job("j", 1, 1, 1)).unwrap();
        let asleep = jobs.lease("a", 0, 60).unwrap().unwrap();
        assert_eq!(jobs.lease("b", 59, 60), Ok(None));
        jobs.renew(&asleep, 100).unwrap();
        assert_eq!(jobs.lease("b", 99, 60), Ok(None));
        let awake = jobs.lease("b", 100, 60).unwrap().unwrap();
        assert_eq!(jobs.renew(&asleep, 500), Err(StoreError::Stale));
        assert_eq!(
            jobs.settle(&asleep, 1, 0, Vec::new()),
            Err(StoreError::Stale)
        );
        jobs.settle(&awake, 1, 0, Vec::new()).unwrap();
    }

    #[test]
    fn an_input_that_kills_workers_is_set_aside_and_its_neighbours_are_done() {
        let Some(server) = server() else { return };
        let jobs = jobs(server.database());
        jobs.submit(job("j", 4, 4, 1)).unwrap();
        let mut now = 0;
        let mut done = Vec::new();
        let mut deaths = 0;
        while jobs.is_open().unwrap() {
            now += 100;
            while let Some(share) = jobs.lease("w", now, 50).unwrap() {
                if (share.first..share.beyond).contains(&2) {
                    deaths += 1;
                } else {
                    done.push(share.first);
                    jobs.settle(&share, 1, 0, Vec::new()).unwrap();
                }
            }
        }
        assert_eq!((done, deaths), (vec![0, 1, 3], 5));
        assert_eq!(jobs.status(None, now).unwrap()[0].set_aside, [2]);
    }

    #[test]
    fn a_job_that_was_cancelled_is_handed_out_no_more() {
        let Some(server) = server() else { return };
        let jobs = jobs(server.database());
        jobs.submit(job("j", 2, 1, 1)).unwrap();
        let share = jobs.lease("w", 0, 60).unwrap().unwrap();
        assert_eq!(jobs.cancel("j"), Ok(true));
        assert_eq!(jobs.cancel("k"), Ok(false));
        assert_eq!(jobs.renew(&share, 90), Err(StoreError::Stale));
        assert_eq!(
            (jobs.lease("w", 0, 60), jobs.is_open()),
            (Ok(None), Ok(false))
        );
        assert!(jobs.status(None, 0).unwrap()[0].cancelled);
    }

    #[test]
    fn what_is_given_back_comes_again_and_counts_only_where_it_should() {
        let Some(server) = server() else { return };
        let jobs = jobs(server.database());
        jobs.submit(job("j", 1, 1, 1)).unwrap();
        for round in 0..9 {
            let share = jobs.lease("w", round, 60).unwrap().unwrap();
            assert_eq!(share.attempts, 1);
            jobs.give_back(&share, round + 1, false).unwrap();
        }
        for round in 1..=3_u32 {
            let share = jobs.lease("w", 100, 60).unwrap().unwrap();
            assert_eq!(share.attempts, round);
            jobs.give_back(&share, 100, true).unwrap();
        }
        assert_eq!(jobs.lease("w", 100, 60), Ok(None));
        assert_eq!(jobs.status(None, 100).unwrap()[0].set_aside, [0]);
    }
}
