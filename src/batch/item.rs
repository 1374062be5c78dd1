//! One input, for all of its devices.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::deadline::{Deadlines, Running};
use super::files::{Folder, Replace};
use super::input::Input;
use super::journal::{Past, modified};
use super::line::{Body, Code, Failure, Line, odd_name};
use super::memory::{self, Gate, Pass};
use super::names::Names;
use super::object::{self, Found};
use super::{Control, Device, Job, Told, hex};
use crate::adapt::report::Verdict;
use crate::adapt::{self, Context, Engine, Form, Formed, Plan, Report};
use crate::limits::Limits;
use crate::media::image::Shared;
use crate::media::{self, MediaError, MediaKind, mime};
use crate::mms::{DecodeError, Message};

/// What all inputs of a job share.
pub(super) struct Bench<'a> {
    pub(super) job: &'a Job,
    pub(super) inputs: &'a [Input],
    pub(super) names: Names<'a>,
    pub(super) folder: Option<Folder>,
    pub(super) gate: Gate,
    pub(super) deadlines: Deadlines,
    pub(super) control: &'a Control,
    pub(super) past: Option<&'a Past>,
    /// The fingerprint of each device.
    pub(super) settings: Vec<String>,
}

/// What became of an input for one device.
pub(super) struct Finished {
    pub(super) line: Line,
    pub(super) plan: Option<Plan>,
    /// The index of the device.
    pub(super) device: usize,
}

/// Why an input is not worked on.
enum Obstacle {
    Failed(Failure),
    /// The job is to stop: nothing is told.
    Stopped,
}

impl From<Failure> for Obstacle {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What was read of an input.
#[derive(Default)]
struct Known {
    len: Option<u64>,
    modified: Option<i64>,
    sha256: Option<String>,
}

impl Bench<'_> {
    /// Works on the input with this index, for these devices, and tells what became of it for each.
    pub(super) fn work(&self, index: usize, devices: &[usize], tell: &mut dyn FnMut(Finished)) {
        let Some(input) = self.inputs.get(index) else {
            return;
        };
        let begun = Instant::now();
        let mut known = Known::default();
        match self.open(input, devices.len(), &mut known) {
            Ok((formed, _pass)) => self.fit(input, index, devices, &formed, &known, tell),
            Err(Obstacle::Failed(failure)) => {
                for &device in devices {
                    self.tell_failure(input, device, &known, begun, failure.clone(), tell);
                }
            }
            Err(Obstacle::Stopped) => {}
        }
    }

    /// Reads an input, as soon as there is memory for it.
    fn open(
        &self,
        input: &Input,
        devices: usize,
        known: &mut Known,
    ) -> Result<(Formed, Pass<'_>), Obstacle> {
        if let Some(fault) = &input.fault {
            return Err(Failure::new(Code::Unreadable, fault.clone()).into());
        }
        let limits = &self.job.limits;
        let found = self.look(input)?;
        known.len = Some(found.len);
        known.modified = found.modified;
        let most = u64::try_from(limits.message_bytes).unwrap_or(u64::MAX);
        if found.len > most {
            return Err(too_long(limits.message_bytes).into());
        }
        let mut pass = self.enter(memory::to_read(found.len))?;
        let mut octets = self.read(input)?;
        known.sha256 = Some(hex(&Sha256::digest(&octets)));
        loop {
            let formed = self.read_form(octets, input)?;
            let shared = (devices > 1).then(|| memory::to_share(&self.gate, limits));
            let needs = memory::to_adapt(&formed, shared, limits);
            if needs > self.gate.most() {
                let needs = needs.div_ceil(1 << 20);
                let room = self.gate.most() >> 20;
                let message = format!("may take {needs} MiB, and the job has {room} for an input");
                return Err(Failure::new(Code::Memory, message).into());
            }
            if pass.grow(needs) {
                return Ok((formed, pass));
            }
            drop((formed, pass));
            pass = self.enter(needs)?;
            octets = self.read(input)?;
        }
    }

    fn look(&self, input: &Input) -> Result<Found, Failure> {
        if let Some(url) = object::url(&input.path) {
            return match input.found {
                Some(found) => Ok(found),
                None => self.job.objects.look(url).map_err(|why| unreadable(&why)),
            };
        }
        let found = fs::metadata(&input.path).map_err(|error| unreadable(&error))?;
        if !found.is_file() {
            return Err(Failure::new(Code::Unreadable, "is not a file any more"));
        }
        Ok(Found {
            len: found.len(),
            modified: modified(&found),
        })
    }

