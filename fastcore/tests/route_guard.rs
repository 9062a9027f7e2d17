//! The rules of the route side of designs 06 and 09, one claim each.
use fastcore::link::{
    Greet, OrdersWriter, Row, SendKind, encode_ack, encode_beat, encode_greet, encode_probe,
};
use fastcore::route::{KillParts, NotSent, RouteGuard, Seen, UNACKED_MAX};
use proptest::prelude::*;

const NOW: i64 = 1_000_000;
const ORPHAN_NS: i64 = 500;

/// A route at incarnation 2, greeted by epoch 7, with R1 logged on.
fn ready() -> RouteGuard {
    let mut guard = RouteGuard::new(2, 0, 0, &["R1".into(), "R2".into()], ORPHAN_NS);
    assert!(guard.session("R1", true));
    guard.decide(&greet(7, 2, 0), NOW).unwrap();
    guard
}

fn greet(epoch: u64, incarnation: u64, kill: u8) -> Vec<u8> {
    encode_greet(&Greet { epoch, incarnation, acked_row: 11, kill })
}

struct Ask {
    epoch: u64,
    incarnation: u64,
    id: &'static str,
    try_no: u16,
    kind: SendKind,
    deadline_ns: i64,
    session: &'static str,
}

const OPEN: Ask = Ask {
    epoch: 7,
    incarnation: 2,
    id: "A",
    try_no: 1,
    kind: SendKind::New,
    deadline_ns: NOW + 100,
    session: "R1",
};

fn frame(asks: &[Ask]) -> Vec<u8> {
    frame_of(asks, b"FIX")
}

fn frame_of(asks: &[Ask], fix: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = OrdersWriter::begin(&mut out, asks[0].epoch, asks[0].incarnation, 40);
    for a in asks {
        writer.order(a.id, a.try_no, a.kind, a.deadline_ns, a.session, |o| o.extend_from_slice(fix)).unwrap();
    }
    writer.finish();
    out
}

/// Rows in words, then the number of sends.
fn answer(guard: &mut RouteGuard, frame: &[u8], now_ns: i64) -> (Vec<String>, usize) {
    let decided = guard.decide(frame, now_ns).unwrap();
    let rows = decided.rows.iter().map(|row| match row.as_row() {
        Row::Out { journal_no, keys } => format!("out {journal_no} {:?}", keys.iter().collect::<Vec<_>>()),
        Row::NotSent { cl_ord_id, try_no, reason } => {
            format!("not_sent {cl_ord_id} {try_no} {}", NotSent::from_byte(reason).unwrap().as_str())
        }
        Row::Sync { incarnation, epoch } => format!("sync {incarnation} {epoch}"),
        other => format!("{other:?}"),
    });
    (rows.collect(), decided.sends.len())
}

fn refused(reason: &str) -> (Vec<String>, usize) {
    (vec![format!("not_sent A 1 {reason}")], 0)
}

