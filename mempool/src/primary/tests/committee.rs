//! Committees that live through loss, crashes and silence.

use kraken_types::Round;

use super::net::Net;

#[test]
fn four_make_rounds_order_payload_and_fall_silent() {
    let mut net = Net::new(4, 1);
    net.run(2_000);
    assert_eq!(net.headers(), 0, "nobody has a reason");
    (0..40).for_each(|sequence| {
        net.seal(u16::try_from(sequence % 4).expect("few"), sequence);
        net.run(10);
    });
    net.run(5_000);
    assert_eq!(net.ordered(), 40);
    let (top, headers) = (net.top(), net.headers());
    assert!(Round(5) < top, "{top:?}");
    net.run(60_000);
    assert_eq!((net.top(), net.headers()), (top, headers), "everything is ordered");
}