    fn read(&self, input: &Input) -> Result<Bytes, Failure> {
        let limit = self.job.limits.message_bytes;
        let Some(url) = object::url(&input.path) else {
            return read(&input.path, limit);
        };
        let octets = self.job.objects.read(url, limit);
        octets.map_err(|why| unreadable(&why))
    }

    fn enter(&self, octets: u64) -> Result<Pass<'_>, Obstacle> {
        let octets = octets.min(self.gate.most());
        self.gate
            .enter(octets, || self.control.told() != Told::Stop)
            .ok_or(Obstacle::Stopped)
    }

    fn read_form(&self, octets: Bytes, input: &Input) -> Result<Formed, Obstacle> {
        let name = input.path.file_name().and_then(|name| name.to_str());
        guarded(|| {
            let formed = Form::read(octets, name, &self.job.limits);
            let formed = formed.map_err(|error| undecodable(&error))?;
            match name.and_then(|name| mistaken(name, &formed, &self.job.limits)) {
                Some(mistake) => Err(Failure::new(Code::Undecodable, mistake).into()),
                None => Ok(formed),
            }
        })
    }

    /// Fits a message to each device, one after the other, those with the largest pictures first:
    /// what is decoded for them serves the others, too.
    fn fit(
        &self,
        input: &Input,
        index: usize,
        devices: &[usize],
        formed: &Formed,
        known: &Known,
        tell: &mut dyn FnMut(Finished),
    ) {
        let watched = self.deadlines.begin(self.job.deadline);
        let shared = (devices.len() > 1)
            .then(|| Shared::new(memory::to_share(&self.gate, &self.job.limits)));
        let mut devices = devices.to_vec();
        devices.sort_by_key(|&number| std::cmp::Reverse(self.pixels_of(number)));
        for number in devices {
            let Some(device) = self.job.devices.get(number) else {
                continue;
            };
            let begun = Instant::now();
            let task = Task {
                bench: self,
                input,
                index,
                device,
                formed,
                running: &watched.running,
                shared: shared.as_ref(),
            };
            let made = guarded(|| task.run());
            match made {
                Ok(made) => {
                    let line = self.line(input, number, known, made, begun);
                    tell(line);
                }
                Err(Obstacle::Failed(failure)) => {
                    self.tell_failure(input, number, known, begun, failure, tell);
                }
                Err(Obstacle::Stopped) if watched.running.is_expired() => {
                    let time = self.job.deadline.as_secs_f64();
                    let message = format!("not done within {time} seconds");
                    let failure = Failure::new(Code::Deadline, message);
                    self.tell_failure(input, number, known, begun, failure, tell);
                }
                Err(Obstacle::Stopped) => return,
            }
        }
    }

    /// Pixels of the largest picture that a device takes.
    fn pixels_of(&self, device: usize) -> u64 {
        let device = self.job.devices.get(device);
        let most = device.and_then(|device| device.caps.max_image.as_ref());
        most.map_or(u64::MAX, |most| {
            u64::from(most.value.width).saturating_mul(most.value.height.into())
        })
    }

    fn line(
        &self,
        input: &Input,
        device: usize,
        known: &Known,
        made: Made,
        begun: Instant,
    ) -> Finished {
        let mut report = made.report;
        report.input = Some(input.path.display().to_string());
        report.input_sha256.clone_from(&known.sha256);
        report.ms.total = begun.elapsed().as_secs_f64() * 1000.0;
        let body = Body::Report(Box::new(report));
        Finished {
            line: Line {
                output_bytes: made.output_bytes,
                output_sha256: made.output_sha256,
                ..self.bare_line(input, device, known, body, made.failure)
            },
            plan: made.plan,
            device,
        }
    }

    fn tell_failure(
        &self,
        input: &Input,
        number: usize,
        known: &Known,
        begun: Instant,
        failure: Failure,
        tell: &mut dyn FnMut(Finished),
    ) {
        let Some(device) = self.job.devices.get(number) else {
            return;
        };
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        let len = known.len.unwrap_or(0);
        let body = Body::failed(&input.path, known.sha256.clone(), len, &device.caps, ms);
        tell(Finished {
            line: self.bare_line(input, number, known, body, Some(failure)),
            plan: None,
            device: number,
        });
    }

    fn bare_line(
        &self,
        input: &Input,
        device: usize,
        known: &Known,
        body: Body,
        error: Option<Failure>,
    ) -> Line {
        let name = |device: &Device| device.name.clone();
        Line {
            body,
            target: self.job.devices.get(device).map(name).unwrap_or_default(),
            settings: self.settings.get(device).cloned().unwrap_or_default(),
            input_bytes: known.len,
            input_modified: known.modified,
            input_octets: odd_name(&input.path),
            output_bytes: None,
            output_sha256: None,
            error,
            dry_run: self.job.dry_run,
        }
    }
}