fn sent() -> (Vec<String>, usize) {
    (vec![r#"out 40 [("A", 1)]"#.to_owned()], 1)
}

proptest! {
    /// However little room there is each time, every order of a frame leaves once, in order, behind its row.
    #[test]
    fn a_frame_goes_on_where_the_room_ended(rooms in prop::collection::vec(0_usize..4, 1..40)) {
        let ids = ["A", "B", "C", "D", "E", "F", "G"];
        let asks: Vec<Ask> = ids.iter().map(|id| Ask { id, ..OPEN }).collect();
        let (mut guard, bytes) = (ready(), frame(&asks));
        let mut named = Vec::new();
        let mut sends = 0;
        for room in rooms {
            let decided = guard.decide_some(&bytes, room, NOW).unwrap();
            prop_assert!(decided.sends.len() <= room);
            for row in &decided.rows {
                let Row::Out { keys, .. } = row.as_row() else { panic!("{row:?}") };
                named.extend(keys.iter().map(|(id, _)| id.to_owned()));
            }
            sends += decided.sends.len();
            prop_assert_eq!((named.len(), decided.more), (sends, sends < ids.len()));
        }
        prop_assert_eq!(&named[..], &ids[..sends]);
    }
}

/// What waits for room is decided when there is some: too late for an open, never for a close, and after a probe not at
/// all.
#[test]
fn the_rest_of_a_frame_is_decided_at_its_own_time() {
    let mut guard = ready();
    let close = Ask { id: "C", deadline_ns: 0, ..OPEN };
    let bytes = frame(&[OPEN, Ask { id: "B", ..OPEN }, close, Ask { id: "D", deadline_ns: 0, ..OPEN }]);
    assert!(guard.decide_some(&bytes, 1, NOW).unwrap().more);
    guard.decide(&encode_probe("D", 1).unwrap(), NOW).unwrap();
    let rows = [r#"out 40 [("C", 1)]"#, "not_sent B 1 expired", "not_sent D 1 probed"].map(str::to_owned);
    assert_eq!(answer(&mut guard, &bytes, NOW + 100), (rows.to_vec(), 1));
}

/// An order that passes every check has an OUT row and is sent once.
#[test]
fn an_order_that_passes_leaves_with_an_out_row() {
    let mut guard = ready();
    let bytes = frame(&[OPEN]);
    let decided = guard.decide(&bytes, NOW).unwrap();
    assert_eq!(decided.sends, [("R1", &b"FIX"[..])]);
    assert_eq!(guard.seen("A", 1), Some(Seen::Out));
    assert_eq!(guard.highest_journal_no(), 40);
}

/// Each check alone turns the order into NOT_SENT with its reason, and bars the try.
#[test]
fn each_check_refuses_with_its_own_reason() {
    let table: [(&str, Ask, i64); 6] = [
        ("wrong_incarnation", Ask { incarnation: 1, ..OPEN }, NOW),
        ("wrong_epoch", Ask { epoch: 6, ..OPEN }, NOW),
        ("wrong_epoch", Ask { epoch: 8, ..OPEN }, NOW),
        ("expired", OPEN, NOW + 100),
        ("logged_off", Ask { session: "R2", ..OPEN }, NOW),
        ("unknown_session", Ask { session: "R9", ..OPEN }, NOW),
    ];
    for (reason, ask, now_ns) in table {
        let mut guard = ready();
        assert_eq!(answer(&mut guard, &frame(&[ask]), now_ns), refused(reason));
        assert!(matches!(guard.seen("A", 1), Some(Seen::NotSent(_))), "{reason} bars the try");
    }
}

/// A route that no core has greeted sends nothing.
#[test]
fn an_ungreeted_route_sends_nothing() {
    let mut guard = RouteGuard::new(2, 7, 0, &["R1".into()], ORPHAN_NS);
    guard.session("R1", true);
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), refused("wrong_epoch"));
}

/// Kill levels: opens stop at 1 and 2, closes and everything new at 3; cancels and queries always pass.
#[test]
fn kill_levels_stop_what_they_name() {
    let close = || Ask { deadline_ns: 0, ..OPEN };
    let of = |kind| Ask { kind, deadline_ns: 0, ..OPEN };
    for (level, ask, passes) in [
        (0, OPEN, true),
        (1, OPEN, false),
        (2, OPEN, false),
        (3, OPEN, false),
        (1, close(), true),
        (2, close(), true),
        (3, close(), false),
        (3, of(SendKind::Cancel), true),
        (3, of(SendKind::Status), true),
        (3, of(SendKind::Other), true),
    ] {
        let orders = frame(&[ask]);
        let mut guard = ready();
        guard.decide(&greet(7, 2, level), NOW).unwrap();
        let want = if passes { sent() } else { refused("killed") };
        assert_eq!(answer(&mut guard, &orders, NOW), want, "level {level}");
        // The same by the switch of the route's own host, whatever the core says.
        let mut guard = ready();
        guard.kill_here(level, KillParts::default());
        guard.decide(&greet(7, 2, 0), NOW).unwrap();
        assert_eq!(answer(&mut guard, &orders, NOW), want, "own level {level}");
    }
}

/// Neither switch lowers the other, and each is released alone.
#[test]
fn the_higher_of_both_kill_switches_holds() {
    for (core, own, passes) in [(0, 1, false), (1, 0, false), (3, 1, false), (1, 3, false), (0, 0, true)] {
        let mut guard = ready();
        guard.kill_here(3, KillParts::default());
        guard.decide(&greet(7, 2, 3), NOW).unwrap();
        guard.kill_here(own, KillParts::default());
        guard.decide(&greet(7, 2, core), NOW).unwrap();
        let want = if passes { sent() } else { refused("killed") };
        assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), want, "core {core}, own {own}");
    }
}

const WIRE: &[u8] = b"8=FIX.4.4\x0135=D\x0111=A\x011=F1\x0155=EURUSD\x0154=1\x0138=1000\x01";

