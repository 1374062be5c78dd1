//! Seeds of the service centre: what reaches its edge, steps of its relay, configurations.

use super::save;

pub(super) fn seeds(pdus: &[(&str, Vec<u8>)]) {
    for (name, octets) in pdus {
        save("mm1", name, &[&[3], &octets[..]].concat());
    }
    for (name, text) in REQUESTS {
        let octets = text.replace('\n', "\r\n");
        save("mm1", name, &[&[0], octets.as_bytes()].concat());
    }
    for (name, steps) in STEPS {
        save("relay", name, steps);
    }
    for (name, text) in CONFIGURATIONS {
        save("config", name, text.as_bytes());
    }
}

const REQUESTS: [(&str, &str); 4] = [
    (
        "chunked",
        "POST /u/token HTTP/1.1\nHost: mms\nTransfer-Encoding: chunked\nExpect: 100-continue\n\n\
         5\n\x0C\u{0}abc\n0\n\n",
    ),
    (
        "absolute",
        "GET http://mms.example/m/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA HTTP/1.0\n\
         User-Agent: Nokia7650/1.0\nx-wap-profile: \"http://nds.nokia.com/uaprof/N7650r100.xml\"\n\n",
    ),
    (
        "two",
        "GET /b/x HTTP/1.1\nHost: a\n\nPUT / HTTP/1.1\nHost: a\n\n",
    ),
    (
        "short",
        "POST / HTTP/1.1\nHost: a\nContent-Length: 90\n\nabc",
    ),
];

/// Three octets a step: which, and what with.
const STEPS: [(&str, &[u8]); 4] = [
    // Sent to two with a report, told, fetched, acknowledged.
    (
        "usual",
        &[
            0, 32, 6, 6, 0, 0, 2, 0, 0, 4, 0, 4, 2, 1, 0, 4, 1, 0, 6, 0, 0,
        ],
    ),
    // Sent twice, rejected, kept in a file, taken back, purged.
    (
        "odd",
        &[
            0, 33, 2, 0, 33, 2, 6, 0, 0, 4, 0, 1, 0, 36, 242, 8, 0, 0, 6, 7, 0, 9, 1, 0,
        ],
    ),
    // The gateway is away, then full, then well again; a restart in between.
    (
        "trouble",
        &[
            7, 2, 0, 0, 32, 14, 6, 1, 0, 7, 1, 0, 6, 4, 0, 9, 0, 0, 7, 0, 0, 6, 8, 0, 2, 0, 0,
        ],
    ),
    // Nobody fetches.
    (
        "late",
        &[0, 34, 1, 6, 0, 0, 4, 0, 2, 6, 12, 0, 6, 12, 0, 2, 0, 0],
    ),
];

const CONFIGURATIONS: [(&str, &str); 4] = [
    (
        "whole",
        "[store]\nfolder = \"/srv/mms\"\n[mm1]\nlisten = \"[::]:8002\"\nurl = \"http://mms.example\"\n\
         [identity]\nheader = \"X-MSISDN\"\ngateways = [\"10.0.0.0/8\"]\ntokens = { aaaaaaaaaaaaaaaa = \"+12025550100\" }\n\
         [numbering]\ncountry = \"1\"\nlocal = [\"+1202555\"]\n[delivery]\nretry_attempts = 5\n\
         [policy]\nmessages_per_minute = 10\nburst = 20\n[mbox]\nmessages = 5\n[device]\ndefault = \"ios-generic\"\n",
    ),
    (
        "peers",
        "[mm4]\nlisten = \"0.0.0.0:25\"\ndomain = \"us.example\"\n[numbering]\nlocal = [\"+1202\"]\n[mm4.peers.far]\n\
         domain = \"far.example\"\nprefixes = [\"+1303\"]\nhost = \"mx.far.example:25\"\nfrom = [\"192.0.2.0/24\"]\n",
    ),
    (
        "notify",
        "[notify.smpp]\naddress = \"smsc:2775\"\nsystem_id = \"mms\"\npassword = \"p\"\n\
         [cdr]\nfolder = \"cdr\"\nformat = \"csv\"\n[log]\nlevel = \"info\"\n[admin]\nlisten = \"127.0.0.1:8003\"\n",
    ),
    ("mistake", "[mm1]\nlisten = 5\nunknown = true\n"),
];
