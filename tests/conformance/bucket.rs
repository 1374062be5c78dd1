//! A bucket for the tests that start service centres on a database.

#[cfg(feature = "s3")]
#[path = "../../src/store/s3/double.rs"]
mod double;

/// Whether nodes that share a database keep large bodies in a bucket.
pub(crate) fn is_asked_for() -> bool {
    cfg!(feature = "s3") && std::env::var("REMOLD_BODIES").is_ok_and(|bodies| bodies == "s3")
}

/// The lines of a configuration that make it so; none where nobody asked for it. All share the
/// bucket, which lasts longer than any of them.
pub(crate) fn settings() -> String {
    #[cfg(feature = "s3")]
    if is_asked_for() {
        use std::sync::LazyLock;
        static DOUBLE: LazyLock<double::Double> = LazyLock::new(double::Double::start);
        return tests::of(&DOUBLE);
    }
    String::new()
}

#[cfg(feature = "s3")]
mod tests {
    use super::double::Double;
    use crate::mmsc::{ALICE, BOB, PATIENCE, Scratch, Server, accepted, fetch, post, small};
    use crate::postgres::Postgres;
    use crate::support::{fixture, remold};

    pub(super) fn of(double: &Double) -> String {
        format!(
            "bodies = \"s3://mms\"\nbodies_endpoint = \"http://{}\"\n\
             bodies_region = \"eu-central-1\"\nbodies_key_id = \"id\"\n\
             bodies_secret = \"secret\"\n",
            double.address
        )
    }

    #[test]
    fn a_bucket_that_is_away_costs_no_message() {
        let Some(postgres) = Postgres::start("bucket", false) else {
            return;
        };
        let (scratch, double) = (Scratch::new("bucket"), Double::start());
        let store = format!("database = \"{}\"\n{}", postgres.database(), of(&double));
        let device = "[device]\ndefault = \"ios-generic\"";
        let server = Server::start_on(&scratch.0, &store, device, None);
        let large = |id: &str| {
            let mut pdu = small(id, &[BOB]);
            pdu.body.as_mut().unwrap().parts[0].data =
                format!("{id} {}", "x".repeat(150_000)).into();
            pdu
        };
        let before = accepted(post(server.mm1, ALICE, &large("b1"))).unwrap();
        assert_eq!(double.names(), [before]);
        let url = server.next_url(PATIENCE).unwrap();
        double.be_away(true);
        assert_eq!(accepted(post(server.mm1, ALICE, &large("b2"))), None);
        // What is in a row needs no bucket.
        accepted(post(server.mm1, ALICE, &small("b3", &[BOB]))).unwrap();
        double.be_away(false);
        accepted(post(server.mm1, ALICE, &large("b2"))).unwrap();
        let conf = fetch(server.mm1, &url, "");
        let text = &conf.body.as_ref().unwrap().parts[0].data;
        assert!(text.starts_with(b"b1 ") && double.asked("GET") > 0);
    }

    #[test]
    fn a_batch_job_reads_the_objects_of_a_bucket_and_goes_on_with_them() {
        let (scratch, double) = (Scratch::new("objects"), Double::start());
        let picture = std::fs::read(fixture("greeting.mms")).unwrap();
        for key in ["in/a.mms", "in/deep/b.mms", "in/deep/c.txt", "other/d.mms"] {
            double.put(key, &picture);
        }
        double.put("in/broken.jpg", b"not much");
        let out = scratch.0.join("out");
        let run = |more: &[&str]| {
            let mut command = remold();
            command
                .args([
                    "batch",
                    "--device",
                    "nokia-6100",
                    "--progress",
                    "none",
                    "--out",
                ])
                .arg(&out)
                .args(more)
                .env("AWS_ENDPOINT_URL", format!("http://{}", double.address))
                .env("AWS_REGION", "eu-central-1")
                .env("AWS_ACCESS_KEY_ID", "id")
                .env("AWS_SECRET_ACCESS_KEY", "secret");
            command.output().unwrap()
        };
        let inputs = ["s3://mms/in", "s3://mms/other/*.mms", "s3://mms/none.jpg"];
        let first = run(&inputs);
        assert_eq!(first.status.code(), Some(3), "{first:?}");
        let report = std::fs::read_to_string(out.join("remold-report.jsonl")).unwrap();
        assert_eq!(report.lines().count(), 6, "{report}");
        assert!(report.contains("s3://mms/in/deep/b.mms") && report.contains("nothing is there"));
        let results = [
            "a.nokia-6100.mms",
            "deep/b.nokia-6100.mms",
            "d.nokia-6100.mms",
        ];
        for result in results {
            assert!(out.join(result).is_file(), "{result}");
        }
        let read = double.asked("GET");
        // Times are whole seconds.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        double.put("in/deep/b.mms", &picture);
        let again = run(&[&inputs[..], &["--resume"]].concat());
        assert_eq!(again.status.code(), Some(0), "{again:?}");
        let after = std::fs::read_to_string(out.join("remold-report.jsonl")).unwrap();
        let anew: Vec<&str> = after.lines().skip(6).collect();
        assert!(
            anew.len() == 1 && anew[0].contains("deep/b.mms"),
            "{anew:?}"
        );
        assert!(double.asked("GET") > read, "what was written anew is read");
    }
}
