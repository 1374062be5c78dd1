//! What every backend reads of a table, in the order in which its rows are taken apart.

/// Columns of `messages`.
pub(super) const MESSAGE: &str = "m.id, m.sender, m.accepted_at, m.expires_at, \
    m.delivery_report, m.read_report, m.sender_visible, m.class, m.size, m.subject, m.has_body, \
    m.origin_peer, m.origin_id, m.origin_for_user, m.content";
/// How many they are: those of a recipient may follow them.
pub(super) const MESSAGE_COLUMNS: usize = 15;
/// Columns of `recipients`.
pub(super) const RECIPIENT: &str = "r.id, r.message_id, r.address, r.role, r.token, \
    r.transaction_id, r.state, r.attempts, r.fence, r.peer";
/// Columns of `reports`.
pub(super) const REPORT: &str = "id, message_id, address, pdu, expires_at, attempts, fence, peer";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_follows_the_columns_of_its_message() {
        assert_eq!(MESSAGE.split(',').count(), MESSAGE_COLUMNS);
    }
}