/// A stop of a part holds back the orders that have its field, whole and to its level; the highest level counts.
#[test]
fn a_part_is_stopped_by_a_field_of_its_orders() {
    let parts = |given: &[(&str, u8)]| {
        given.iter().map(|(f, level)| (f.as_bytes().into(), *level)).collect::<KillParts>()
    };
    let close = || Ask { deadline_ns: 0, ..OPEN };
    let cancel = || Ask { kind: SendKind::Cancel, deadline_ns: 0, ..OPEN };
    for (all, given, ask, passes) in [
        (0, parts(&[("1=F1", 1)]), OPEN, false),
        (0, parts(&[("1=F1", 2)]), close(), true),
        (0, parts(&[("1=F1", 3)]), close(), false),
        (0, parts(&[("1=F1", 3)]), cancel(), true),
        (0, parts(&[("1=F", 3), ("1=F11", 3), ("55=EUR", 3), ("5=EURUSD", 3)]), OPEN, true),
        (0, parts(&[("55=EURUSD", 1)]), OPEN, false),
        (0, parts(&[("1=F1", 1), ("55=EURUSD", 3)]), close(), false),
        (3, parts(&[("1=F1", 1)]), close(), false),
        (1, parts(&[("1=F2", 3)]), close(), true),
        (1, parts(&[("1=F2", 3)]), OPEN, false),
    ] {
        let mut guard = ready();
        guard.kill_here(all, given.clone());
        let want = if passes { sent() } else { refused("killed") };
        assert_eq!(answer(&mut guard, &frame_of(&[ask], WIRE), NOW), want, "{all} {given:?}");
    }
    let mut guard = ready();
    guard.kill_here(0, parts(&[("1=F1", 3)]));
    guard.kill_here(0, parts(&[("1=F2", 3)]));
    assert_eq!(
        answer(&mut guard, &frame_of(&[OPEN], WIRE), NOW),
        sent(),
        "what is not named again is released"
    );
}

/// A close has no deadline and is never expired.
#[test]
fn an_order_without_deadline_does_not_expire() {
    let mut guard = RouteGuard::new(2, 0, 0, &["R1".into()], i64::MAX);
    guard.session("R1", true);
    guard.decide(&greet(7, 2, 0), 0).unwrap();
    assert_eq!(answer(&mut guard, &frame(&[Ask { deadline_ns: 0, ..OPEN }]), i64::MAX - 1), sent());
}

/// A frame that comes twice is sent once, and the second copy gets no other answer.
#[test]
fn a_repeated_frame_is_sent_once() {
    let mut guard = ready();
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), sent());
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), (vec![], 0));
    let mut guard = ready();
    assert_eq!(answer(&mut guard, &frame(&[OPEN, OPEN]), NOW), sent());
}

/// A barred try stays barred with its first reason, even when nothing speaks against it any more.
#[test]
fn a_barred_try_never_leaves() {
    let mut guard = ready();
    guard.session("R1", false);
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), refused("logged_off"));
    guard.session("R1", true);
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), refused("logged_off"));
    let (rows, sends) = answer(&mut guard, &frame(&[Ask { try_no: 2, ..OPEN }]), NOW);
    assert_eq!((rows, sends), (vec![r#"out 40 [("A", 2)]"#.to_owned()], 1), "the next try may leave");
}

/// PROBE: seen is OUT again, barred is its reason again, not seen is barred now.
#[test]
fn a_probe_is_answered_from_the_seen_set() {
    let mut guard = ready();
    let probe = encode_probe("A", 1).unwrap();
    assert_eq!(answer(&mut guard, &probe, NOW), refused("probed"));
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), refused("probed"), "the late frame does not leave");
    assert_eq!(answer(&mut guard, &probe, NOW), refused("probed"));
    let mut guard = ready();
    answer(&mut guard, &frame(&[OPEN]), NOW);
    assert_eq!(answer(&mut guard, &probe, NOW), (vec![r#"out 0 [("A", 1)]"#.to_owned()], 0));
}

/// GREET for this incarnation is answered by SYNC and carries the acknowledgement.
#[test]
fn a_greeting_is_answered_by_sync() {
    let mut guard = ready();
    assert_eq!(answer(&mut guard, &greet(8, 2, 0), NOW), (vec!["sync 2 8".to_owned()], 0));
    assert_eq!(guard.decide(&greet(8, 2, 0), NOW).unwrap().ack, Some(11));
    assert_eq!(guard.epoch(), 8);
}

/// A greeting for another incarnation, or from an older core, changes nothing.
#[test]
fn a_stale_greeting_is_ignored() {
    let mut guard = ready();
    for stale in [greet(8, 1, 3), greet(6, 2, 3)] {
        assert_eq!(answer(&mut guard, &stale, NOW), (vec![], 0));
        assert_eq!((guard.epoch(), guard.kill()), (7, 0));
    }
}

/// Without heartbeats of its own core for `orphan_ns` a route sends nothing, closes included.
#[test]
fn an_orphan_sends_nothing() {
    let close = || frame(&[Ask { deadline_ns: 0, ..OPEN }]);
    let mut guard = ready();
    assert_eq!(answer(&mut guard, &close(), NOW + ORPHAN_NS), refused("orphan"));
    let mut guard = ready();
    guard.decide(&encode_beat(6, 1), NOW + 400).unwrap();
    assert!(guard.is_orphan(NOW + ORPHAN_NS), "another core's beat does not count");
    guard.decide(&encode_beat(7, 50), NOW + 400).unwrap();
    assert_eq!(answer(&mut guard, &close(), NOW + ORPHAN_NS), sent());
    assert_eq!(guard.highest_journal_no(), 50);
}

/// A route that halted itself sends nothing.
#[test]
fn a_halted_route_sends_nothing() {
    let mut guard = ready();
    guard.halt();
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), refused("halted"));
}

/// A line that says nothing takes a bounded number of messages; one word of the broker opens it again.
#[test]
fn a_silent_line_takes_a_bounded_number() {
    let mut guard = ready();
    for try_no in 0..UNACKED_MAX {
        let try_no = u16::try_from(try_no).unwrap();
        assert_eq!(answer(&mut guard, &frame(&[Ask { id: "B", try_no, ..OPEN }]), NOW).1, 1);
    }
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), refused("backlog"));
    guard.heard("R1");
    assert_eq!(answer(&mut guard, &frame(&[Ask { try_no: 2, ..OPEN }]), NOW).1, 1);
}