/// One input for one device.
struct Task<'a> {
    bench: &'a Bench<'a>,
    input: &'a Input,
    index: usize,
    device: &'a Device,
    formed: &'a Formed,
    running: &'a Running,
    shared: Option<&'a Shared>,
}

/// What came of a task.
struct Made {
    report: Report,
    plan: Option<Plan>,
    output_bytes: Option<u64>,
    output_sha256: Option<String>,
    failure: Option<Failure>,
}

impl Task<'_> {
    fn run(&self) -> Result<Made, Obstacle> {
        let Job {
            policy,
            registry,
            limits,
            dry_run,
            explain,
            ..
        } = self.bench.job;
        let context = Context {
            caps: &self.device.caps,
            policy,
            registry,
            limits,
        };
        let Formed { message, size, .. } = self.formed;
        let cancel = &self.running.cancel;
        cancel.check().map_err(|_| Obstacle::Stopped)?;
        let plan = (*dry_run || *explain).then(|| adapt::plan(message, *size, context));
        let (mut report, result) = match &plan {
            Some(plan) if *dry_run => {
                let report = adapt::report_of_plan(message, plan, &self.device.caps);
                (report, None)
            }
            _ => {
                let begun = Instant::now();
                let engine = Engine {
                    context,
                    cancel,
                    now: &|| begun.elapsed(),
                };
                let adapted = match self.shared {
                    Some(shared) => adapt::adapt_sharing(message, *size, engine, shared),
                    None => adapt::adapt(message, *size, engine),
                };
                let adapted = adapted.map_err(|error| match error {
                    MediaError::Cancelled => Obstacle::Stopped,
                    other => Failure::new(Code::Internal, other.to_string()).into(),
                })?;
                (adapted.report, adapted.message)
            }
        };
        let odd = &self.formed.warnings;
        let odd = odd
            .iter()
            .map(|w| format!("{} (at byte {})", w.message, w.offset));
        report.warnings.splice(0..0, odd);
        report.refuse_lost_medium(&self.formed.form);
        let mut made = Made {
            failure: (report.verdict == Verdict::Refused)
                .then(|| Failure::new(Code::Refused, report.refusal())),
            report,
            plan,
            output_bytes: None,
            output_sha256: None,
        };
        if let (Some(result), None, Some(folder)) = (result, &made.failure, &self.bench.folder) {
            self.write(&result, &mut made, folder)?;
        }
        Ok(made)
    }

    fn write(&self, result: &Message, made: &mut Made, folder: &Folder) -> Result<(), Obstacle> {
        let Formed { form, octets, .. } = self.formed;
        let octets = match made.report.verdict {
            Verdict::Unchanged => octets.clone(),
            _ => form
                .write(result)
                .map_err(|error| Failure::new(Code::Internal, error.to_string()))?
                .into(),
        };
        let Bench {
            job, names, past, ..
        } = self.bench;
        let ext = self.extension(&octets);
        let path = names.path(self.index, &self.device.name, &ext);
        let before = past.and_then(|past| past.of(&self.input.path, &self.device.name));
        let own = before.is_some_and(|done| done.output.as_deref() == Some(&path));
        let replace = match (job.force || own, past) {
            (true, _) => Replace::Always,
            // What an earlier run wrote and could not tell of is the same, octet for octet.
            (false, Some(_)) => Replace::Same,
            (false, None) => Replace::Never,
        };
        // What is not wanted any more is not written.
        self.running.cancel.check().map_err(|_| Obstacle::Stopped)?;
        folder.put(&path, &octets, replace).map_err(|error| {
            let at = path.display();
            if error.kind() == io::ErrorKind::AlreadyExists {
                let message = format!("{at} exists already; --force replaces it");
                Failure::new(Code::OutputExists, message)
            } else {
                Failure::new(Code::Output, format!("{at} cannot be written: {error}"))
            }
        })?;
        made.report.output = Some(path.display().to_string());
        made.output_bytes = u64::try_from(octets.len()).ok();
        made.output_sha256 = Some(hex(&Sha256::digest(&octets)));
        Ok(())
    }

    /// The extension of a result: that of the input where it tells the truth.
    fn extension(&self, octets: &Bytes) -> String {
        let own = self.input.path.extension().and_then(|ext| ext.to_str());
        match self.formed.form {
            Form::Pdu(_) | Form::Multipart => own.unwrap_or("mms").to_owned(),
            Form::Mime => own.unwrap_or("eml").to_owned(),
            Form::Media => {
                let Ok(info) = media::probe(octets, &self.bench.job.limits) else {
                    return own.unwrap_or("bin").to_owned();
                };
                let promised = own.and_then(mime::format_of_extension);
                let honest = promised == Some(info.format) || info.format == media::Format::Unknown;
                match own {
                    Some(own) if honest => own.to_owned(),
                    _ => mime::extension(&info).to_owned(),
                }
            }
        }
    }
}

