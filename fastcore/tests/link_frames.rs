//! Frames of the link: what is written is read back, and any bytes give an answer.
use fastcore::link::{
    Frame, Greet, KeysBuf, LinkError, OrdersWriter, Row, RowRef, SendKind, decode, decode_row, encode_ack,
    encode_beat, encode_greet, encode_hello, encode_probe, encode_route_beat, encode_row, encode_rows,
    encode_who,
};
use proptest::prelude::*;

fn orders_frame(count: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = OrdersWriter::begin(&mut out, 3, 4, 5);
    for n in 0..count {
        let id = format!("ID{n}");
        writer.order(&id, n, SendKind::New, i64::from(n), "R1", |o| o.extend_from_slice(b"35=D|")).unwrap();
    }
    writer.finish();
    out
}

/// Each small frame comes back with the values it was written with.
#[test]
fn fixed_frames_come_back_as_written() {
    let greet = Greet { epoch: 1, incarnation: 2, acked_row: 3, kill: 3 };
    assert_eq!(decode(&encode_greet(&greet)), Ok(Frame::Greet(greet)));
    assert_eq!(decode(&encode_ack(u64::MAX)), Ok(Frame::Ack { row_no: u64::MAX }));
    assert_eq!(decode(&encode_probe("A1", 7).unwrap()), Ok(Frame::Probe { cl_ord_id: "A1", try_no: 7 }));
    assert_eq!(decode(&encode_beat(8, 9)), Ok(Frame::CoreBeat { epoch: 8, journal_no: 9 }));
    assert_eq!(decode(&encode_who()), Ok(Frame::Who));
    let beat = Frame::RouteBeat { incarnation: 1, next_row: 2, queued: 3 };
    assert_eq!(decode(&encode_route_beat(1, 2, 3)), Ok(beat));
    let bytes = encode_hello("r1", 1, 2, 3, 4, &["S1", "S2"]).unwrap();
    let Ok(Frame::Hello(hello)) = decode(&bytes) else { panic!("not HELLO") };
    assert_eq!((hello.route, hello.incarnation, hello.log_id), ("r1", 1, 2));
    assert_eq!((hello.first_row, hello.highest_journal_no), (3, 4));
    assert_eq!(hello.sessions().collect::<Vec<_>>(), ["S1", "S2"]);
}

/// Orders keep their order and their bytes, and the buffer's earlier content stays.
#[test]
fn orders_are_appended_behind_what_the_buffer_holds() {
    let mut out = b"before".to_vec();
    let mut writer = OrdersWriter::begin(&mut out, 3, 4, 5);
    writer.order("A", 1, SendKind::New, 9, "R1", |o| o.extend_from_slice(b"one")).unwrap();
    writer.order("B", 2, SendKind::Cancel, 0, "R2", |_| {}).unwrap();
    assert_eq!(writer.finish(), 2);
    assert_eq!(&out[..6], b"before");
    let Ok(Frame::Orders(orders)) = decode(&out[6..]) else { panic!("not ORDERS") };
    assert_eq!((orders.epoch, orders.incarnation, orders.journal_no, orders.len()), (3, 4, 5, 2));
    let read: Vec<_> = orders.iter().collect();
    assert_eq!(
        (read[0].cl_ord_id, read[0].try_no, read[0].deadline_ns, read[0].fix),
        ("A", 1, 9, &b"one"[..])
    );
    assert_eq!((read[1].kind, read[1].session, read[1].fix), (SendKind::Cancel, "R2", &b""[..]));
}

/// An order that its writer refused, or whose name is too long, leaves no trace.
#[test]
fn a_refused_order_is_taken_back() {
    let mut out = Vec::new();
    let mut writer = OrdersWriter::begin(&mut out, 1, 1, 1);
    let refused = writer.order_if("A", 1, SendKind::New, 0, "R1", |o| {
        o.push(b'x');
        false
    });
    assert_eq!(refused, Ok(false));
    let long = "x".repeat(256);
    let error = writer.order(&long, 1, SendKind::New, 0, "R1", |_| {});
    assert_eq!(error, Err(LinkError::Limit("length of a name")));
    assert_eq!(writer.finish(), 0);
    assert!(out.is_empty(), "an empty frame is not sent");
}

fn all_rows(keys: &KeysBuf) -> Vec<Row<'_>> {
    vec![
        Row::Out { journal_no: 1, keys: keys.as_keys() },
        Row::NotSent { cl_ord_id: "A", try_no: 2, reason: 3 },
        Row::In { session: "R1", msg_seq_num: 4, raw: b"8=FIX" },
        Row::Rejected { session: "R1", msg_seq_num: 5, cl_ord_id: "A1", raw: b"35=3" },
        Row::Refused { session: "R1", raw: b"35=3" },
        Row::Sync { incarnation: 5, epoch: 6 },
        Row::Logon { session: "R1" },
        Row::Logout { session: "R1" },
        Row::Gap { session: "R1", from: 7, to: 8 },
    ]
}

