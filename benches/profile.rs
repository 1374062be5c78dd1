//! Look-ups of devices: by URL, id and user agent, warm and from a database just opened.

use divan::{Bencher, black_box};
use remold::Limits;
use remold::profile::uaprof::read;
use remold::profile::{Class, Database, Resolution, resolve};

fn main() {
    divan::main();
}

const URL: &str = "http://nds1.nds.nokia.com/uaprof/N6100r100.xml";
const TEXT: &str = include_str!("../profiles/devices.tsv");

#[divan::bench]
fn by_url() -> bool {
    Database::embedded().is_ok_and(|d| d.by_url(black_box(URL)).is_some())
}

#[divan::bench]
fn by_id() -> bool {
    Database::embedded().is_ok_and(|d| d.by_id(black_box("nokia-6100")).is_some())
}

#[divan::bench]
fn by_unknown_url() -> bool {
    Database::embedded().is_ok_and(|d| d.by_url(black_box("http://a.test/b.xml")).is_some())
}

/// Opening the database, splitting its dictionary, one look-up: what a cold process pays.
#[divan::bench]
fn cold_open_and_by_id() -> bool {
    Database::open(black_box(TEXT)).is_ok_and(|d| d.by_id(black_box("nokia-6100")).is_some())
}

#[divan::bench]
fn class() -> bool {
    Class::by_id(black_box("s40-gen1")).is_ok()
}

/// A device by id with its gaps filled from its class.
#[divan::bench]
fn resolution_by_id() -> bool {
    Resolution::by_id(black_box("nokia-6100")).is_ok()
}

#[divan::bench(args = [
    ("X-Wap-Profile", URL),
    ("User-Agent", "SonyEricssonK750i/R1AA Browser/SEMC-Browser/4.2"),
    ("User-Agent", "Mozilla/5.0 (Linux; Android 14) Whatever/1"),
    ("Accept", "image/jpeg, image/gif"),
])]
fn request(bencher: Bencher, header: (&str, &str)) {
    let headers = vec![(header.0.to_owned(), header.1.to_owned())];
    bencher.bench(|| resolve(black_box(&headers), &Limits::default()));
}

#[divan::bench]
fn uaprof_document(bencher: Bencher) {
    let items: String = (0..60)
        .map(|n| format!("<rdf:li>image/x-{n}</rdf:li>"))
        .collect();
    let document = format!(
        "<rdf:RDF><prf:component><rdf:Description><mms:MmsMaxMessageSize>1</mms:MmsMaxMessageSize>\
         <mms:MmsCcppAccept><rdf:Bag>{items}</rdf:Bag></mms:MmsCcppAccept></rdf:Description>\
         </prf:component></rdf:RDF>"
    );
    bencher.bench(|| read(black_box(document.as_bytes()), &Limits::default()));
}