/// Calls into the engine; a panic is this input's failure and nobody else's.
fn guarded<T>(call: impl FnOnce() -> Result<T, Obstacle>) -> Result<T, Obstacle> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let message = format!("the engine panicked: {}", text.unwrap_or("no reason given"));
        Err(Failure::new(Code::Internal, message).into())
    })
}

fn read(path: &Path, limit: usize) -> Result<Bytes, Failure> {
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut octets = Vec::new();
    File::open(path)
        .and_then(|file| {
            let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            octets.reserve_exact(len.min(limit).saturating_add(1));
            file.take(cap).read_to_end(&mut octets)
        })
        .map_err(|error| unreadable(&error))?;
    if octets.len() > limit {
        return Err(too_long(limit));
    }
    Ok(octets.into())
}

fn unreadable(why: &impl Display) -> Failure {
    Failure::new(Code::Unreadable, format!("cannot be read: {why}"))
}

fn too_long(limit: usize) -> Failure {
    Failure {
        offset: Some(limit),
        ..Failure::new(Code::Undecodable, format!("more than {limit} octets"))
    }
}

/// A letter that calls itself a photograph is most often what a server said instead of one.
fn mistaken(name: &str, formed: &Formed, limits: &Limits) -> Option<String> {
    let (_, extension) = name.rsplit_once('.')?;
    let promised = mime::format_of_extension(extension)?;
    let shown = matches!(
        promised.kind(),
        MediaKind::Image | MediaKind::Audio | MediaKind::Video
    );
    if formed.form != Form::Media || !shown {
        return None;
    }
    let info = media::probe(&formed.octets, limits).ok()?;
    let what = mime::media_type(&info);
    let promised = promised.media_type();
    (info.kind == MediaKind::Text).then(|| format!("is {what}, and its name says {promised}"))
}

fn undecodable(error: &DecodeError) -> Failure {
    Failure {
        offset: Some(error.offset),
        ..Failure::new(Code::Undecodable, error.kind.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formed(octets: &'static [u8], name: &str) -> Formed {
        let octets = Bytes::from_static(octets);
        Form::read(octets, Some(name), &Limits::default()).unwrap()
    }

    #[test]
    fn text_that_calls_itself_a_photograph_is_a_mistake() {
        let limits = Limits::default();
        let page = b"<html><body>404 Not Found</body></html>";
        let said = mistaken("photo.jpg", &formed(page, "photo.jpg"), &limits);
        assert!(said.is_some_and(|said| said.contains("image/jpeg")));
        for name in ["page.html", "page.txt", "page"] {
            assert_eq!(mistaken(name, &formed(page, name), &limits), None, "{name}");
        }
        let gif =
            b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
        assert_eq!(mistaken("a.jpg", &formed(gif, "a.jpg"), &limits), None);
    }

    #[test]
    fn a_panic_is_a_failure_of_its_input() {
        let outcome = guarded::<()>(|| panic!("number {}", 7));
        let Err(Obstacle::Failed(failure)) = outcome else {
            panic!("not a failure");
        };
        assert_eq!(failure.code, Code::Internal);
        assert_eq!(failure.message, "the engine panicked: number 7");
    }

    #[test]
    fn an_input_is_read_up_to_its_limit() {
        let name = format!("remold-item-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), "12345");
        let failure = read(&path, 4).unwrap_err();
        assert_eq!((failure.code, failure.offset), (Code::Undecodable, Some(4)));
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path, 4).unwrap_err().code, Code::Unreadable);
    }
}