/// Every kind of row survives its stored form and its frame.
#[test]
fn every_row_comes_back_as_written() {
    let mut keys = KeysBuf::default();
    keys.push("A", 1).unwrap();
    keys.push("B", 2).unwrap();
    let rows = all_rows(&keys);
    for row in &rows {
        let mut bytes = Vec::new();
        encode_row(row, &mut bytes).unwrap();
        assert_eq!(decode_row(&bytes).as_ref(), Ok(row));
    }
    let framed: Vec<RowRef<'_>> =
        (1..).zip(&rows).map(|(n, r)| RowRef { row_no: n, at_ns: -1, row: *r }).collect();
    let bytes = encode_rows(9, &framed).unwrap();
    let Ok(Frame::Rows(read)) = decode(&bytes) else { panic!("not ROWS") };
    assert_eq!(read.incarnation, 9);
    assert_eq!(read.iter().collect::<Vec<_>>(), framed);
    let Some(Row::Out { keys, .. }) = read.iter().next().map(|r| r.row) else { panic!("not OUT") };
    assert_eq!(keys.iter().collect::<Vec<_>>(), [("A", 1), ("B", 2)]);
}

/// A frame cut anywhere, or with a byte more, is an error.
#[test]
fn every_cut_of_a_frame_is_an_error() {
    let mut keys = KeysBuf::default();
    keys.push("A", 1).unwrap();
    let rows: Vec<RowRef<'_>> =
        all_rows(&keys).into_iter().map(|row| RowRef { row_no: 1, at_ns: 1, row }).collect();
    let frames =
        [orders_frame(3), encode_rows(1, &rows).unwrap(), encode_hello("r", 1, 1, 1, 1, &["S"]).unwrap()];
    for frame in frames {
        assert!(decode(&frame).is_ok());
        for end in 0..frame.len() {
            assert!(decode(&frame[..end]).is_err(), "cut at {end}");
        }
        let mut longer = frame.clone();
        longer.push(0);
        assert_eq!(decode(&longer), Err(LinkError::Trailing));
    }
}

/// Another version or another magic is not ours.
#[test]
fn another_version_is_refused() {
    let mut frame = encode_ack(1);
    frame[2] = 2;
    assert_eq!(decode(&frame), Err(LinkError::NotOurs));
    assert_eq!(decode(b"CG\x01\xff"), Err(LinkError::UnknownType(255)));
}

proptest! {
    /// Any bytes are decoded or refused, and what is decoded can be walked to its counted end.
    #[test]
    fn any_bytes_get_an_answer(kind in 0_u8..10, body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut frame = b"CG\x01".to_vec();
        frame.push(kind);
        frame.extend(&body);
        match decode(&frame) {
            Ok(Frame::Orders(orders)) => prop_assert_eq!(orders.iter().count(), orders.len()),
            Ok(Frame::Rows(rows)) => prop_assert_eq!(rows.iter().count(), rows.len()),
            _ => {}
        }
        let _ = decode_row(&body);
        let _ = decode(&body);
    }

    /// A flipped byte in a good frame never makes the decoder lose its footing.
    #[test]
    fn a_flipped_byte_gets_an_answer(at in 0_usize..60, bit in 0_u8..8) {
        let mut frame = orders_frame(2);
        let at = at % frame.len();
        frame[at] ^= 1 << bit;
        if let Ok(Frame::Orders(orders)) = decode(&frame) {
            prop_assert_eq!(orders.iter().count(), orders.len());
        }
    }

    /// Orders of any content come back.
    #[test]
    fn orders_of_any_content_come_back(
        list in proptest::collection::vec(("[A-Z0-9]{0,20}", any::<u16>(), any::<i64>(), ".{0,9}",
            proptest::collection::vec(any::<u8>(), 0..50)), 1..20)
    ) {
        let mut out = Vec::new();
        let mut writer = OrdersWriter::begin(&mut out, 1, 2, 3);
        for (id, try_no, deadline, session, fix) in &list {
            writer.order(id, *try_no, SendKind::Other, *deadline, session, |o| o.extend_from_slice(fix)).unwrap();
        }
        writer.finish();
        let Ok(Frame::Orders(orders)) = decode(&out) else { return Err(TestCaseError::fail("not ORDERS")) };
        let read: Vec<_> = orders.iter()
            .map(|o| (o.cl_ord_id.to_owned(), o.try_no, o.deadline_ns, o.session.to_owned(), o.fix.to_vec())).collect();
        prop_assert_eq!(read, list);
    }
}
