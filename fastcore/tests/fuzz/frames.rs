//! Frames between core and route, rows of a route's file, and snapshots.

use crate::hunt::Tally;
use crate::messages::Seeds;
use crate::mutate;
use crate::rng::Rng;
use fastcore::link::{self, Frame, Greet, KeysBuf, OrdersWriter, Row, RowRef, SendKind};

/// What one of the writers makes.
fn frame(seeds: &Seeds, rng: &mut Rng) -> Vec<u8> {
    let number = |rng: &mut Rng| if rng.one_in(8) { u64::MAX } else { rng.next() % 1_000 };
    let (a, b, c) = (number(rng), number(rng), number(rng));
    match rng.below(8) {
        0 => link::encode_hello("r", a, b, c, a, &["R", "S"][..rng.below(3)]).unwrap(),
        1 => link::encode_greet(&Greet { epoch: a, incarnation: b, acked_row: c, kill: rng.byte() }),
        2 => {
            let mut out = Vec::new();
            let mut writer = OrdersWriter::begin(&mut out, a, b, c);
            for n in 0..=rng.below(3) {
                let kind = *rng.pick(&[SendKind::New, SendKind::Cancel, SendKind::Status, SendKind::Other]);
                let fix = seeds.message(rng);
                writer
                    .order(format!("ID{n}"), n as u16, kind, 5, "R", |out| out.extend_from_slice(&fix))
                    .unwrap();
            }
            writer.finish();
            out
        }
        3 => link::encode_ack(a),
        4 => link::encode_probe("ID", 3).unwrap(),
        5 => link::encode_beat(a, b),
        6 => link::encode_route_beat(a, b, c),
        _ => rows(seeds, rng),
    }
}

fn rows(seeds: &Seeds, rng: &mut Rng) -> Vec<u8> {
    let mut keys = KeysBuf::default();
    (0..rng.below(4)).for_each(|n| keys.push(&format!("ID{n}"), 1).unwrap());
    let raw = seeds.message(rng);
    let all = [
        Row::Out { journal_no: 7, keys: keys.as_keys() },
        Row::NotSent { cl_ord_id: "ID", try_no: 2, reason: rng.byte() },
        Row::In { session: "R", msg_seq_num: 9, raw: &raw },
        Row::Rejected { session: "R", msg_seq_num: 9, cl_ord_id: "ID", raw: &raw },
        Row::Refused { session: "R", raw: &raw },
        Row::Sync { incarnation: 1, epoch: 2 },
        Row::Logon { session: "R" },
        Row::Logout { session: "R" },
        Row::Gap { session: "R", from: 1, to: u64::MAX },
    ];
    let picked: Vec<Row<'_>> = (0..rng.below(4)).map(|_| *rng.pick(&all)).collect();
    let refs: Vec<RowRef<'_>> =
        (1..).zip(&picked).map(|(row_no, row)| RowRef { row_no, at_ns: 5, row: *row }).collect();
    link::encode_rows(3, &refs).unwrap()
}

/// The frame that is read is written again byte for byte: there is one way to say a thing.
pub fn decoder(seeds: &Seeds, rng: &mut Rng, tally: &mut Tally) -> u64 {
    let mut bytes = frame(seeds, rng);
    if !rng.one_in(16) {
        mutate::bytes(rng, &mut bytes);
    }
    if rng.one_in(8) {
        row(&bytes, tally);
    }
    let again = match link::decode(&bytes) {
        Err(_) => {
            tally.note("not a frame");
            return 1;
        }
        Ok(Frame::Hello(h)) => {
            let sessions: Vec<&str> = h.sessions().collect();
            link::encode_hello(h.route, h.incarnation, h.log_id, h.first_row, h.highest_journal_no, &sessions)
                .unwrap()
        }
        Ok(Frame::Greet(greet)) => link::encode_greet(&greet),
        Ok(Frame::Orders(orders)) => {
            tally.note("orders");
            assert_eq!(orders.iter().count(), orders.len());
            let mut out = Vec::new();
            let mut writer =
                OrdersWriter::begin(&mut out, orders.epoch, orders.incarnation, orders.journal_no);
            for o in &orders {
                let write = |out: &mut Vec<u8>| out.extend_from_slice(o.fix);
                writer.order(o.cl_ord_id, o.try_no, o.kind, o.deadline_ns, o.session, write).unwrap();
            }
            if writer.finish() == 0 {
                return 1; // a frame without orders is never written
            }
            out
        }
        Ok(Frame::Rows(rows)) => {
            tally.note("rows");
            let list: Vec<RowRef<'_>> = rows.iter().collect();
            assert_eq!(list.len(), rows.len());
            link::encode_rows(rows.incarnation, &list).unwrap()
        }
        Ok(Frame::Ack { row_no }) => link::encode_ack(row_no),
        Ok(Frame::Probe { cl_ord_id, try_no }) => link::encode_probe(cl_ord_id, try_no).unwrap(),
        Ok(Frame::CoreBeat { epoch, journal_no }) => link::encode_beat(epoch, journal_no),
        Ok(Frame::Who) => link::encode_who(),
        Ok(Frame::RouteBeat { incarnation, next_row, queued }) => {
            link::encode_route_beat(incarnation, next_row, queued)
        }
    };
    tally.note("a frame");
    assert_eq!(again, bytes);
    1
}

/// The same for a row as it is stored: what stands behind the frame's head is one, now and then.
fn row(bytes: &[u8], tally: &mut Tally) {
    // Magic, type, incarnation, count, row number, time and length come before the first row.
    let stored = bytes.get(34..).unwrap_or_default();
    if let Ok(row) = link::decode_row(stored) {
        let mut again = Vec::new();
        link::encode_row(&row, &mut again).unwrap();
        assert_eq!(again, stored);
        tally.note("a stored row");
    }
}
