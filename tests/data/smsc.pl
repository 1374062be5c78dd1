#!/usr/bin/perl
# A service centre on loopback that Net::SMPP speaks for: it prints its port, then each PDU it
# reads as a line of names and values, and sends a receipt for what asks for one.
use strict;
use warnings;
use Net::SMPP;

$| = 1;
my $listener = Net::SMPP->new_listen('127.0.0.1', port => 0, smpp_version => 0x34, async => 1)
    or die "cannot listen: $!";
print 'port ', $listener->sockport, "\n";

my $id = 0;
while (my $peer = $listener->accept) {
    $peer->set_version(0x34);
    while (my $pdu = $peer->read_pdu) {
        my %answer = (seq => $pdu->{seq});
        if ($pdu->{cmd} == 0x09) {
            print "bind_transceiver system_id=$pdu->{system_id} password=$pdu->{password} ",
                "interface_version=$pdu->{interface_version}\n";
            $peer->bind_transceiver_resp(%answer, system_id => 'judge');
            # It wants to know whether the other side is alive.
            $peer->enquire_link(seq => 77);
        }
        elsif ($pdu->{cmd} == 0x02) {
            print "bind_transmitter system_id=$pdu->{system_id}\n";
            $peer->bind_transmitter_resp(%answer, system_id => 'judge');
        }
        elsif ($pdu->{cmd} == 0x04) {
            $id++;
            my $payload = defined $pdu->{message_payload} ? $pdu->{message_payload} : '';
            my $ports = join ',', map { defined $_ ? unpack('n', $_) : '-' }
                $pdu->{source_port}, $pdu->{destination_port};
            print "submit_sm to=$pdu->{destination_addr} ton=$pdu->{dest_addr_ton} ",
                "npi=$pdu->{dest_addr_npi} from=$pdu->{source_addr} ",
                "source_ton=$pdu->{source_addr_ton} esm_class=$pdu->{esm_class} ",
                "data_coding=$pdu->{data_coding} service_type=$pdu->{service_type} ",
                "short_message=", unpack('H*', $pdu->{short_message}), ' ',
                "message_payload=", unpack('H*', $payload), " ports=$ports\n";
            $peer->submit_sm_resp(%answer, message_id => sprintf('%x', $id));
            if ($pdu->{registered_delivery}) {
                $peer->deliver_sm(
                    seq => 100 + $id, esm_class => 0x04, data_coding => 0,
                    source_addr => $pdu->{destination_addr}, destination_addr => '2948',
                    short_message => "id:$id sub:001 dlvrd:001 submit date:2611240000 "
                        . "done date:2611240001 stat:DELIVRD err:000 text:"
                );
            }
        }
        elsif ($pdu->{cmd} == 0x15) { $peer->enquire_link_resp(%answer) }
        elsif ($pdu->{cmd} == 0x80000015) { print "enquire_link_resp seq=$pdu->{seq}\n" }
        elsif ($pdu->{cmd} == 0x80000005) { print "deliver_sm_resp seq=$pdu->{seq} status=$pdu->{status}\n" }
        elsif ($pdu->{cmd} == 0x06) {
            print "unbind\n";
            $peer->unbind_resp(%answer);
            last;
        }
        else { printf "other 0x%08x\n", $pdu->{cmd} }
    }
    close $peer;
    print "closed\n";
}
