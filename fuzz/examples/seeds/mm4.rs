//! Sessions of SMTP and messages of MM4.

use super::save;

/// Writes them. The first octet of a session says how it is cut.
pub(super) fn write() {
    for (name, text) in SESSIONS {
        let octets = text.replace('\n', "\r\n").replace("<LF>", "\n");
        save("smtp", name, &[&[6], octets.as_bytes()].concat());
    }
    for (name, text) in ENVELOPES {
        save("mm4_envelope", name, text.replace('\n', "\r\n").as_bytes());
    }
}

const SESSIONS: [(&str, &str); 5] = [
    (
        "mail",
        "EHLO a\n\
         MAIL FROM:<x@far.example> SIZE=20\n\
         RCPT TO:<+15550001111/TYPE=PLMN@us.example>\n\
         RCPT TO:<postmaster>\n\
         DATA\n\
         From: a\n\
         \n\
         ..hi\n\
         .\n\
         QUIT\n",
    ),
    (
        "refused",
        "EHLO a\n\
         MAIL FROM:<>\n\
         RCPT TO:<a@evil.example>\n\
         RCPT TO:<+4416@us.example>\n\
         DATA\n\
         RSET\n\
         NOOP\n",
    ),
    (
        "smuggled",
        "EHLO a\n\
         MAIL FROM:<x@far.example>\n\
         RCPT TO:<postmaster>\n\
         DATA\n\
         hi<LF>.<LF>MAIL FROM:<evil@x>\n\
         .\n\
         QUIT\n",
    ),
    (
        "starttls",
        "EHLO a\n\
         STARTTLS\n\
         MAIL FROM:<x@far.example>\n",
    ),
    (
        "orders",
        "NOOP\n\
         DATA\n\
         HELO a\n\
         BDAT 1 LAST\n\
         VRFY x\n\
         MAIL FROM:<system-user>\n\
         MAIL FROM:<a@b>\n\
         RCPT TO:<@a:b@c>\n\
         XYZZY\n",
    ),
];

const ENVELOPES: [(&str, &str); 5] = [
    (
        "forward_req",
        "Received: by x\n\
         Date: Thu, 13 Jan 2022 02:28:01 +0200\n\
         From: +12025550100/TYPE=PLMN@far.example\n\
         To: +15550001111/TYPE=PLMN,\n\
         \x20+15550001112/TYPE=PLMN\n\
         X-Mms-3GPP-MMS-Version: 6.10.0\n\
         X-Mms-Transaction-ID: \"t1@far.example\"\n\
         X-Mms-Message-ID: <m1>\n\
         X-Mms-Message-Type: MM4_forward.REQ\n\
         X-Mms-Ack-Request: Yes\n\
         X-Mms-Originator-System: PostMaster@far.example\n\
         X-Mms-Expiry: 604800\n\
         X-Mms-Priority: High\n\
         X-Mms-Read-Reply: No\n\
         X-Mms-Forward-Counter: 1\n\
         Subject: =?utf-8?b?R3LDvMOfZQ==?=\n\
         MIME-Version: 1.0\n\
         Content-Type: multipart/related; boundary=b; start=\"<s>\"\n\
         \n\
         --b\n\
         Content-Type: application/smil\n\
         Content-ID:<s>\n\
         \n\
         <smil/>\n\
         --b\n\
         Content-Type: text/plain\n\
         \n\
         hi\n\
         --b--\n",
    ),
    (
        "forward_res",
        "From: PostMaster\n\
         X-Mms-3GPP-MMS-Version: 6.10.0\n\
         X-Mms-Transaction-ID: \"t1@far.example\"\n\
         X-Mms-Message-ID: <m1>\n\
         X-Mms-Message-Type: MM4_forward.RES\n\
         X-Mms-Request-Status-Code: Ok\n\
         X-Mms-Request-Recipients: +15550001111, +15550001112\n\
         X-Mms-Status-Text: All is good.\n\
         \n",
    ),
    (
        "delivery_report_req",
        "From: +15550001111/TYPE=PLMN\n\
         X-Mms-3GPP-MMS-Version: 6.10.0\n\
         X-Mms-Transaction-ID: \"t1@far.example\"\n\
         X-Mms-Message-ID: <m1>\n\
         X-Mms-Message-Type: MM4_delivery_report.REQ\n\
         X-Mms-MM-Status-Code: Retrieved\n\
         X-Mms-Forward-To-Originator-UA: Yes\n\
         \n",
    ),
    (
        "delivery_report_dialect",
        "From: mmsc.example.net\n\
         X-Mms-3GPP-MMS-Version: 6.10.0\n\
         X-Mms-Transaction-ID: \"t1@far.example\"\n\
         X-Mms-Message-ID: <m1>\n\
         X-Mms-Message-Type: mm4_delivery_report.req\n\
         X-Mms-Status: Expired\n\
         X-Mms-Originator-System: system=mmsc.example.net;party=+12025550101\n\
         \n\
         OK\n",
    ),
    (
        "read_reply_report_req",
        "From: +15550001111\n\
         X-Mms-3GPP-MMS-Version: 6.10.0\n\
         X-Mms-Transaction-ID: \"t1@far.example\"\n\
         X-Mms-Message-ID: <m1>\n\
         X-Mms-Message-Type: MM4_read_reply_report.REQ\n\
         X-Mms-Read-Status: Deleted without being read\n\
         \n",
    ),
];