/// What the file remembered before a restart is not sent again.
#[test]
fn a_restart_remembers_what_left() {
    let mut guard = ready();
    guard.remember("A", 1, Seen::Out);
    guard.remember("A", 1, Seen::NotSent(1));
    assert_eq!(guard.seen("A", 1), Some(Seen::Out), "OUT is a fact");
    assert_eq!(answer(&mut guard, &frame(&[OPEN]), NOW), (vec![], 0));
}

/// ACK is handed to the file, garbage is an error and changes nothing.
#[test]
fn ack_and_garbage() {
    let mut guard = ready();
    assert_eq!(guard.decide(&encode_ack(5), NOW).unwrap().ack, Some(5));
    assert!(guard.decide(b"CGnonsense", NOW).is_err());
}

/// Reason bytes are stored in journals: each has its own name and number.
#[test]
fn reasons_keep_their_bytes() {
    for (reason, byte) in NotSent::ALL.into_iter().zip(1_u8..) {
        assert_eq!((reason.byte(), NotSent::from_byte(byte)), (byte, Some(reason)));
    }
    assert_eq!(NotSent::from_byte(0), None);
}

proptest! {
    /// Whatever comes in whatever order: a try is sent at most once, and never after it was answered NOT_SENT.
    #[test]
    fn a_try_is_sent_at_most_once(steps in proptest::collection::vec((0_u8..7, 0_u16..3, 0_i64..300), 1..80)) {
        let mut guard = ready();
        let mut now_ns = NOW;
        let mut sends = [0_u32; 3];
        let mut barred = [false; 3];
        for (step, try_no, wait) in steps {
            now_ns += wait;
            let bytes = match step {
                0 => { guard.session("R1", wait % 2 == 0); continue; }
                1 => greet(7, 2, u8::try_from(wait % 4).unwrap()),
                2 => encode_beat(7, 1),
                3 => encode_probe("A", try_no).unwrap(),
                4 => frame(&[Ask { try_no, deadline_ns: 0, ..OPEN }]),
                5 => frame(&[Ask { try_no, epoch: 8, ..OPEN }]),
                _ => frame(&[Ask { try_no, deadline_ns: now_ns + 50, ..OPEN }]),
            };
            let decided = guard.decide(&bytes, now_ns).unwrap();
            let at = usize::from(try_no);
            for _ in &decided.sends {
                sends[at] += 1;
                prop_assert!(!barred[at], "sent after NOT_SENT");
                prop_assert!(matches!(decided.rows[0].as_row(), Row::Out { .. }), "sent without OUT");
            }
            for row in &decided.rows {
                if let Row::NotSent { try_no, .. } = row.as_row() {
                    barred[usize::from(try_no)] = true;
                    prop_assert_eq!(sends[usize::from(try_no)], 0, "NOT_SENT after a send");
                }
            }
        }
        prop_assert!(sends.iter().all(|n| *n <= 1));
    }
}
